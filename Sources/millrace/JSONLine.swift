internal import FoundationEssentials

/// What `--json` prints: one object, keys in order, on one line.
enum JSONLine {
    static func text(of document: some Encodable) throws(CommandError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return String(decoding: try encoder.encode(document), as: UTF8.self)
        } catch {
            throw CommandError(.bug, "cannot write JSON: \(error)")
        }
    }
}
