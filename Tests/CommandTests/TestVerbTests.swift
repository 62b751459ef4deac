import Testing

@Suite(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
struct TestVerbTests {
    /// The tests of all examples: what scripts/test runs of them.
    @Test func theExamplesPassTheirTests() throws {
        let ended = try Command.shell("\"$MILLRACE\" test \"$PIPELINES\"")
        #expect(ended.status == 0)
        #expect(ended.output == "")
        #expect(ended.errors.hasSuffix(" passed, 0 failed\n"), "\(ended.errors)")
        let files = try Command.shell(
            "cd \"$PIPELINES\"; for f in *.yaml; do [ -e \"${f%.yaml}_test.yaml\" ] || echo $f;"
                + " done | grep -v _test")
        #expect(files.output == "", "examples without a test")
    }

    /// Each example has data, which can be scored as the example's comments say.
    @Test func theExamplesScoreTheirData() throws {
        let ended = try Command.shell(
            #"""
            cd "$PIPELINES"; for f in *.yaml; do
                case $f in *_test.yaml) continue ;; esac
                "$MILLRACE" score "$f" "data/${f%.yaml}.jsonl" --dead "$T/dead" >"$T/out" 2>"$T/err"
                echo "$f $? $(wc -l <"$T/out") $(wc -l <"$T/dead")"
            done
            """#)
        #expect(
            ended.output.split(separator: "\n") == [
                "backfill.yaml 0 2 0", "churn.yaml 0 3 1", "delivery.yaml 0 3 0",
                "fraud.yaml 0 2 1", "messages.yaml 0 4 1", "pumps.yaml 0 3 7",
            ], "\(ended)")
    }

    @Test func aFailedTestShowsTheDifferences() throws {
        let ended = try Command.shell(
            #"""
            cat >"$T/a_test.yaml" <<END
            pipeline: $PIPELINES/fraud.yaml
            tolerance: 0.1
            cases:
              - name: wrong
                in: {amount: 12.5, hour: 13, merchant: {category: 73}, card_present: true,
                  distance_km: 3.1, payments_last_hour: 1, account_age_days: 752}
                out: {amount: 14, fraud_score: 0.5, fraud_label: "0", other: [1], hour: 13.05}
              - name: dead
                in: [{amount: x}, '{', {id: 1}]
                out: [{}]
                dead: [malformed, {class: malformed, message: nothing}]
              - name: whole
                in: {amount: 12.5, hour: 13, merchant: {category: 73}, card_present: true,
                  distance_km: 3.1, payments_last_hour: 1, account_age_days: 752}
                out: '{"amount":12.5,"hour":13,"merchant":{},"card_present":true,
                  "distance_km":3.1,"payments_last_hour":1,"account_age_days":752}'
                dead: rejected
                tolerance: 0
            END
            cd "$T"; "$MILLRACE" test a_test.yaml
            """#)
        #expect(ended.status == 1, "\(ended)")
        #expect(ended.errors == "0 passed, 3 failed\n")
        let lines = ended.output.split(separator: "\n").map(String.init)
        let wanted = [
            "a_test.yaml:4:5: failed: wrong", "  /amount: expected 14, got 12.5 (tolerance 0.1)",
            "  /fraud_score: expected 0.5, got 0.0*", #"  /fraud_label: expected "0", got 0"#,
            "  /other: expected [1], but it is not there", "a_test.yaml:8:5: failed: dead",
            "  expected a dead letter of class malformed, got wrong_type: /amount: a string*",
            "  expected a dead letter with 'nothing' in its message, got malformed: *",
            "  unexpected dead letter of in[2]: missing_field: /amount: not there*",
            "  expected 1 record to come out, got 0", "a_test.yaml:12:5: failed: whole",
            "  expected a dead letter (rejected), but there is none",
            #"  /merchant/category: not expected, got 73"#,
            "  /fraud_score: not expected, got 0.0*",
            "  /fraud_label: not expected, got 0",
        ]
        #expect(lines.count == wanted.count, "\(ended.output)")
        for (line, wish) in zip(lines, wanted) {
            #expect(wish.hasSuffix("*") ? line.hasPrefix(wish.dropLast()) : line == wish)
        }
    }

    @Test(arguments: [
        ("nothere_test.yaml", "nothere_test.yaml:1:1: error: cannot read it: no such file"),
        ("\"$T\"", ":1:1: error: no _test.yaml file in this folder"),
        ("empty_test.yaml", "empty_test.yaml:1:1: error: the file is empty"),
        ("text_test.yaml", "text_test.yaml:1:1: error: a test file must be a mapping"),
        ("other.yaml", "missing required key 'pipeline'"),
        ("lonely_test.yaml", "lonely.yaml:1:1: error: cannot read it: no such file"),
    ])
    func whatIsNoTestFileIs65(path: String, says: String) throws {
        let make =
            path == "\"$T\""
            ? ""
            : "cd \"$T\"; : >empty_test.yaml; echo text >text_test.yaml;"
                + " echo 'cases: [{name: a, in: {}, out: {}}]' | tee other.yaml >lonely_test.yaml;"
        let ended = try Command.shell("\(make) \"$MILLRACE\" test \(path)")
        #expect(ended.status == 65)
        #expect(ended.output.contains(says), "\(ended.output)")
        #expect(ended.errors == "0 passed, 0 failed, 1 file not usable\n")
    }

    @Test func withoutDeadLettersARecordErrorIsOneAllTheSame() throws {
        let ended = try Command.shell(
            #"""
            grep -v '^dead_letter' "$PIPELINES/fraud.yaml" |
                sed "s|models/|$PIPELINES/models/|" >"$T/a.yaml"
            echo 'cases: [{name: a, in: [{}, "["], dead: [missing_field, malformed]}]' \
                >"$T/a_test.yaml"
            "$MILLRACE" test "$T"
            """#)
        #expect(ended.status == 0, "\(ended)")
        #expect(ended.errors == "1 passed, 0 failed\n")
    }
}
