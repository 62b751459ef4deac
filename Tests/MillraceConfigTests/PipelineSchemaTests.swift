import FoundationEssentials
import Testing

@testable import MillraceConfig

@Suite(.enabled(if: SchemaChecker.isThere, "needs jsonschema in .venv: scripts/setup --dev"))
struct PipelineSchemaTests {
    /// The text as an editor's YAML reader gives it to the schema; nil where it is no YAML that
    /// may be a pipeline file at all.
    private func document(_ text: String) -> JSONDocument? {
        var complaints = Complaints(file: "p.yaml")
        guard let root = YAMLReader.read(Array(text.utf8), into: &complaints),
            !complaints.hasErrors
        else { return nil }
        return JSONDocument(root)
    }

    @Test func itAcceptsWhatTheReaderAccepts() throws {
        let folder = SettingsPageTests.root + "/pipelines"
        let files = PipelineFiles.expand([folder]).files
        #expect(!files.isEmpty)
        let rest = [
            "dead_letter: {topic: d}\non_error: stop", "on_error: pass", "memory: 67108864",
            "batch: {max_wait: 0}", "commit_interval: 10ms", "value: {max_bytes: \"2048\"}",
            "http: {listen: ':9464'}", "dead_letter: {topic: d, max_ratio: 0}",
            "on_conflict: keep", "lanes: 256", "batch: {max_wait: 10000ms}",
            "memory: \"+67108864\"",
        ]
        let texts =
            try files.map { try String(contentsOfFile: $0, encoding: .utf8) }
            + [PipelineText().text, GoodText.everySetting, GoodText.environment]
            + rest.map { line in PipelineText.with { $0.rest = line } }
            + ["name: 5", "name: 1.5"].map { name in PipelineText.with { $0.name = name } }
        let documents = texts.compactMap { document($0) }
        #expect(documents.count == texts.count)
        for (text, isAccepted) in zip(texts, try SchemaChecker.accepts(documents)) {
            #expect(isAccepted, "\(text)")
        }
    }

    /// What the reader refuses and no schema can: each with the reason.
    private let beyondSchemas: [String: String] = [
        "kafka: {bootstrap.servers: a, sasl.password: {file: nowhere/secret}}": "another file",
        "kafka: {bootstrap.servers: a, ssl.ca.location: {file: /}}": "another file",
        "http: {listen: ':0', token: {file: /dev/null}}": "another file",
        "model: {file: m.onnx, missing: NaN}": "text in quotes is good",
        "sink: {topic: in}": "compares two values",
        "dead_letter: {topic: in}": "compares two values",
        "batch: {max_bytes: 1GiB}": "compares two values",
        "batch: {max_records: 010}": "10 to a YAML reader",
        "lanes: 2.0": "an integer to JSON Schema",
        "lanes: ${LANES}": "the environment",
        "lanes: ${WORD}": "the environment",
        "lanes: ${1A}": "the environment",
        "lanes: ${WORD": "the environment",
        #"batch: {max_records: "${EMPTY:-x}"}"#: "the environment",
    ]

    @Test func itRefusesWhatTheReaderRefuses() throws {
        let bad = BadPiece.all.compactMap { piece in
            document(piece.whole).map { (piece.text, $0) }
        }
        #expect(bad.count > 100)
        let accepted = zip(bad, try SchemaChecker.accepts(bad.map(\.1))).filter(\.1).map(\.0.0)
        #expect(Set(accepted).symmetricDifference(beyondSchemas.keys) == [])
    }
}
