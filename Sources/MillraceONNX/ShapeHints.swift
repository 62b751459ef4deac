/// Tells ONNX Runtime the shapes behind scalers, normalizers and imputers at a model's start.
///
/// The standard (ai.onnx.ml, "Scaler", "Normalizer", "Imputer") infers no shape for them, and
/// without one ONNX Runtime does not fuse the layers of a network that come next (MatMul, Add,
/// Relu), which is what converters make of a scikit-learn pipeline. Their outputs have the shape of
/// their input.
struct ShapeHints {
    let edits: [GraphEdit]

    private static let float: UInt64 = 1

    init(_ scan: ModelScan) throws(ScanFailure) {
        var known: [String: (elementType: UInt64, shape: Range<Int>)] = [:]
        for input in scan.inputs {
            known[input.name] = try Self.tensorType(input.tensorType, in: scan.bytes)
        }
        let outputs = Set(scan.outputs.map(\.name))
        var edits: [GraphEdit] = []
        for node in scan.nodes where node.domain == "ai.onnx.ml" {
            guard let from = node.reads.first.flatMap({ known[$0] }), node.writes.count == 1,
                let name = node.writes.first, known[name] == nil
            else { continue }
            let elementType: UInt64
            switch node.operation {
            case "Scaler", "Normalizer": elementType = Self.float
            case "Imputer": elementType = from.elementType
            default: continue
            }
            known[name] = (elementType, from.shape)
            guard !outputs.contains(name), !scan.describedNames.contains(name) else { continue }
            let end = scan.graph.message.upperBound
            edits.append(
                GraphEdit(
                    range: end..<end,
                    bytes: Self.valueInfo(name, elementType, scan.bytes[from.shape])))
        }
        self.edits = edits
    }

    /// Element type and bytes of the shape of a TypeProto.Tensor that has both.
    private static func tensorType(
        _ message: Range<Int>?, in bytes: [UInt8]
    ) throws(ScanFailure) -> (elementType: UInt64, shape: Range<Int>)? {
        guard let message else { return nil }
        var elementType: UInt64?
        var shape: Range<Int>?
        var reader = WireReader(bytes, message)
        while let field = try reader.next() {
            switch (field.number, field.value) {
            case (1, .varint(let value)): elementType = value
            case (2, .bytes(let message)): shape = message
            default: break
            }
        }
        guard let elementType, let shape else { return nil }
        return (elementType, shape)
    }

    /// GraphProto.value_info of a tensor.
    private static func valueInfo(
        _ name: String, _ elementType: UInt64, _ shape: ArraySlice<UInt8>
    ) -> [UInt8] {
        var tensor = WireWriter()
        tensor.append(1, varint: elementType)
        tensor.append(2, bytes: shape)
        var type = WireWriter()
        type.append(1, bytes: tensor.bytes)
        var value = WireWriter()
        value.append(1, bytes: name.utf8)
        value.append(2, bytes: type.bytes)
        var info = WireWriter()
        info.append(13, bytes: value.bytes)
        return info.bytes
    }
}
