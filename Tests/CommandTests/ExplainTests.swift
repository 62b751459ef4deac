import Testing

@Suite(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
struct ExplainTests {
    @Test func otherPoliciesAreExplained() throws {
        let ended = try Command.shell(
            """
            model="$PWD/pipelines/models/fraud.onnx"
            cat >"$T/p.yaml" <<END
            name: p
            source: {topic: a, group: g, start: latest}
            kafka: {bootstrap.servers: "127.0.0.1:1"}
            model: {file: $model, inputs: {features: /f}}
            append: all
            on_conflict: nest
            append_under: fraud
            on_error: pass
            lanes: 3
            batch: {max_wait: 5ms}
            sink: {topic: b, partitioning: key}
            END
            "$MILLRACE" explain "$T/p.yaml"
            """)
        #expect(ended.status == 0, "\(ended)")
        for words in [
            "the records that come after it has joined", "features = /f (8 numbers)",
            "in 3 lanes of 1 thread each", "waits up to 5ms", "They stand under fraud",
            "is written as it came, without predictions", "murmur2", "opens no port",
        ] {
            #expect(ended.output.contains(words), "\(words) is not in \(ended.output)")
        }
    }

    @Test func aBadFileIs65() throws {
        let ended = try Command.shell("\"$MILLRACE\" explain nothere.yaml")
        #expect(ended.status == 65)
        #expect(ended.errors.contains("no such file"))
    }
}
