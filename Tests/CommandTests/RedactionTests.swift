import MillraceConfig
import MillraceCore
import Synchronization
import Testing

@testable import millrace

/// Words of libraries and servers that repeat what they were sent.
struct RedactionTests {
    private func properties(password: String) throws -> KafkaProperties {
        let text = """
            name: fraud
            source: {topic: in, group: g}
            kafka:
              bootstrap.servers: broker:9092
              sasl.password: \(password)
              sasl.oauthbearer.method: oidc
              sasl.oauthbearer.client.id: worker
            model: {file: m.onnx}
            append: all
            sink: {topic: out}
            """
        let outcome = PipelineReader.read(bytes: Array(text.utf8), path: "p.yaml", environment: [:])
        return try #require(outcome.file?.kafka, "\(outcome.complaints)")
    }

    @Test func secretsOfNowAndBeforeAreReplaced() throws {
        let redaction = Redaction(try properties(password: "hunter2"))
        #expect(redaction.redact("no user has hunter2") == "no user has [redacted]")
        redaction.add(try properties(password: "hunter3"))
        redaction.add(try properties(password: "hunter3"))
        #expect(redaction.redact("hunter2, hunter3") == "[redacted], [redacted]")
    }

    @Test func wordsThatAreNoSecretsStay() throws {
        let redaction = Redaction(try properties(password: "hunter2"))
        let text = "broker:9092: the oidc token of worker is refused"
        #expect(redaction.redact(text) == text)
    }

    @Test func theLogAndErrorsShowNone() throws {
        let lines = Mutex<[String]>([])
        let redaction = Redaction(try properties(password: "hunter2"))
        let log = redaction.over(
            Log { event in
                lines.withLock {
                    $0.append("\(event.message) \(event.fields.map(\.value))")
                }
            })
        log(.error, "hunter2 is wrong", [("text", "not hunter2!")])
        #expect(lines.withLock { $0 } == [#"[redacted] is wrong ["not [redacted]!"]"#])
        let error = ServiceError(code: "C", message: "hunter2", isFatal: false, isRetriable: true)
            .redacted(by: redaction)
        #expect(error.description == "[redacted] (C)")
        #expect(error.isRetriable)
    }
}
