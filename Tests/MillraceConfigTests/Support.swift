import MillraceConfig
import MillraceCore

/// A pipeline file in pieces: a test changes one and keeps the rest good.
struct PipelineText {
    var name = "name: fraud"
    var source = "source: {topic: in, group: g}"
    var kafka = "kafka: {bootstrap.servers: 'localhost:9092'}"
    var model = "model: {file: m.onnx}"
    var append = "append: all"
    var sink = "sink: {topic: out}"
    /// Line 7 and on.
    var rest = ""

    init() {}

    /// Nothing but this text.
    init(whole text: String) {
        name = text
        (source, kafka, model, append, sink) = ("", "", "", "", "")
    }

    var text: String {
        [name, source, kafka, model, append, sink, rest].joined(separator: "\n")
    }

    static func with(_ change: (inout PipelineText) -> Void) -> String {
        var text = PipelineText()
        change(&text)
        return text.text
    }
}

func read(_ text: String, environment: [String: String] = [:]) -> PipelineReader.Outcome {
    PipelineReader.read(bytes: Array(text.utf8), path: "p.yaml", environment: environment)
}

/// The complaints as `line:column: message`; warnings are marked.
func complaints(_ text: String, environment: [String: String] = [:]) -> [String] {
    short(read(text, environment: environment).complaints)
}

func short(_ complaints: [Complaint]) -> [String] {
    complaints.map { complaint in
        let mark = complaint.severity == .warning ? "warning: " : ""
        return "\(complaint.line):\(complaint.column): \(mark)\(complaint.message)"
    }
}
