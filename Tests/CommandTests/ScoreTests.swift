import Testing

@Suite(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
struct ScoreTests {
    /// Writes two good payments, broken lines in between and an empty one, into `$T/in`.
    private static let payments = #"""
        S=' ' # behind the closing brace
        A='"merchant":{"category":73},"card_present":true,"distance_km":3.1'
        B='"merchant":{"category":90},"card_present":false,"distance_km":300'
        cat >"$T/in" <<END
        {"amount":12.5,"hour":13,$A,"payments_last_hour":1,"account_age_days":752}$S
        oops

        {"amount":"980"}
        {"amount":980,"hour":2,$B,"payments_last_hour":6,"account_age_days":12}
        END
        export P="$PIPELINES/fraud.yaml";
        """#

    private func score(_ text: String) throws -> Command.Ended {
        try Command.shell("\(Self.payments) \(text)")
    }

    @Test func valuesAndDeadLettersComeOutInOrder() throws {
        let ended = try score(#""$MILLRACE" score "$P" "$T/in" --dead "$T/dead"; cat "$T/dead""#)
        #expect(ended.status == 0)
        let lines = ended.output.split(separator: "\n")
        #expect(lines.count == 4, "\(ended.output)")
        #expect(lines[0].hasPrefix(#"{"amount":12.5,"hour":13,"#))
        // What stands behind the closing brace stays, as in every value.
        #expect(lines[0].contains(#""account_age_days":752,"fraud_score":0.00"#))
        #expect(lines[0].hasSuffix(#","fraud_label":0} "#), "\(lines[0])")
        #expect(lines[1].hasSuffix(#","fraud_label":1}"#), "\(lines[1])")
        #expect(lines[2].hasPrefix(#"{"line":2,"class":"malformed","message":""#))
        #expect(lines[2].hasSuffix(#","value":"oops"}"#))
        #expect(lines[3].hasPrefix(#"{"line":4,"class":"wrong_type","message":"/amount: "#))
        #expect(lines[3].hasSuffix(#","value":"{\"amount\":\"980\"}"}"#))
        #expect(ended.errors.hasPrefix("records=4 dead=2 "), "\(ended.errors)")
    }

    @Test(arguments: ["<\"$T/in\"", "- <\"$T/in\"", "\"$T/in\" --lanes 3"])
    func linesComeFromAFileOrStdin(input: String) throws {
        let ended = try score("\"$MILLRACE\" score --strict \"$P\" \(input)")
        #expect(ended.status == 65)
        #expect(ended.output.split(separator: "\n").count == 2)
        let errors = ended.errors.split(separator: "\n")
        #expect(errors.count == 3)
        #expect(errors[0].hasPrefix(#"{"line":2,"#) && errors[1].hasPrefix(#"{"line":4,"#))
        #expect(errors[2].hasPrefix("records=4 dead=2 "))
    }

    @Test func strictIsQuietWhereAllIsGood() throws {
        let ended = try score(#"head -n 1 "$T/in" | "$MILLRACE" score --strict "$P""#)
        #expect(ended.status == 0)
        #expect(ended.errors.hasPrefix("records=1 dead=0 "), "\(ended.errors)")
    }

    @Test func theLanesDoNotMixTheOrderUp() throws {
        let ended = try score(
            #"""
            A='"merchant":{"category":1},"card_present":true,"distance_km":1'
            B='"account_age_days":1'
            i=0; while [ $i -lt 5000 ]; do
                echo "{\"i\":$i,\"amount\":1,\"hour\":1,$A,$B,\"payments_last_hour\":1}"
                i=$((i+1))
            done >"$T/many"
            "$MILLRACE" score --lanes 4 "$P" "$T/many" >"$T/out"
            sed 's/,"fraud_score.*/}/' "$T/out" | cmp - "$T/many" && wc -l <"$T/out"
            """#)
        #expect(ended.output == "5000\n", "\(ended)")
    }

    @Test func aReaderThatHasEnoughIsNoError() throws {
        let ended = try score(
            #"""
            head -n 1 "$T/in" >"$T/one"; i=0
            while [ $i -lt 14 ]; do
                cat "$T/one" "$T/one" >"$T/two"; mv "$T/two" "$T/one"; i=$((i+1))
            done
            { "$MILLRACE" score "$P" "$T/one"; echo "status $?" >&2; } | head -n 1 | wc -l
            """#)
        #expect(ended.output == "1\n")
        #expect(ended.errors == "status 0\n", "\(ended.errors)")
    }

    @Test(arguments: [
        (#""$P" "$T/nothere""#, 65, "/nothere': no such file"),
        (#""$P" "$T""#, 65, "': it is a folder"), (#""$P" <"$T""#, 65, "stdin: it is a folder"),
        (#""$T/nothere.yaml""#, 65, "cannot read it: no such file"),
        (#""$T""#, 65, "is a folder"), (#""$T/in""#, 65, "not usable"),
        (#""$P" "$T/in" --dead "$T/in""#, 64, "--dead names the file that is read"),
        (#""$P" "$T/in" >>"$T/in""#, 64, "the file that is read is the output as well"),
        (#""$P" "$T/in" --dead "$T/no/dead""#, 65, "/no/dead': no such file"),
        (#""$P" "$T/in" --dead /dev/full"#, 69, "cannot write dead letters: no space left"),
        (#""$P" "$T/in" >/dev/full"#, 69, "cannot write the output: no space left"),
    ])
    func whatCannotBeReadOrWritten(words: String, status: Int32, says: String) throws {
        let ended = try score("\"$MILLRACE\" score \(words)")
        #expect(ended.status == status, "\(ended)")
        #expect(ended.errors.contains(says), "\(ended.errors)")
        let kept = try score("\"$MILLRACE\" score \(words); wc -l <\"$T/in\"")
        #expect(kept.output.hasSuffix("5\n"), "the input is still there")
    }

    @Test func anEmptyInputIsNoError() throws {
        let ended = try score(#""$MILLRACE" score --strict "$P" /dev/null"#)
        #expect(ended.status == 0)
        #expect(ended.output == "")
        #expect(ended.errors.hasPrefix("records=0 dead=0 "), "\(ended.errors)")
    }

    @Test func withoutDeadLettersTheFirstBadLineEndsIt() throws {
        let ended = try score(
            #"""
            grep -v '^dead_letter' "$P" | sed "s|models/|$PIPELINES/models/|" >"$T/stop.yaml"
            "$MILLRACE" score "$T/stop.yaml" "$T/in"
            """#)
        #expect(ended.status == 65)
        #expect(ended.errors.contains("millrace: record at line 2: byte 0: "), "\(ended.errors)")
    }

    /// Lines have no key, no headers and no timestamp.
    @Test func whatIsNotInTheValueIsMissing() throws {
        let ended = try score(
            #"""
            for missing in ", missing: 4" ""; do for source in key timestamp header.x; do
                sed "s|models/|$PIPELINES/models/|; s|/pressure_bar|\$$source|
                    s|, parse: true, missing: 4|, parse: true$missing|" \
                    "$PIPELINES/pumps.yaml" >"$T/p.yaml"
                echo '{"heat_c":61.0,"vibration_mm_s":2.2}' |
                    "$MILLRACE" score "$T/p.yaml" --dead /dev/stdout
            done; done
            """#)
        let lines = ended.output.split(separator: "\n")
        #expect(lines.count == 6, "\(ended)")
        for line in lines.prefix(3) { #expect(line.contains("\"fails_soon\":0.01796"), "\(line)") }
        for line in lines.dropFirst(3) {
            #expect(line.contains("\"class\":\"missing_field\",\"message\":\"$"), "\(line)")
        }
    }

    @Test func withPassBadLinesGoOutAsTheyCame() throws {
        let ended = try score(
            #"""
            sed "s|models/|$PIPELINES/models/|; s|^dead_letter.*|on_error: pass|" "$P" >"$T/p.yaml"
            "$MILLRACE" score "$T/p.yaml" "$T/in"
            """#)
        #expect(ended.status == 0)
        let lines = ended.output.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[1] == "oops" && lines[2] == #"{"amount":"980"}"#)
    }
}
