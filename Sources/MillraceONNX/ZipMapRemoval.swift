import MillraceCore

/// Takes the ZipMap nodes out of a model whose maps are its outputs.
///
/// skl2onnx ends classifiers with ZipMap by default: a sequence of one map for each row, which
/// costs several allocations a row to build and to read. The scores that go into the maps are what
/// we want, in the order of the node's labels; so the graph's output becomes the node's input.
struct ZipMapRemoval {
    let edits: [GraphEdit]
    /// From the name of an output in the file to the tensor that now stands for it and its labels.
    let replaced: [String: (tensor: String, labels: [ClassLabel])]

    init(_ scan: ModelScan) {
        var replaced: [String: (tensor: String, labels: [ClassLabel])] = [:]
        var edits: [GraphEdit] = []
        let declared = Dictionary(grouping: scan.outputs, by: \.name)
        var names = Set(declared.keys)
        for node in scan.zipMaps {
            guard let same = declared[node.output], same.count == 1, let output = same.first,
                replaced[node.output] == nil
            else { continue }
            replaced[node.output] = (node.input, node.labels)
            edits.append(GraphEdit(range: node.range, bytes: []))
            // The scores may be an output already.
            let isNew = names.insert(node.input).inserted
            edits.append(
                GraphEdit(range: output.range, bytes: isNew ? Self.output(node) : []))
        }
        self.replaced = replaced
        self.edits = edits
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
}
