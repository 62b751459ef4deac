import MillraceCore

/// A model that ONNX Runtime accepted, with the signature that it showed in a trial run.
struct OnnxModel: Model {
    let signature: Signature
    let engineVersion: String
    let facts: ModelFacts

    private let scan: ModelScan
    private let removal: ZipMapRemoval
    private let hints: ShapeHints
    private let path: String
    private let folder: String
    private let library: OnnxLibrary
    private let intraOpThreads: Int
    private let outputs: OutputFinder

    /// - Parameters:
    ///   - hints: of the same scan, as are `facts`.
    ///   - path: for messages.
    ///   - folder: where external data, already checked, lies.
    init(
        scan: ModelScan, hints: ShapeHints, facts: ModelFacts, path: String, folder: String,
        library: OnnxLibrary, intraOpThreads: Int, log: Log
    ) throws(ModelError) {
        let removal = ZipMapRemoval(scan)
        let handle = try SessionHandle(
            library: library, bytes: scan.applying(removal.edits + hints.edits), folder: folder,
            path: path,
            intraOpThreads: intraOpThreads)
        let (inputs, fixedBatch) = try Self.inputs(try handle.inputs(), path: path)
        outputs = try OutputFinder(
            scan: scan, removal: removal, handle: handle, inputs: inputs, fixedBatch: fixedBatch,
            path: path, log: log)
        signature = Signature(inputs: inputs, outputs: outputs.found, fixedBatch: fixedBatch)
        engineVersion = library.version
        self.facts = facts
        self.scan = scan
        self.removal = removal
        self.hints = hints
        self.path = path
        self.folder = folder
        self.library = library
        self.intraOpThreads = intraOpThreads
    }

    func makeSession(outputs names: [String], maxRows: Int) throws(ModelError) -> any Session {
        guard !names.isEmpty else {
            throw ModelError(.unsupported, "\(path): no output of the model is asked for")
        }
        var asked: [ModelOutput] = []
        for name in names {
            guard let output = signature.outputs.first(where: { $0.name == name }) else {
                let reason = outputs.unusable[name] ?? "is none of the model's"
                throw ModelError(.unsupported, "\(path): output '\(printable(name))' \(reason)")
            }
            asked.append(output)
        }
        let tensors = names.map { outputs.tensors[$0] ?? $0 }
        let pruning = GraphPruning(scan, removal, keeping: tensors)
        let handle = try SessionHandle(
            library: library, bytes: scan.applying(pruning.edits + hints.edits), folder: folder,
            path: path,
            intraOpThreads: intraOpThreads)
        let session = OnnxSession(
            handle: handle, signature: signature, outputs: asked,
            tensors: tensors)
        // So that the first batch is not slow. Some models refuse a row of zeros; `load` said so.
        if let zeros = FeatureColumns(zerosFor: signature.inputs, rows: signature.fixedBatch ?? 1) {
            try? session.predict(zeros, rows: 0..<zeros.rowCount)
        }
        return session
    }

    private static func inputs(
        _ ports: [SessionHandle.Port], path: String
    ) throws(ModelError) -> ([ModelInput], fixedBatch: Int?) {
        var inputs: [ModelInput] = []
        var fixedBatch: Int?
        for port in ports {
            let place = "\(path): input '\(printable(port.name))'"
            guard let code = port.elementCode else {
                throw ModelError(
                    .unsupported, "\(place) is a sequence or map; only tensors can be fed")
            }
            guard let type = ElementType(onnxCode: code) else {
                throw ModelError(
                    .unsupported,
                    "\(place) has the type \(ElementType.onnxName(code)), which cannot be fed; "
                        + "export the model with float32 inputs")
            }
            guard let first = port.dimensions.first else {
                throw ModelError(
                    .unsupported,
                    "\(place) has no batch dimension; export the model with inputs of shape [N,…]")
            }
            guard !port.dimensions.contains(0) else {
                throw ModelError(.unsupported, "\(place) has the empty shape \(port.dimensions)")
            }
            if first > 0 {
                guard fixedBatch == nil || fixedBatch == Int(first) else {
                    throw ModelError(
                        .unsupported,
                        "\(place) has a fixed batch of \(first), another input one of "
                            + "\(fixedBatch ?? 0)")
                }
                fixedBatch = Int(first)
            }
            inputs.append(
                ModelInput(
                    name: port.name, type: type,
                    rowShape: port.dimensions.dropFirst().map { $0 < 0 ? nil : Int($0) }))
        }
        guard !inputs.isEmpty else { throw ModelError(.unsupported, "\(path): has no inputs") }
        return (inputs, fixedBatch)
    }
}
