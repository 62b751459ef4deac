import FoundationEssentials
import MillraceConfig
import Testing

/// No way through which a secret comes in may lead to one where it comes out.
@Suite struct SecretTests {
    private static let secret = "hunter2-sEcReT"
    private static let names = [
        "sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem",
        "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "some.token",
        "ssl.certificate.pem",
    ]

    /// How a property of that name may be written, rightly and wrongly.
    private static func writings(_ name: String) -> [String] {
        let secret = Self.secret
        return [
            "{bootstrap.servers: a, \(name): \(secret)}",
            "{bootstrap.servers: a, \(name): '\(secret)'}",
            "{bootstrap.servers: a, \(name): \"${PASSWORD}\"}",
            "{bootstrap.servers: a, \(name): \"${NONE:-\(secret)}\"}",
            "{bootstrap.servers: a, \(name):\(secret)}",
            "{bootstrap.servers: a, \(name)=\(secret)}",
            "{bootstrap.servers: a, \(name) \(secret)}",
            "{bootstrap.servers: a, \(name): [\(secret)]}",
            "{bootstrap.servers: a, \(name): {value: \(secret)}}",
            "{bootstrap.servers: a, \(name): {\(secret): x}}",
            "{bootstrap.servers: a, \(name): \"\(secret)\\0\"}",
            "{bootstrap.servers: a, \(name): !str \(secret)}",
            "{bootstrap.servers: a, \(name): \"\(secret)${NONE}\"}",
            "{bootstrap.servers: a, \(name): \"${\(secret)\"}",
            "{bootstrap.servers: a, \(name): \"${\(secret) x}\"}",
            "{bootstrap.servers: a, \(name): '\(secret)}",
            "{bootstrap.servers: a, \(name): \(secret), \(name): \(secret)}",
            "{bootstrap.servers: a, \(name) \(secret), \(name) \(secret)}",
            "{bootstrap.servers: a, consumer: {\(name): \(secret)}}",
            "{bootstrap.servers: a, producer: {\(name):\(secret)}}",
            "\n  bootstrap.servers: a\n  \(name) \(secret)\n",
            "\n  bootstrap.servers: a\n  \(name): \(secret)\n   : x",
            "\(name):\(secret)",
            "\(secret)",
        ]
    }

    private func output(of outcome: PipelineReader.Outcome) -> String {
        var text = outcome.complaints.map(\.description).joined(separator: "\n")
        text += "\(outcome) \(String(reflecting: outcome))"
        dump(outcome, to: &text)
        return text
    }

    @Test(arguments: names)
    func secretsAreInNoComplaintAndNoDump(_ name: String) {
        for writing in Self.writings(name) {
            let text = PipelineText.with { $0.kafka = "kafka: \(writing)" }
            let outcome = read(text, environment: ["PASSWORD": Self.secret])
            #expect(!output(of: outcome).contains(Self.secret), "\(writing)")
        }
        for misplaced in ["\(name): \(Self.secret)", "\(name):\(Self.secret): x"] {
            let text = PipelineText.with { $0.rest = misplaced }
            #expect(!output(of: read(text)).contains(Self.secret), "\(misplaced)")
        }
    }

    /// A variable that holds a secret, named in any setting, right or wrong.
    @Test(
        arguments: [
            "name: X", "source: {topic: X, group: X, start: X}", "sink: {topic: X}",
            "kafka: {bootstrap.servers: [X]}", "model: {file: m, inputs: {a: X}}",
            "model: {file: m, inputs: {a: {field: X, missing: X, parse: X}}, missing: X}",
            "append: X", "append: {a: X}", "append: {a: X[}", "on_conflict: X",
            "on_error: X", "batch: {max_records: X, max_wait: X, max_bytes: X}", "lanes: X",
            "value: {format: X, max_bytes: X}", "engines: {intra_op_threads: X}",
            "dead_letter: {topic: X, max_ratio: X}", "delivery: X", "commit_interval: X",
            "memory: X", "shutdown_timeout: X", "http: {listen: X}", "kafka: X", "batch: X",
        ])
    func theEnvironmentIsInNoComplaint(_ piece: String) {
        for secret in [
            Self.secret, "/\(Self.secret)~", "$\(Self.secret)", "\(Self.secret)[\"", "^",
        ] {
            let text = piece.replacing("X", with: "\"${PASSWORD}\"")
            let list = complaints(text, environment: ["PASSWORD": secret])
            #expect(!list.joined().contains(Self.secret), "\(list)")
        }
    }

    @Test func secretsComeFromFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "millrace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let secret = folder.appending(path: "password").path
        try Data(" \n\(Self.secret)\n\n".utf8).write(to: URL(filePath: secret))
        let text = PipelineText.with {
            $0.kafka = "kafka: {bootstrap.servers: a, ssl.ca.location: {file: password}}"
        }
        func readHere() -> PipelineReader.Outcome {
            PipelineReader.read(
                bytes: Array(text.utf8), path: folder.appending(path: "p.yaml").path,
                environment: [:])
        }

