internal import MillraceCore

/// Model inputs and their mappings -> columns and slots.
struct FeatureResolver {
    private let model: PipelineFile.Model
    private(set) var columns: [FeaturePlan.Column] = []
    private(set) var slots: [FeatureSlot] = []

    init(model: PipelineFile.Model) { self.model = model }

    mutating func resolve(_ inputs: [ModelInput], complaints: inout Complaints) {
        if inputs.isEmpty {
            complaints.add(model.filePlace, "the model has no inputs")
        }
        if let mappings = model.inputs {
            checkNames(mappings, inputs, complaints: &complaints)
        }
        for (column, input) in inputs.enumerated() {
            guard let form = form(of: input, complaints: &complaints) else { continue }
            guard let rowShape = rowShape(of: input, form, complaints: &complaints) else {
                continue
            }
            columns.append(
                FeaturePlan.Column(name: input.name, type: input.type, rowShape: rowShape))
            addSlots(input, column: column, form, rowShape: rowShape, complaints: &complaints)
        }
    }

    private func checkNames(
        _ mappings: [InputMapping], _ inputs: [ModelInput], complaints: inout Complaints
    ) {
        let names = inputs.map(\.name)
        for mapping in mappings where !names.contains(mapping.name) {
            let question = Suggestion.question(for: mapping.name, among: names)
            complaints.add(
                mapping.place,
                "the model has no input \(Shown.text(mapping.name))"
                    + (question.isEmpty ? "; it has \(Shown.names(names))" : question))
        }
    }

    /// The mapping of an input; the field of its own name where the file has no `inputs`.
    private func form(
        of input: ModelInput, complaints: inout Complaints
    ) -> InputMapping.Form? {
        guard let mappings = model.inputs else {
            return .single(
                FieldMapping(
                    source: .field(FieldPointer(tokens: [input.name])), place: model.inputsPlace,
                    missing: nil, parsesText: false))
        }
        if let mapping = mappings.first(where: { $0.name == input.name }) { return mapping.form }
        complaints.add(
            model.inputsPlace,
            "model input \(Shown.text(input.name)) is not mapped; add it to model.inputs")
        return nil
    }

    /// The dimensions after the batch with the free one worked out; nil after a complaint.
    private func rowShape(
        of input: ModelInput, _ form: InputMapping.Form, complaints: inout Complaints
    ) -> [Int]? {
        let shown = "model input \(Shown.text(input.name))"
        let place = place(of: input, form)
        let known = input.rowShape.compactMap(\.self)
        guard let product = ModelInput(name: "", type: input.type, rowShape: known).width,
            known.allSatisfy({ $0 > 0 }), product <= MappingResolver.widthLimit
        else {
            complaints.add(
                place,
                "\(shown) has the shape \(shape(input)); a row must have 1 to"
                    + " \(MappingResolver.widthLimit) features")
            return nil
        }
        let freeCount = input.rowShape.count - known.count
        switch form {
        case .single(let field):
            guard freeCount == 0 else {
                complaints.add(
                    place,
                    "\(shown) takes any number of features; list its fields, as [/a, /b], so that"
                        + " their number is known")
                return nil
            }
            if product > 1, !Self.mayBeArray(field.source) {
                complaints.add(
                    place,
                    "\(shown) takes \(product) features, but \(field.source) is one value")
                return nil
            }
            return known
        case .list(let fields):
            if freeCount == 0, fields.count == product { return known }
            if freeCount == 1, fields.count % product == 0 {
                return input.rowShape.map { $0 ?? fields.count / product }
            }
            complaints.add(
                place, wrongCount(shown, input, fields.count, product, freeCount: freeCount))
            return nil
        }
    }

    private func wrongCount(
        _ shown: String, _ input: ModelInput, _ count: Int, _ product: Int, freeCount: Int
    ) -> String {
        if freeCount > 1 {
            return "\(shown) has the shape \(shape(input)); only one dimension may be free"
        }
        let takes = freeCount == 0 ? "" : "a multiple of "
        let mapped = count == 1 ? "1 is" : "\(count) are"
        var message =
            "\(shown) takes \(takes)\(product) feature\(product == 1 ? "" : "s"), but \(mapped)"
            + " mapped"
        if count == 1, freeCount == 0 {
            message += "; for an array field write the pointer without [ ]"
        }
        return message
    }

