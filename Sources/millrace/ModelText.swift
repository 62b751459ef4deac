internal import MillraceCore

/// What `millrace model` prints: for people, or as JSON.
enum ModelText {
    static func people(_ report: ModelReport) -> String {
        var rows = [
            ("file", report.path), ("format", report.facts.format),
            ("engine", engine(report)),
            ("version", ModelFile.version(ofSHA256: report.sha256)), ("sha256", report.sha256),
            ("size", "\(report.bytes) bytes"),
        ]
        if !report.facts.producer.isEmpty { rows.append(("producer", report.facts.producer)) }
        if !report.facts.operatorSets.isEmpty {
            let sets = report.facts.operatorSets.map {
                "\($0.domain.isEmpty ? "ai.onnx" : $0.domain) \($0.version)"
            }
            rows.append(("operators", sets.joined(separator: ", ")))
        }
        if let fixed = report.signature.fixedBatch {
            rows.append(("batch", "always \(fixed) rows"))
        }
        for input in report.signature.inputs {
            rows.append(("input", "\(input.name): \(input.type) \(shape(input.rowShape))"))
        }
        for output in report.signature.outputs {
            let labels = output.classLabels.map { labels in
                let shown = labels.prefix(20).map(\.description).joined(separator: ", ")
                return ", classes \(shown)" + (labels.count > 20 ? ", ..." : "")
            }
            rows.append(
                (
                    "output",
                    "\(output.name): \(output.type) \(shape(output.rowShape))" + (labels ?? "")
                ))
        }
        for note in report.facts.notes { rows.append(("note", "\(note.key): \(note.value)")) }
        rows += cost(report.cost)
        let lines = rows.map { name, value in
            name + String(repeating: " ", count: 11 - name.count) + oneLine(value)
        }
        return (lines + ["", ModelBlock.text(path: report.path, report.signature)])
            .joined(separator: "\n")
    }

    /// With the reason where it is not the first one that knows such files.
    private static func engine(_ report: ModelReport) -> String {
        let reasons = report.declined.map { ", as \($0.engine) does not run it: \($0.reason)" }
        return "\(report.engine) \(report.engineVersion)" + reasons.joined()
    }

    private static func cost(_ cost: Result<ModelReport.Cost, ModelError>) -> [(String, String)] {
        switch cost {
        case .failure(let error): return [("cost", "not measured: \(error.message)")]
        case .success(let cost):
            let line = cost.line
            return cost.calls.map { call in
                ("cost", "\(call.rows) row\(call.rows == 1 ? "" : "s"): \(rounded(call.us)) us")
            } + [
                (
                    "cost",
                    "about \(rounded(line.a)) us a call + \(rounded(line.b)) us a row, one thread"
                )
            ]
        }
    }

    /// Two digits behind the point.
    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// `[N]`, `[N,16]`, `[N,?]`.
    static func shape(_ rowShape: [Int?]) -> String {
        "[" + (["N"] + rowShape.map { $0.map(String.init) ?? "?" }).joined(separator: ",") + "]"
    }

    static func json(_ report: ModelReport) throws(CommandError) -> String {
        try JSONLine.text(of: Document(report))
    }

    /// Keys are a promise to scripts: only new ones may come.
    private struct Document: Encodable {
        struct Port: Encodable {
            let name: String
            let type: String
            /// null is a free dimension; the batch is left out.
            let row_shape: [Int?]
            let classes: [String]?
        }
        struct Declined: Encodable {
            let engine: String
            let reason: String
        }
        struct Call: Encodable {
            let rows: Int
            let us: Double
        }
        struct Cost: Encodable {
            let calls: [Call]
            let us_per_call: Double
            let us_per_row: Double
        }

        let file: String
        let format: String
        let engine: String
        let engine_version: String
        let declined: [Declined]
        let version: String
        let sha256: String
        let bytes: Int
        let producer: String
        let operators: [String: UInt64]
        let fixed_batch: Int?
        let inputs: [Port]
        let outputs: [Port]
        let notes: [String: String]
        let cost: Cost?
        let cost_error: String?
        let block: String

        init(_ report: ModelReport) {
            file = report.path
            format = report.facts.format
            engine = report.engine
            engine_version = report.engineVersion
            declined = report.declined.map { Declined(engine: $0.engine, reason: $0.reason) }
            version = ModelFile.version(ofSHA256: report.sha256)
            sha256 = report.sha256
            bytes = report.bytes
            producer = report.facts.producer
            operators = Dictionary(
                report.facts.operatorSets.map { ($0.domain, $0.version) }, uniquingKeysWith: max)
            fixed_batch = report.signature.fixedBatch
            inputs = report.signature.inputs.map {
                Port(name: $0.name, type: "\($0.type)", row_shape: $0.rowShape, classes: nil)
            }
            outputs = report.signature.outputs.map {
                Port(
                    name: $0.name, type: "\($0.type)", row_shape: $0.rowShape,
                    classes: $0.classLabels?.map(\.description))
            }
            notes = Dictionary(
                report.facts.notes.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
            block = ModelBlock.text(path: report.path, report.signature)
            switch report.cost {
            case .success(let cost):
                self.cost = Cost(
                    calls: cost.calls.map { Call(rows: $0.rows, us: $0.us) },
                    us_per_call: cost.line.a, us_per_row: cost.line.b)
                cost_error = nil
            case .failure(let error):
                self.cost = nil
                cost_error = error.message
            }
        }
    }
}