        try setMode(0o600, secret)
        let outcome = readHere()
        #expect(short(outcome.complaints) == [])
        let property = try #require(outcome.file?.kafka.properties.last)
        #expect(property.value.revealed == Self.secret)
        #expect(property.isSecret)
        #expect(property.description == "ssl.ca.location=[redacted]")
        #expect(!output(of: outcome).contains(Self.secret))

        try setMode(0o604, secret)
        #expect(
            short(readHere().complaints) == [
                "3:55: warning: every user of this machine may read 'password'; take the right away"
                    + " with chmod o-r"
            ])
        #expect(readHere().file != nil)

        let unreadable = "3:55: cannot read 'password' for 'ssl.ca.location': it is not UTF-8 text"
        try Data([0x61, 0xFF]).write(to: URL(filePath: secret))
        try setMode(0o600, secret)
        #expect(short(readHere().complaints) == [unreadable])
        try Data("a\0b".utf8).write(to: URL(filePath: secret))
        try setMode(0o600, secret)
        #expect(short(readHere().complaints) == [unreadable])
    }

    @Test func filesAreReadAgain() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "millrace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let secret = URL(filePath: folder.appending(path: "password").path)
        try Data("first\n".utf8).write(to: secret)
        let text = PipelineText.with {
            $0.kafka =
                "kafka: {bootstrap.servers: a, sasl.password: {file: password}, client.id: b}"
        }
        let outcome = PipelineReader.read(
            bytes: Array(text.utf8), path: folder.appending(path: "p.yaml").path, environment: [:])
        let kafka = try #require(outcome.file?.kafka)
        #expect(kafka.hasFiles)
        func values() -> [String] { kafka.readAgain().properties.map(\.value.revealed) }
        #expect(values() == ["a", "first", "b"])
        try Data(" second\n".utf8).write(to: secret)
        #expect(values() == ["a", "second", "b"])
        // What is being written, or is gone, changes nothing.
        for unusable in ["", " \n", "a\0b"] {
            try Data(unusable.utf8).write(to: secret)
            #expect(values() == ["a", "first", "b"])
        }
        try FileManager.default.removeItem(at: secret)
        #expect(values() == ["a", "first", "b"])
        #expect(!"\(kafka.readAgain())".contains("first"))
    }

    private func setMode(_ mode: Int, _ path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test func wordsOfOthersAreRedacted() throws {
        let text = PipelineText.with {
            $0.kafka = "kafka: {bootstrap.servers: a, sasl.password: abc, ssl.key.password: abcdef}"
        }
        let file = try #require(read(text).file)
        #expect(
            file.kafka.redacting("no 'abcdef', no 'abc', but a")
                == "no '[redacted]', no '[redacted]', but a")
        #expect(file.complaint(at: .start, "bad abc").message == "bad [redacted]")
    }

    @Test func secretsPrintAsRedacted() {
        let secret = Secret(Self.secret)
        var text = "\(secret) \(String(reflecting: secret)) \([secret]) \(["k": secret])"
        dump(secret, to: &text)
        #expect(!text.contains(Self.secret))
        #expect(secret.revealed == Self.secret)
    }

    @Test func theTokenOfTheServerComesFromItsFileOnly() throws {
        let secret = Self.secret
        for writing in [
            "token: \(secret)", "token: {\(secret): x}", "token: {file: {\(secret): x}}",
            "token: [\(secret)]", "token: {value: \(secret)}", "token: \"${TOKEN}\"",
            "token:\(secret)", "token: {file: x, y: \(secret)}",
        ] {
            let text = PipelineText.with { $0.rest = "http: {listen: ':0', \(writing)}" }
            let outcome = read(text, environment: ["TOKEN": secret])
            #expect(outcome.file == nil, "\(writing)")
            #expect(!output(of: outcome).contains(secret), "\(writing)")
        }
    }

    @Test(arguments: [
        ("0123456789-sEcReT\n", true), ("short\n", false), ("0123456789 123456789", false),
        ("0123456789\u{e9}123456789", false), ("", false),
        (String(repeating: "x", count: 1025), false),
    ])
    func aTokenIsOneLongWord(contents: String, isGood: Bool) throws {
        let path = FileManager.default.temporaryDirectory.path + "/millrace-token-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(contents.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        let outcome = read(
            PipelineText.with { $0.rest = "http: {listen: ':0', token: {file: \(path)}}" })
        let revealed = outcome.file?.http?.token?.revealed
        #expect(revealed == (isGood ? "0123456789-sEcReT" : nil))
        #expect(outcome.complaints.isEmpty == isGood, "\(outcome.complaints)")
        #expect(contents.isEmpty || !output(of: outcome).contains(contents.prefix(1000)))
    }
}
