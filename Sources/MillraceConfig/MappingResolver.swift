package import MillraceCore

/// Compares a pipeline file with its model's signature and compiles the mapping.
package enum MappingResolver {
    /// Plans where nothing is wrong; complaints otherwise, by place.
    package struct Outcome: Sendable {
        /// Nil after complaints.
        package let plans: (features: FeaturePlan, append: AppendPlan)?
        package let complaints: [Complaint]
    }

    /// Most features of one row: a bound for models that ask for absurd buffers.
    static let widthLimit = 1 << 20

    /// Compiles the mapping of `file` against the model's signature; all complaints at once.
    package static func resolve(_ file: PipelineFile, _ signature: Signature) -> Outcome {
        var complaints = Complaints(file: file.path)
        var features = FeatureResolver(model: file.model)
        features.resolve(signature.inputs, complaints: &complaints)
        var append = AppendResolver()
        append.resolve(file.append, outputs: signature.outputs, complaints: &complaints)
        checkConflicts(file, features.slots, append.fields, complaints: &complaints)
        guard !complaints.hasErrors else {
            return Outcome(plans: nil, complaints: complaints.sorted)
        }
        let plans = (
            features: FeaturePlan(columns: features.columns, slots: features.slots),
            append: AppendPlan(
                outputs: append.outputs, fields: append.fields,
                onConflict: file.append.onConflict, under: file.append.under)
        )
        return Outcome(plans: plans, complaints: complaints.sorted)
    }

    /// A prediction field of the name of a field that every record must have would make every
    /// record a dead letter.
    private static func checkConflicts(
        _ file: PipelineFile, _ slots: [FeatureSlot], _ fields: [AppendField],
        complaints: inout Complaints
    ) {
        guard file.append.onConflict != .keep else { return }
        let names = file.append.under.map { [$0] } ?? fields.map(\.name)
        let required = Set(
            slots.compactMap { slot in
                guard slot.missing == .error, case .field(let pointer) = slot.source else {
                    return nil as String?
                }
                return pointer.tokens.first
            })
        for name in names where required.contains(name) {
            complaints.add(
                place(of: name, in: file.append),
                "every record has the field \(Shown.text(name)) already, it is a model input;"
                    + " append under another name")
        }
    }

    private static func place(of name: String, in append: PipelineFile.Append) -> Place {
        guard case .fields(let entries) = append.fields else { return append.place }
        return entries.first { $0.name == name }?.place ?? append.place
    }
}

/// What a type is called in complaints: as ONNX and NumPy call it.
extension ElementType {
    var shownName: String { String(describing: self) }
}
