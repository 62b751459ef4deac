import MillraceCore
import MillraceKafka
import Testing

@Suite struct PropertyRulesTests {
    private func complaints(
        common: KafkaSettings.Properties = [], consumer: KafkaSettings.Properties = [],
        producer: KafkaSettings.Properties = [], library: LibraryVersion = .current
    ) -> [PropertyComplaint] {
        var settings = KafkaSettings(topic: "in", group: "g")
        settings.common = common
        settings.consumer = consumer
        settings.producer = producer
        return settings.validate(library: library)
    }

    @Test(arguments: [
        ("enable.auto.commit", "false"), ("enable.auto.offset.store", "true"),
        ("auto.offset.reset", "latest"), ("group.id", "x"), ("enable.idempotence", "false"),
        ("acks", "1"), ("request.required.acks", "0"), ("max.in.flight", "6"),
        ("max.in.flight.requests.per.connection", "10"), ("enable.partition.eof", "true"),
        ("plugin.library.paths", "/tmp/evil.so"), ("ssl.engine.location", "/tmp/evil.so"),
        ("ssl.engine.id", "x"), ("sasl.kerberos.kinit.cmd", "rm -rf /"),
        ("test.mock.num.brokers", "3"), ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
        ("allow.auto.create.topics", "true"), ("transactional.id", "t"),
        ("delivery.report.only.error", "true"), ("message.timeout.ms", "1000"),
        ("log.queue", "true"), ("opaque", "1"), ("rebalance_cb", "x"), ("dr_msg_cb", "x"),
    ])
    func refused(name: String, value: String) {
        for found in [complaints(common: [(name, value)]), complaints(producer: [(name, value)])] {
            #expect(found.count == 1)
            #expect(found.first?.isError == true)
            #expect(found.first?.message.contains("cannot be set: ") == true)
            #expect(found.first?.name == name)
        }
    }

    @Test(arguments: [
        ("bootstrap.servers", "a:9092,b:9092"), ("enable.idempotence", "true"), ("acks", "all"),
        ("acks", "-1"), ("max.in.flight", "5"), ("compression.type", "zstd"), ("linger.ms", "20"),
        ("partition.assignment.strategy", "range,roundrobin"), ("session.timeout.ms", "10000"),
        ("security.protocol", "ssl"), ("ssl.ca.location", "/etc/ssl/certs"),
    ])
    func accepted(name: String, value: String) {
        #expect(complaints(common: [(name, value)]) == [])
    }

    @Test(arguments: [
        ("debug", "cgrp"), ("ssl.endpoint.identification.algorithm", "none"),
        ("enable.ssl.certificate.verification", "false"),
    ])
    func warned(name: String, value: String) {
        let found = complaints(common: [(name, value)])
        #expect(found.count == 1)
        #expect(found.first?.isError == false)
    }

