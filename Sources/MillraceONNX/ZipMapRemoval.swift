import MillraceCore

/// Takes the ZipMap nodes out of a model whose maps are its outputs.
///
/// skl2onnx ends classifiers with ZipMap by default: a sequence of one map for each row, which
/// costs several allocations a row to build and to read. The scores that go into the maps are what
/// we want, in the order of the node's labels; so the graph's output becomes the node's input.
struct ZipMapRemoval {
    /// What to give to ONNX Runtime.
    let bytes: [UInt8]
    /// From the name of an output in the file to the tensor that now stands for it and its labels.
    let replaced: [String: (tensor: String, labels: [ClassLabel])]

    init(_ scan: ModelScan) {
        var replaced: [String: (tensor: String, labels: [ClassLabel])] = [:]
        var edits: [(range: Range<Int>, with: [UInt8])] = []
        let declared = Dictionary(grouping: scan.outputs, by: \.name)
        var names = Set(declared.keys)
        for node in scan.zipMaps {
            guard let same = declared[node.output], same.count == 1, let output = same.first,
                replaced[node.output] == nil
            else { continue }
            replaced[node.output] = (node.input, node.labels)
            edits.append((node.range, []))
            // The scores may be an output already.
            let isNew = names.insert(node.input).inserted
            edits.append((output.range, isNew ? Self.output(node) : []))
        }
        self.replaced = replaced
        bytes = edits.isEmpty ? scan.bytes : Self.apply(edits, to: scan)
    }

    /// GraphProto.output: a float tensor [free, number of labels].
    private static func output(_ node: ModelScan.ZipMap) -> [UInt8] {
        var classes = WireWriter()
        classes.append(1, varint: UInt64(node.labels.count))
        var shape = WireWriter()
        shape.append(1, bytes: [])
        shape.append(1, bytes: classes.bytes)
        var tensor = WireWriter()
        tensor.append(1, varint: 1)
        tensor.append(2, bytes: shape.bytes)
        var type = WireWriter()
        type.append(1, bytes: tensor.bytes)
        var value = WireWriter()
        value.append(1, bytes: node.input.utf8)
        value.append(2, bytes: type.bytes)
        var output = WireWriter()
        output.append(12, bytes: value.bytes)
        return output.bytes
    }

    private static func apply(
        _ edits: [(range: Range<Int>, with: [UInt8])], to scan: ModelScan
    ) -> [UInt8] {
        var graph: [UInt8] = []
        var position = scan.graph.message.lowerBound
        for edit in edits.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            graph += scan.bytes[position..<edit.range.lowerBound]
            graph += edit.with
            position = edit.range.upperBound
        }
        graph += scan.bytes[position..<scan.graph.message.upperBound]
        var field = WireWriter()
        field.append(7, bytes: graph)
        return scan.bytes[..<scan.graph.field.lowerBound] + field.bytes
            + scan.bytes[scan.graph.field.upperBound...]
    }
}
