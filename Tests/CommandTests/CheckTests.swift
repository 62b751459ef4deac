import Testing

@Suite struct CheckTests {
    @Test(arguments: [
        ("nothere.yaml", "no such file"), ("\"$T\"", "no .yaml file in this folder"),
        ("/dev/null", "is not a plain file"), ("\"$T/empty.yaml\"", "the file is empty"),
        ("\"$T/text.yaml\"", "must be a mapping"), ("\"$T/bytes.yaml\"", "not valid UTF-8"),
        ("\"$T/pipe.yaml\"", "is not a plain file"), ("\"$T/large.yaml\"", "larger than 1MiB"),
    ])
    func aFileThatIsNoPipelineIsAnError(path: String, says: String) throws {
        let make =
            path == "\"$T\""
            ? ""
            : "cd \"$T\"; : >empty.yaml; echo text >text.yaml; printf 'a: \\200' >bytes.yaml;"
                + " mkfifo pipe.yaml; head -c 1100000 /dev/zero | tr '\\0' a >large.yaml;"
        let ended = try Command.shell("\(make) \"$MILLRACE\" check \(path)")
        #expect(ended.status == 65)
        #expect(ended.output.contains(":1:"), "\(ended.output)")
        #expect(ended.output.contains(says), "\(ended.output)")
        #expect(ended.errors.hasSuffix("checked, 1 error, 0 warnings\n"), "\(ended.errors)")
    }

    @Test func oneBadFileAmongSeveralIs65() throws {
        let ended = try Command.shell(
            "cd \"$T\"; echo a >one.yaml; echo b >two.yml; echo c >not.txt; echo d >x_test.yaml;"
                + " \"$MILLRACE\" check . ./one.yaml")
        #expect(ended.status == 65)
        #expect(ended.errors == "2 files checked, 2 errors, 0 warnings\n")
    }

    @Test func aComplaintAsJSONIsOneObjectALine() throws {
        let ended = try Command.shell(
            "cd \"$T\"; echo a >one.yaml; \"$MILLRACE\" check --json one.yaml nothere.yaml")
        #expect(ended.status == 65)
        let lines = ended.output.split(separator: "\n")
        #expect(lines.count == 2)
        for line in lines {
            #expect(line.hasPrefix("{\"column\":1,\"file\":\""), "\(line)")
            #expect(line.hasSuffix(",\"severity\":\"error\"}"), "\(line)")
        }
    }

    /// The value of a secret is in no output, wherever in the file a mistake has put it.
    @Test(arguments: [
        "sasl.password: hunter2", "sasl.pasword: hunter2", "sasl.password: [hunter2]",
        "sasl.password: {fil: hunter2}", "sasl.password: !tag hunter2", "sasl.password:hunter2",
        "sasl.password: hunter2: x", "ssl.key.pem: hunter2",
        "security.protocol: ssl\n  ssl.key.pem: hunter2",
        "sasl.oauthbearer.client.secret: hunter2", "sasl.jaas.config: 'password=\"hunter2\";'",
    ])
    func secretsAreNeverShown(property: String) throws {
        let ended = try Command.shell(
            """
            cat >"$T/p.yaml" <<'END'
            name: p
            source: {topic: a, group: g}
            kafka:
              bootstrap.servers: 127.0.0.1:1
              \(property)
            model: {file: none.onnx}
            append: all
            sink: {topic: b}
            END
            "$MILLRACE" check "$T/p.yaml"; "$MILLRACE" run "$T/p.yaml"
            """)
        #expect(ended.status == 65)
        #expect(ended.output.contains("error"))
        #expect(!(ended.output + ended.errors).contains("hunter2"), "\(ended)")
    }
}
