import Testing

@Suite(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
struct ModelTests {
    private static let example = "pipelines/models/fraud.onnx"

    @Test func tellsOfTheExamplesModel() throws {
        let ended = try Command.shell("\"$MILLRACE\" model \(Self.example)")
        #expect(ended.status == 0, "\(ended.errors)")
        for line in [
            "format     ONNX, IR version ", "engine     trees ", "operators  ",
            "input      features: float32 [N,8]", "output     label: int64 [N]",
            "output     probabilities: float32 [N,2], classes 0, 1", "cost       512 rows: ",
            "model:\n  file: \(Self.example)\n  inputs:\n    features:  # float32 [N,8]: ",
            "\n  probabilities: probabilities[1]",
        ] {
            #expect(ended.output.contains(line), "\(line) is not in \(ended.output)")
        }
    }

    /// The block is ready to be pasted, for all kinds of models that the fixtures have.
    @Test func theBlockPassesCheck() throws {
        let ended = try Command.shell(
            """
            for model in "$PWD"/\(Self.example) "$PWD"/Tests/Fixtures/onnx/*.onnx; do
                name=$(basename "$model" .onnx)
                "$MILLRACE" model "$model" >"$T/told" || { echo "skipped $name"; continue; }
                { echo 'source: {topic: a, group: g}'; echo 'sink: {topic: b}'
                  echo 'kafka: {bootstrap.servers: "127.0.0.1:1"}'
                  echo 'name: a'; sed -n '/^model:/,$p' "$T/told"; } >"$T/$name.yaml"
                "$MILLRACE" check "$T/$name.yaml" 2>"$T/errors" || cat "$T/$name.yaml"
            done
            """)
        #expect(!ended.output.contains("error:"), "\(ended.output)")
        #expect(ended.output.split(separator: "\n").filter { $0.hasPrefix("skipped") }.isEmpty)
    }

    @Test func jsonIsOneObject() throws {
        let ended = try Command.shell(
            """
            "$MILLRACE" model --json \(Self.example) | python3 -c '
            import json, sys
            told = json.load(sys.stdin)
            print(told["inputs"], [port.get("classes") for port in told["outputs"]],
                  [call["rows"] for call in told["cost"]["calls"]], told["operators"]["ai.onnx.ml"])
            '
            """)
        #expect(
            ended.output.hasPrefix(
                "[{'name': 'features', 'row_shape': [8], 'type': 'float32'}] "),
            "\(ended)")
        #expect(ended.output.contains("[1, 32, 512]"))
    }

    @Test(arguments: [
        ("nothere.onnx", "cannot read model"), ("\"$T\"", "it is a folder"),
        ("\"$T/empty\"", "is an empty file"), ("\"$T/text\"", "is not a model"),
        ("README.md", "is not a model"),
    ])
    func whatIsNoModelIs65(path: String, says: String) throws {
        let ended = try Command.shell(
            ": >\"$T/empty\"; echo text >\"$T/text\"; \"$MILLRACE\" model \(path)")
        #expect(ended.status == 65)
        #expect(ended.output == "")
        #expect(ended.errors.contains(says), "\(ended.errors)")
    }

    private static let noTrees = "Tests/Fixtures/onnx/logistic_binary.onnx"

    @Test func theEngineCanBeChosen() throws {
        let chosen = try Command.shell("\"$MILLRACE\" model --engine onnxruntime \(Self.example)")
        #expect(chosen.status == 0)
        #expect(chosen.output.contains("engine     onnxruntime "), "\(chosen)")
        let refused = try Command.shell("\"$MILLRACE\" model --engine trees \(Self.noTrees)")
        #expect(refused.status == 65)
        #expect(refused.errors.contains("trees does not "), "\(refused.errors)")
        #expect(refused.errors.contains("; write auto or onnxruntime"), "\(refused.errors)")
    }

    /// At the setting's place.
    @Test func aPipelineWithAnEngineThatCannotIs65() throws {
        let ended = try Command.shell(
            """
            cat >"$T/p.yaml" <<END
            name: a
            source: {topic: a}
            sink: {topic: b}
            kafka: {bootstrap.servers: "127.0.0.1:1"}
            model:
              file: $PWD/\(Self.noTrees)
              engine: trees
            append: all
            END
            "$MILLRACE" check "$T/p.yaml"; s=$?
            sed -i 's/engine: trees/engine: onnxruntime/' "$T/p.yaml"
            "$MILLRACE" check "$T/p.yaml" >&2; exit $s
            """)
        #expect(ended.status == 65)
        #expect(ended.output.contains("p.yaml:7:11: error: trees does not "), "\(ended.output)")
        #expect(!ended.errors.contains("engine"), "\(ended.errors)")
    }

    @Test func treesLoadNoOnnxRuntime() throws {
        // The loader of the system tells which libraries it opens.
        let ended = try Command.shell(
            """
            for name in fraud messages; do
                LD_DEBUG=files "$MILLRACE" score "$PIPELINES/$name.yaml" \
                    "$PIPELINES/data/$name.jsonl" 2>"$T/$name" >/dev/null || exit 1
                grep -c 'file=.*libonnxruntime' "$T/$name"
            done; exit 0
            """)
        let counts = ended.output.split(separator: "\n").map(String.init)
        #expect(ended.status == 0 && counts.count == 2, "\(ended)")
        #expect(counts.first == "0", "an ensemble of trees")
        #expect(counts.last != "0", "a model of other kind")
    }
}