    @Test func versionGates() {
        let old = LibraryVersion(2, 0, 2)
        let new = LibraryVersion(2, 13, 2)
        let cooperative = ("partition.assignment.strategy", "cooperative-sticky")
        #expect(complaints(consumer: [cooperative], library: old).count == 1)
        #expect(complaints(consumer: [cooperative], library: new) == [])
        let mixed = ("partition.assignment.strategy", "range,cooperative-sticky")
        #expect(complaints(consumer: [mixed], library: new).first?.isError == true)
        let kip848 = ("group.protocol", "consumer")
        #expect(
            KafkaPropertyRules.verdict(kip848.0, kip848.1, library: old)
                == .refused("'consumer' needs librdkafka 2.12, this is 2.0.2"))
        #expect(KafkaPropertyRules.verdict(kip848.0, kip848.1, library: new) == .fine)
        #expect(old.hasBrokenScram && !new.hasBrokenScram)
        #expect(!old.hasSafeBatchConsume && new.hasSafeBatchConsume)
    }

    @Test func classicPropertiesDoNotGoWithKip848() {
        let found = complaints(
            consumer: [("group.protocol", "consumer"), ("session.timeout.ms", "10000")],
            library: LibraryVersion(2, 12, 0))
        #expect(found.contains { $0.name == "session.timeout.ms" && $0.isError })
    }

    @Test func scramOfOldLibrariesIsRefusedAtStart() {
        var settings = KafkaSettings(topic: "in", group: "g")
        settings.common = [("sasl.mechanisms", "SCRAM-SHA-512")]
        let error = settings.knownBadPair(library: LibraryVersion(2, 0, 2))
        #expect(error?.message.contains("use librdkafka 2.6.1 or newer") == true)
        #expect(settings.knownBadPair(library: LibraryVersion(2, 6, 1)) == nil)
        settings.common = [("sasl.mechanisms", "PLAIN")]
        #expect(settings.knownBadPair(library: LibraryVersion(2, 0, 2)) == nil)
    }

    @Test func unknownNamesGetASuggestion() {
        let found = complaints(producer: [("compresion.type", "zstd")])
        #expect(found.count == 1)
        #expect(
            found.first?.message
                == "unknown librdkafka property 'compresion.type'; did you mean 'compression.type'?"
        )
        #expect(complaints(common: [("no.such.thing.at.all", "1")]).first?.isError == true)
    }

    @Test func librdkafkaJudgesValues() {
        let found = complaints(producer: [("linger.ms", "soon")])
        #expect(found.count == 1)
        #expect(found.first?.message.contains("linger.ms") == true, "\(found)")
    }

    @Test func valuesThatDoNotGoTogetherAreFound() {
        let found = complaints(consumer: [
            ("session.timeout.ms", "20000"), ("max.poll.interval.ms", "10000"),
        ])
        #expect(found.count == 1)
        #expect(found.first?.scope == .consumer)
        #expect(found.first?.isError == true)
        let missing = complaints(common: [
            ("security.protocol", "ssl"), ("ssl.ca.location", "/nowhere/ca.pem"),
        ])
        #expect(missing.count == 1)
        #expect(missing.first?.name == "ssl.ca.location")
        #expect(missing.first?.message.contains("there is no such file") == true)
    }

    @Test func aLoginWithoutItsProtocolIsAWarning() {
        let found = complaints(common: [("sasl.username", "u"), ("sasl.password", "p")])
        #expect(found.map(\.name) == ["sasl.username"])
        #expect(found.first?.isError == false)
        let used = complaints(
            common: [("sasl.username", "u"), ("sasl.password", "p")],
            consumer: [("security.protocol", "SASL_SSL"), ("sasl.mechanisms", "PLAIN")])
        #expect(used == [])
    }

    @Test func memorySetsTheQueues() {
        for bytes in [1 << 20, 256 << 20, 64 << 30] {
            var settings = KafkaSettings(topic: "in", group: "g")
            settings.memoryBytes = bytes
            #expect(settings.validate() == [])
        }
    }

    @Test(arguments: [
        "sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password",
        "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config",
        "ssl.certificate.pem", "sasl.pasword",
    ])
    func secretsAreNeverInComplaints(name: String) {
        let secret = "hunter2-\u{1}-secret"
        for found in [
            complaints(common: [(name, secret)]),
            complaints(common: [(name, secret), ("sasl.mechanisms", "PLAIN")]),
        ] {
            #expect(!found.contains { $0.message.contains("hunter2") })
        }
        #expect(KafkaPropertyRules.isSecret(name) || name == "sasl.pasword")
    }

    @Test func secretsAreNeverInErrorsOrLogs() throws {
        let lines = LogLines()
        var settings = KafkaSettings(topic: "in", group: "g")
        settings.common = [
            ("bootstrap.servers", "127.0.0.1:1"), ("security.protocol", "sasl_ssl"),
            ("sasl.mechanisms", "PLAIN"), ("sasl.username", "joe"),
            ("sasl.password", "hunter2"), ("ssl.key.pem", "hunter2"), ("debug", "all"),
        ]
        do {
            let source = try KafkaSource(settings, log: lines.log)
            source.close()
        } catch {
            #expect(!error.message.contains("hunter2"))
        }
        #expect(!lines.all.isEmpty)
        #expect(!lines.all.contains { $0.contains("hunter2") })
    }

    @Test func plainWithoutTlsIsWarnedOf() {
        let found = complaints(common: [
            ("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanisms", "PLAIN"),
            ("sasl.username", "joe"), ("sasl.password", "hunter2"),
        ])
        #expect(found.count == 1)
        #expect(found.first?.isError == false)
    }

    @Test(arguments: ["", "a b", "^in.*", "..", String(repeating: "a", count: 250), "ä"])
    func illegalTopicNames(name: String) {
        var settings = KafkaSettings(topic: name, group: "g")
        #expect(settings.validate().contains { $0.name == "source.topic" && $0.isError })
        settings.topic = "in"
        settings.deadLetterTopic = name
        #expect(settings.validate().contains { $0.name == "dead_letter.topic" && $0.isError })
    }
}
