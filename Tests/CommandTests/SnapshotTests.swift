import Glibc
import Testing

/// What the command prints of itself, word for word.
@Suite struct HelpSnapshotTests {
    @Test func help() throws {
        let verbs = [
            "run", "check", "score", "test", "explain", "model", "demo", "docs", "completions",
        ]
        try Snapshot.expect(
            "help", ["millrace --help"] + verbs.map { "millrace \($0) --help" })
    }

    @Test func version() throws {
        try Snapshot.expect("version", ["millrace --version"], [.version])
    }

    @Test func manualPage() throws {
        try Snapshot.expect("man", ["millrace docs --man"], [.version])
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) throws {
        try Snapshot.expect("completions-\(shell)", ["millrace completions \(shell)"])
    }

    @Test func wrongCommandLines() throws {
        try Snapshot.expect(
            "usage",
            [
                "millrace", "millrace chek", "millrace --verison", "millrace run",
                "millrace run a b", "millrace run --untilend a", "millrace run --until-end=3 a",
                "millrace run --log-level", "millrace run --log-level loud a",
                "millrace run --log-format xml a", "millrace check", "millrace score",
                "millrace score --lanes 0 a", "millrace test", "millrace explain",
                "millrace model", "millrace model --engine tree a", "millrace demo a",
                "millrace demo --rate x", "millrace docs a",
                "millrace docs --man --schema", "millrace completions",
                "millrace completions tcsh",
            ])
    }
}