    private func place(of input: ModelInput, _ form: InputMapping.Form) -> Place {
        model.inputs?.first { $0.name == input.name }?.place ?? model.inputsPlace
    }

    private func shape(_ input: ModelInput) -> String {
        "[" + (["N"] + input.rowShape.map { $0.map { String($0) } ?? "?" }).joined(separator: ", ")
            + "]"
    }

    private mutating func addSlots(
        _ input: ModelInput, column: Int, _ form: InputMapping.Form, rowShape: [Int],
        complaints: inout Complaints
    ) {
        var defaultIsChecked = false
        func slot(_ field: FieldMapping, element: Int, count: Int) -> FeatureSlot {
            let missing = field.missing ?? model.missing
            // The default of all fields is checked once an input, not once a field.
            if let missing, field.missing != nil || !defaultIsChecked {
                if field.missing == nil { defaultIsChecked = true }
                if let problem = Self.misfit(missing.value, input) {
                    complaints.add(missing.place, problem)
                }
            }
            checkSource(field, input, complaints: &complaints)
            return FeatureSlot(
                source: field.source, column: column, element: element, count: count,
                isArray: count > 1, type: input.type, missing: missing?.value ?? .error,
                parsesText: field.parsesText || Self.isText(field.source, for: input))
        }
        switch form {
        case .single(let field):
            slots.append(slot(field, element: 0, count: rowShape.reduce(1, *)))
        case .list(let fields):
            for (element, field) in fields.enumerated() {
                slots.append(slot(field, element: element, count: 1))
            }
        }
    }

    private func checkSource(
        _ field: FieldMapping, _ input: ModelInput, complaints: inout Complaints
    ) {
        guard input.type == .string else { return }
        let shown = "model input \(Shown.text(input.name)) takes text"
        if field.parsesText {
            complaints.add(field.place, "\(shown); parse: true is for numeric inputs")
        }
        if field.source == .timestamp {
            complaints.add(field.place, "\(shown), but $timestamp is a number")
        }
    }

    private static func mayBeArray(_ source: FeatureSource) -> Bool {
        if case .field = source { true } else { false }
    }

    /// Keys and headers are text: a number in them is always parsed.
    private static func isText(_ source: FeatureSource, for input: ModelInput) -> Bool {
        guard input.type != .string else { return false }
        switch source {
        case .key, .header: return true
        case .field, .timestamp: return false
        }
    }

    /// Why the policy's value cannot stand in this input; nil where it can.
    private static func misfit(_ policy: MissingPolicy, _ input: ModelInput) -> String? {
        let shown = "model input \(Shown.text(input.name)) (\(input.type.shownName))"
        switch policy {
        case .error: return nil
        case .nan:
            return input.type.isFloatingPoint
                ? nil : "missing: nan needs a floating-point input, but \(shown) is none"
        case .text:
            return input.type == .string
                ? nil : "missing: quoted text needs a string input, but \(shown) is none"
        case .number(let number):
            if input.type == .string {
                return "missing: a number needs a numeric input, but \(shown) takes text; put it"
                    + " in quotes"
            }
            return holds(number, input.type)
                ? nil : "missing: \(number) does not fit into \(shown)"
        }
    }

    private static func holds(_ number: Double, _ type: ElementType) -> Bool {
        switch type {
        case .float32: Float(number).isFinite
        case .float64: true
        case .int8: Int8(exactly: number) != nil
        case .int16: Int16(exactly: number) != nil
        case .int32: Int32(exactly: number) != nil
        case .int64: Int64(exactly: number) != nil
        case .uint8: UInt8(exactly: number) != nil
        case .uint16: UInt16(exactly: number) != nil
        case .uint32: UInt32(exactly: number) != nil
        case .uint64: UInt64(exactly: number) != nil
        case .bool: number == 0 || number == 1
        case .string: false
        }
    }
}
