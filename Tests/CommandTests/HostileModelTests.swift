import Testing

@Suite("models that are not what they should be")
struct HostileModelTests {
    /// A shell function `pipeline MODEL [MORE]` that writes p.yaml; MORE goes into `model`.
    private static let setUp = """
        fixtures="$PWD/Tests/Fixtures/onnx/hostile"; cd "$T"
        pipeline() {
            printf '%s\\n' 'name: p' 'source: {topic: a}' 'sink: {topic: b}' 'append: all' \
                'kafka: {bootstrap.servers: "127.0.0.1:1"}' \
                "model: {file: $1, inputs: {x: [/a, /b]}$2}" >p.yaml
            echo '{"a":1,"b":2}' >lines
        }

        """

    @Test(
        .enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"),
        arguments: ["check p.yaml", "score p.yaml lines", "run p.yaml"])
    func aModelThatRunsForEverEndsTheProcess(verb: String) throws {
        let ended = try Command.shell(
            "\(Self.setUp) pipeline $fixtures/endless.onnx ', load_timeout: 1s';"
                + " \"$MILLRACE\" \(verb)")
        #expect(ended.status == 75, "\(ended)")
        #expect(ended.errors.contains("endless.onnx' took longer than 1s"), "\(ended.errors)")
    }

    /// The record that hangs the model is the second; the first has been written by then.
    @Test(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
    func aCallThatDoesNotEndEndsTheProcess() throws {
        let ended = try Command.shell(
            """
            \(Self.setUp) pipeline $fixtures/hanging.onnx
            printf '%s\\n' 'inference_timeout: 1s' 'lanes: 1' 'batch: {max_records: 1}' >>p.yaml
            echo '{"a":1e18,"b":0}' >>lines
            "$MILLRACE" score p.yaml lines
            """)
        #expect(ended.status == 75, "\(ended)")
        #expect(ended.output.hasPrefix("{\"a\":1,\"b\":2"), "\(ended.output)")
        #expect(ended.errors.contains("longer than 1s (inference_timeout)"), "\(ended.errors)")
    }

    @Test(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
    func aModelThatAsksForMoreMemoryThanThereIsIsAnErrorOfTheEngine() throws {
        let ended = try Command.shell(
            "\(Self.setUp) pipeline $fixtures/huge.onnx; \"$MILLRACE\" score p.yaml lines")
        #expect(ended.status == 65 || ended.status == 69, "\(ended)")
        #expect(ended.output.isEmpty)
    }

    @Test func onlyThePinnedFileIsLoaded() throws {
        let ended = try Command.shell(
            """
            \(Self.setUp)
            cp "$PIPELINES/models/fraud.onnx" m.onnx
            digest=$(sha256sum m.onnx | cut -d ' ' -f 1)
            sed "s|file: .*fraud.onnx|file: m.onnx\\n  sha256: $(echo $digest | tr a-f A-F)|" \
                "$PIPELINES/fraud.yaml" >f.yaml
            grep -q sha256 f.yaml || echo unchanged
            "$MILLRACE" check f.yaml; echo "status $?"
            printf '\\000' >>m.onnx
            "$MILLRACE" check f.yaml; echo "status $?"
            echo "was $digest"; "$MILLRACE" run f.yaml; echo "status $?"
            """)
        let digests = ended.output.split(separator: "\n").first { $0.hasPrefix("was ") }?.dropFirst(
            4)
        #expect(ended.output.contains("status 0\nf.yaml"), "\(ended)")
        #expect(ended.output.contains("error: the model file has the SHA-256 "))
        #expect(ended.output.contains("model.sha256 pins \(digests ?? "-");"), "\(ended)")
        #expect(ended.output.hasSuffix("status 65\n"))
        #expect(!ended.output.contains("unchanged"))
    }
}