@Suite(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
struct VerbSnapshotTests {
    @Test func check() throws {
        try Snapshot.expect(
            "check",
            setUp: """
                sed "s|models/|$PIPELINES/models/|" "$PIPELINES/fraud.yaml" >good.yaml
                cat >bad.yaml <<'END'
                name: bad name
                sorce: {topic: a, group: g}
                kafka: {bootstrap.servers: "127.0.0.1:1", acks: 1, batch.num.mesages: 3}
                model: {file: none.onnx, inputs: {features: [amount]}}
                append: {score: "probabilities[x"}
                batch: {max_records: 0, max_wait: 5}
                sink: {topic: b}
                memory: 12
                END
                cat >kafka.yaml <<'END'
                name: kafka
                source: {topic: a, group: g}
                kafka: {bootstrap.servers: "127.0.0.1:1", acks: 1, batch.num.mesages: 3,
                  linger.ms: soon, message.timeout.ms: 5, sasl.username: me}
                model: {file: models/fraud.onnx, inputs: {feature: [/a, /b]}}
                append: {score: "probability[1]", label: "label[2]"}
                sink: {topic: b}
                END
                ln -s "$PIPELINES/models" models
                """,
            [
                "millrace check good.yaml", "millrace check bad.yaml",
                "millrace check kafka.yaml",
                "millrace check --json bad.yaml", "millrace check .",
            ])
    }

    @Test func explain() throws {
        try Snapshot.expect("explain", ["millrace explain \"$PIPELINES/fraud.yaml\""])
    }

    @Test func model() throws {
        try Snapshot.expect(
            "model",
            [
                "millrace model \"$PIPELINES/models/fraud.onnx\"",
                "millrace model --json \"$PIPELINES/models/fraud.onnx\"",
            ], [.microseconds, .jsonMicroseconds, .version])
    }

    @Test func score() throws {
        try Snapshot.expect(
            "score",
            setUp: """
                { cat "$PIPELINES/data/fraud.jsonl"; echo oops; printf '\\303(\\n'; } >in
                """,
            [
                "millrace score \"$PIPELINES/fraud.yaml\" in",
                "millrace score --strict --dead dead \"$PIPELINES/fraud.yaml\" <in; s=$?; "
                    + "echo; cat dead; exit $s",
            ], [.summary])
    }

    @Test func test() throws {
        try Snapshot.expect(
            "test",
            setUp: """
                cp "$PIPELINES/fraud_test.yaml" passing_test.yaml
                cat >failing_test.yaml <<'END'
                pipeline: pipelines/fraud.yaml
                cases:
                  - name: other numbers
                    in: {amount: 12.5, hour: 13, merchant: {category: 73}, card_present: true,
                      distance_km: 3.1, payments_last_hour: 1, account_age_days: 752}
                    out: {amount: 14, fraud_score: 0.5, fraud_label: "0", other: [1]}
                  - name: other dead letters
                    in: [{amount: x}, '{', {id: 1}]
                    out: [{}]
                    dead: [malformed, {class: malformed, message: nothing}]
                END
                ln -s "$PIPELINES" pipelines
                sed -i 's|^pipeline:.*||; 1i pipeline: pipelines/fraud.yaml' passing_test.yaml
                """,
            [
                "millrace test passing_test.yaml", "millrace test failing_test.yaml",
                "millrace test .",
            ])
    }

    /// What `run` says before it reads anything.
    @Test func runsRefusals() throws {
        try Snapshot.expect(
            "run",
            setUp: """
                sed "s|models/|$PIPELINES/models/|" "$PIPELINES/fraud.yaml" >good.yaml
                export KAFKA_BROKERS=127.0.0.1:1 MILLRACE_HTTP=127.0.0.1:0
                first() {
                    : >"$T/log"
                    "$MILLRACE" run --log-format text good.yaml 2>"$T/log" &
                    until grep -q http= "$T/log"; do sleep 0.02; done
                    export MILLRACE_HTTP=$(sed -n 's/.* http=//p' "$T/log")
                }
                """,
            [
                "millrace run --log-format text --log-level error nothere.yaml",
                "first; millrace run --log-level error good.yaml; s=$?; kill $!; wait $!; exit $s",
                "MILLRACE_HTTP=192.0.2.1:80 millrace run --log-level error good.yaml",
            ], [.port])
    }
}

/// What each verb that takes a file says of one that is not what it needs.
@Suite(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
struct BadFileSnapshotTests {
    private static let files = """
        : >empty.yaml
        mkdir folder.yaml
        echo 'name: [a' >broken.yaml
        echo 'just words' >words.yaml
        printf '\\000\\001\\377ELF' >binary.yaml
        echo 'no model' >none.onnx
        cat >model.yaml <<'END'
        name: a
        source: {topic: a, group: g}
        kafka: {bootstrap.servers: "127.0.0.1:1"}
        model: {file: none.onnx}
        append: all
        sink: {topic: b}
        END
        """

    @Test(arguments: ["run", "check", "score", "explain"])
    func pipelineFiles(verb: String) throws {
        let names = ["nothere", "empty", "folder", "broken", "words", "binary", "model"]
        try Snapshot.expect(
            "files-\(verb)", setUp: Self.files, names.map { "millrace \(verb) \($0).yaml" })
    }

    @Test func testFiles() throws {
        let names = ["nothere", "empty", "folder", "broken", "words", "binary", "model"]
        try Snapshot.expect(
            "files-test",
            setUp: """
                \(Self.files)
                for f in *.yaml; do mv $f ${f%.yaml}_test.yaml; done; mv model_test.yaml model.yaml
                echo 'cases: [{name: a, in: {}, out: {}}]' >model_test.yaml
                """,
            names.map { "millrace test \($0)_test.yaml" })
    }

    @Test func models() throws {
        try Snapshot.expect(
            "files-model",
            setUp: """
                : >empty.onnx; mkdir folder.onnx; echo 'just words' >words.onnx
                printf '\\000\\001\\377ELF' >binary.onnx
                head -c 3000 "$PIPELINES/models/fraud.onnx" >cut.onnx
                """,
            ["nothere", "empty", "folder", "words", "binary", "cut"].map {
                "millrace model \($0).onnx"
            })
    }

    @Test func lines() throws {
        try Snapshot.expect(
            "files-lines",
            setUp: """
                : >empty; mkdir folder; printf '\\000\\001\\377ELF\\n' >binary
                ln -s "$PIPELINES" pipelines
                """,
            ["nothere", "empty", "folder", "binary"].map {
                "millrace score pipelines/fraud.yaml \($0)"
            }, [.summary])
    }

    @Test(.enabled(if: geteuid() != 0, "root may read every file"))
    func unreadableFiles() throws {
        try Snapshot.expect(
            "files-unreadable",
            setUp: """
                ln -s "$PIPELINES" pipelines; echo 'name: a' | tee a.yaml >a_test.yaml
                chmod 000 a.yaml a_test.yaml
                """,
            [
                "millrace run a.yaml", "millrace check a.yaml", "millrace score a.yaml",
                "millrace explain a.yaml", "millrace test a_test.yaml", "millrace model a.yaml",
                "millrace score pipelines/fraud.yaml a.yaml",
            ])
    }
}
