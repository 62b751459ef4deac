/// The names and types of metrics, in the code and in the manual.
enum MetricTable {
    struct Entry: Hashable, CustomStringConvertible {
        let name: String
        let kind: String
        var description: String { "\(kind) \(name)" }
    }

    /// The files that declare metrics.
    static func declaredByTheCommand() -> Set<Entry> {
        SourceTree.sources
            .filter { $0.module == "millrace" && $0.path.hasSuffix("Metrics.swift") }
            .reduce(into: []) { $0.formUnion(declared(in: $1)) }
    }

    /// What a file declares: `.counter("name"`, `.gauge("name"`, `.histogram("name"`,
    /// `Metric("name", .kind`.
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

    /// Every name of a metric that a text uses, as it is written.
    static func used(in text: String) -> Set<String> {
        var names: Set<String> = []
        var rest = text[...]
        while let start = rest.firstRange(of: "millrace_") {
            let name = rest[start.lowerBound...].prefix {
                $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")
            }
            names.insert(String(name))
            rest = rest[name.endIndex...]
        }
        return names
    }

    /// The names of all series: a histogram has three.
    static func series(of entries: Set<Entry>) -> Set<String> {
        entries.reduce(into: []) { names, entry in
            let ends = entry.kind == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
            for end in ends { names.insert(entry.name + end) }
        }
    }
}
