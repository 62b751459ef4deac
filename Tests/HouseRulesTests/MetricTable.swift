/// The names and types of metrics, in the code and in the manual.
enum MetricTable {
    struct Entry: Hashable, CustomStringConvertible {
        let name: String
        let kind: String
        var description: String { "\(kind) \(name)" }
    }

    /// What WorkerMetrics.swift declares: `counter("name"`, `gauge("name"`, `Metric("name", .kind`.
    static func declared(in file: SourceFile) -> Set<Entry> {
        var entries: Set<Entry> = []
        var rest = file.text[...]
        while let quote = rest.firstRange(of: "\"millrace_") {
            let before =
                rest[..<quote.lowerBound].drop { $0 != "(" }.isEmpty
                ? "" : String(rest[..<quote.lowerBound].suffix(60))
            let name = rest[quote.lowerBound...].dropFirst().prefix { $0 != "\"" }
            rest = rest[quote.upperBound...].drop { $0 != "\"" }.dropFirst()
            let call = before.reversed().drop { " \n(".contains($0) }.prefix { $0.isLetter }
            let word = String(String(call).reversed())
            let kind =
                word == "Metric"
                ? String(rest.drop { $0 != "." }.dropFirst().prefix { $0.isLetter }) : word
            entries.insert(Entry(name: String(name), kind: kind))
        }
        return entries
    }

    /// Rows of the manual: | `name` | kind | meaning |
    static func documented(in file: SourceFile) -> Set<Entry> {
        var entries: Set<Entry> = []
        for line in file.lines where line.hasPrefix("| `millrace_") {
            let cells = line.split(separator: "|").map { $0.filter { $0 != " " && $0 != "`" } }
            guard cells.count >= 3 else { continue }
            let name = cells[0].prefix { $0 != "{" }
            entries.insert(Entry(name: String(name), kind: String(cells[1])))
        }
        return entries
    }
}
