import MillraceCore

/// Finds out what a model gives: declared shapes are often free or wrong, so a trial run over rows
/// of zeros tells the real ones.
struct OutputFinder {
    /// The outputs that Millrace can read, in the model's order.
    let found: [ModelOutput]
    /// The graph's own name for an output, where it differs.
    let tensors: [String: String]
    /// Why the other outputs cannot be read.
    let unusable: [String: String]

    /// An output whose type can be read.
    private struct Candidate {
        let name: String
        /// The graph's own name.
        let tensor: String
        let type: ElementType
        let dimensions: [Int64]
        /// Of a ZipMap.
        let labels: [ClassLabel]?
    }

    init(
        scan: ModelScan, removal: ZipMapRemoval, handle: SessionHandle, inputs: [ModelInput],
        fixedBatch: Int?, path: String, log: Log
    ) throws(ModelError) {
        var unusable: [String: String] = [:]
        let candidates = try Self.candidates(scan, removal, handle, unusable: &unusable)
        // Two rows tell a batch dimension from a constant 1.
        let rows = fixedBatch ?? 2
        let shapes = Self.trial(
            Set(candidates.map(\.tensor)).sorted(), handle: handle, inputs: inputs, rows: rows,
            path: path, log: log)
        var found: [ModelOutput] = []
        for candidate in candidates {
            switch Self.output(candidate, seen: shapes[candidate.tensor], rows: rows) {
            case .success(let output): found.append(output)
            case .failure(let reason): unusable[candidate.name] = reason.text
            }
        }
        guard !found.isEmpty else {
            let (name, reason) = unusable.min { $0.key < $1.key } ?? ("", "is missing")
            throw ModelError(.unsupported, "\(path): output '\(printable(name))' \(reason)")
        }
        for (name, reason) in unusable.sorted(by: { $0.key < $1.key }) {
            log(
                .warning, "model output cannot be used",
                [("model", path), ("output", printable(name)), ("reason", reason)])
        }
        self.found = Self.labelled(found, scan.labelSets)
        self.unusable = unusable
        tensors = removal.replaced.mapValues(\.tensor)
    }

    private static func candidates(
        _ scan: ModelScan, _ removal: ZipMapRemoval, _ handle: SessionHandle,
        unusable: inout [String: String]
    ) throws(ModelError) -> [Candidate] {
        var ports: [String: SessionHandle.Port] = [:]
        for port in try handle.outputs() { ports[port.name] = port }
        var candidates: [Candidate] = []
        for output in scan.outputs {
            let replaced = removal.replaced[output.name]
            let tensor = replaced?.tensor ?? output.name
            guard let port = ports[tensor] else { continue }
            guard let code = port.elementCode else {
                unusable[output.name] = "is a sequence or map that is not made by ZipMap"
                continue
            }
            guard let type = ElementType(onnxCode: code) else {
                unusable[output.name] =
                    "has the type \(ElementType.onnxName(code)), which cannot be read"
                continue
            }
            candidates.append(
                Candidate(
                    name: output.name, tensor: tensor, type: type, dimensions: port.dimensions,
                    labels: replaced?.labels))
        }
        return candidates
    }

    private struct Reason: Error { let text: String }

    /// - Parameter seen: shape in the trial run, if that succeeded.
    private static func output(
        _ candidate: Candidate, seen: [Int64]?, rows: Int
    ) -> Result<ModelOutput, Reason> {
        var shape: [Int?] = candidate.dimensions.map { $0 < 0 ? nil : Int($0) }
        // The model does not tell the rank.
        if shape.isEmpty { shape = [nil, nil] }
        if let seen {
            guard seen.first == Int64(rows), !seen.contains(0) else {
                return .failure(
                    Reason(
                        text: "has the shape \(seen) for \(rows) rows; its first dimension must "
                            + "be the batch"))
            }
            shape = seen.map { Int($0) }
        }
        let output = ModelOutput(
            name: candidate.name, type: candidate.type, rowShape: Array(shape.dropFirst()),
            classLabels: candidate.labels)
        if let labels = candidate.labels, let width = output.width, width != labels.count {
            return .failure(
                Reason(text: "has \(width) scores for \(labels.count) class labels"))
        }
        return .success(output)
    }

    /// Shapes of the tensors for so many rows of zeros; empty where the model refuses those or
    /// leaves a width open.
    private static func trial(
        _ tensors: [String], handle: SessionHandle, inputs: [ModelInput], rows: Int, path: String,
        log: Log
    ) -> [String: [Int64]] {
        guard !tensors.isEmpty, let zeros = FeatureColumns(zerosFor: inputs, rows: rows) else {
            return [:]
        }
        let runner = Runner(handle: handle, inputs: inputs, outputs: tensors)
        runner.setShapes(of: zeros.columns)
        var shapes: [String: [Int64]] = [:]
        do throws(ModelError) {
            try runner.run(zeros.columns, start: 0, rows: rows)
            for (index, tensor) in tensors.enumerated() {
                shapes[tensor] = try runner.describeOutput(index).shape
            }
        } catch {
            log(
                .warning, "model refuses a trial run with zeros; shapes are taken as declared",
                [("model", path), ("reason", error.message)])
        }
        return shapes
    }

    /// Gives labels to the scores of a classifier without ZipMap: where exactly one of the graph's
    /// label sets has the output's width and the type of the graph's one label output.
    static func labelled(
        _ outputs: [ModelOutput], _ sets: [[ClassLabel]]
    ) -> [ModelOutput] {
        let labelOutputs = outputs.filter { !$0.type.isFloatingPoint && $0.width == 1 }
        let areTexts = labelOutputs.count == 1 ? labelOutputs.first.map { $0.type == .string } : nil
        return outputs.map { output in
            guard output.classLabels == nil, output.type.isFloatingPoint, let width = output.width,
                width > 1
            else { return output }
            let fitting = sets.filter { labels in
                guard labels.count == width, let first = labels.first else { return false }
                guard let areTexts else { return true }
                if case .text = first { return areTexts }
                return !areTexts
            }
            guard fitting.count == 1 else { return output }
            return ModelOutput(
                name: output.name, type: output.type, rowShape: output.rowShape,
                classLabels: fitting.first)
        }
    }
}
