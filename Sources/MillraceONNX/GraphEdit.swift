/// A change of a model's main graph: the field at `range` becomes `bytes`; none removes it, and an
/// empty range is a place to insert at.
struct GraphEdit {
    let range: Range<Int>
    let bytes: [UInt8]
}

extension ModelScan {
    /// The model with the changes, whose ranges do not overlap. A model may be as large as protobuf
    /// allows (2 GiB): it is copied once, into an array of the right size.
    func applying(_ edits: [GraphEdit]) -> [UInt8] {
        if edits.isEmpty { return bytes }
        var head = WireWriter()
        head.appendHead(
            7, count: edits.reduce(graph.message.count) { $0 - $1.range.count + $1.bytes.count })
        let added = edits.reduce(head.bytes.count) { $0 + $1.bytes.count }
        let removed = edits.reduce(graph.field.count - graph.message.count) { $0 + $1.range.count }
        var model: [UInt8] = []
        model.reserveCapacity(bytes.count - removed + added)
        model += bytes[..<graph.field.lowerBound]
        model += head.bytes
        var position = graph.message.lowerBound
        for edit in edits.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            model += bytes[position..<edit.range.lowerBound]
            model += edit.bytes
            position = edit.range.upperBound
        }
        // The rest of the graph, at whose end its field ends, and what comes behind it.
        model += bytes[position...]
        return model
    }
}
