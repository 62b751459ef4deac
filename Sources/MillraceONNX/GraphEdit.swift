/// A change of a model's main graph: the field at `range` becomes `bytes`; none removes it, and an
/// empty range is a place to insert at.
struct GraphEdit {
    let range: Range<Int>
    let bytes: [UInt8]
}

extension ModelScan {
    /// The model with the changes, whose ranges do not overlap.
    func applying(_ edits: [GraphEdit]) -> [UInt8] {
        if edits.isEmpty { return bytes }
        var message: [UInt8] = []
        var position = graph.message.lowerBound
        for edit in edits.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            message += bytes[position..<edit.range.lowerBound]
            message += edit.bytes
            position = edit.range.upperBound
        }
        message += bytes[position..<graph.message.upperBound]
        var field = WireWriter()
        field.append(7, bytes: message)
        return bytes[..<graph.field.lowerBound] + field.bytes + bytes[graph.field.upperBound...]
    }
}
