/// A JSON document that keeps the order of its keys, to be written with indents.
indirect enum JSONDocument: Sendable {
    case text(String)
    case integer(Int64)
    case number(Double)
    case boolean(Bool)
    case list([JSONDocument])
    case object([(String, JSONDocument)])

    /// Two blanks a level; lists and objects without lists or objects in them on one line where
    /// they are short.
    func written(indent: Int = 0) -> String {
        switch self {
        case .text(let text): return JSONValue.quoted(text)
        case .integer(let value): return String(value)
        case .number(let value):
            return value == value.rounded() && abs(value) < 1e15
                ? String(Int64(value)) : String(value)
        case .boolean(let value): return String(value)
        case .list(let items):
            return Self.enclosed(
                items.map { $0.written(indent: indent + 2) }, "[", "]", indent: indent)
        case .object(let entries):
            let parts = entries.map { key, value in
                "\(JSONValue.quoted(key)): \(value.written(indent: indent + 2))"
            }
            return Self.enclosed(parts, "{", "}", indent: indent)
        }
    }

    private static func enclosed(
        _ parts: [String], _ open: String, _ close: String, indent: Int
    ) -> String {
        let line = parts.joined(separator: ", ")
        if !line.contains("\n"), line.count + indent <= 80 { return open + line + close }
        let blanks = String(repeating: " ", count: indent)
        return open + "\n" + parts.map { "\(blanks)  \($0)" }.joined(separator: ",\n")
            + "\n\(blanks)\(close)"
    }
}
