import CRdkafka
import MillraceCore
import Testing

@testable import MillraceKafka

/// What is said of connections that fail, and the login that a client gets while it runs.
struct ClientLinkTests {
    @Test func theTimeOfAnErrorIsLeftOut() {
        let errors = [
            "a: Connect failed (after 5ms in state CONNECT)",
            "a: Connect failed (after 5ms in state CONNECT, 3 identical error(s) suppressed)",
            "a: Connect failed",
        ]
        for error in errors { #expect(KafkaError.withoutTiming(error) == "a: Connect failed") }
        #expect(KafkaError.withoutTiming("a (after all) b") == "a (after all) b")
    }

    @Test(arguments: [
        (9, "is not valid yet"), (10, "has expired"), (18, "that is not in ssl.ca.location"),
        (19, "that is not in ssl.ca.location"), (20, "that is not in ssl.ca.location"),
        (21, "that is not in ssl.ca.location"), (23, "is revoked"), (62, "is for another host"),
        (64, "is for another host"), (66, "OpenSSL's verify error 66"),
    ])
    func aCertificatesFaultIsNamed(code: Int, words: String) {
        let error = KafkaError(
            RD_KAFKA_RESP_ERR__SSL,
            "b:9093: SSL handshake failed: certificate verify failed: verify that ssl.ca.location")
        let named = error.naming(CertificateFault.text(Int32(code)))
        #expect(named.code == "_SSL")
        #expect(
            named.message.hasPrefix("b:9093: SSL handshake failed: certificate verify failed: "))
        #expect(named.message.hasSuffix(words) || named.message.contains(words))
        #expect(!named.message.contains("verify that"))
    }

    @Test func otherErrorsKeepTheirText() {
        let error = KafkaError(RD_KAFKA_RESP_ERR__TRANSPORT, "b:9093: Disconnected")
        #expect(error.naming("the broker's certificate has expired") == error)
        #expect(error.naming(nil) == error)
    }

    @Test func aClientSaysWhyNoBrokerAnswersUntilOneDoes() throws {
        let stage = try Stage()
        var settings = stage.settings
        settings.common.append(("reconnect.backoff.max.ms", "100"))
        let source = try KafkaSource(settings, log: .none)
        defer { source.close() }
        try source.start()
        var records: ContiguousArray<RecordView> = unsafe []
        #expect(source.link.trouble() == nil)
        try stage.cluster.setDown(broker: 1)
        #expect(
            wait {
                unsafe source.poll(into: &records, limit: 1, timeoutMs: 10)
                return source.link.isDoubtful
            })
        let trouble = try #require(source.link.trouble())
        #expect(trouble.message.hasPrefix("no broker answers: "))
        #expect(!trouble.message.contains("(after "))
        try stage.cluster.setUp(broker: 1)
        #expect(wait { source.link.trouble() == nil })
        #expect(!source.link.isDoubtful)
    }

    @Test func aLoginIsGivenOnce() throws {
        let stage = try Stage()
        var settings = stage.settings
        settings.common += [("sasl.username", "u"), ("sasl.password", "p")]
        let sink = try KafkaSink(settings, log: .none)
        let link = try #require(sink.link)
        let old = try #require(settings.producerLogin)
        settings.producer.append(("sasl.password", "q"))
        let fresh = try #require(settings.producerLogin)
        #expect(settings.consumerLogin == old)
        let first = try link.use(old)
        let second = try link.use(fresh)
        let third = try link.use(fresh)
        #expect([first, second, third] == [false, true, false])
        sink.close()
        #expect(sink.link == nil)
        // Kept longer than the client.
        let late = try link.use(old)
        #expect(!late)
        #expect(link.trouble() == nil)
    }

    @Test func withoutNameOrPasswordThereIsNoLogin() {
        var settings = KafkaSettings(topic: "in", group: "g")
        #expect(settings.consumerLogin == nil)
        settings.common = [("sasl.username", "u")]
        #expect(settings.consumerLogin == nil)
    }

    private func wait(_ condition: () -> Bool) -> Bool {
        let deadline = Deadline(afterMs: 20_000)
        while !condition() {
            if deadline.remainingMs <= 1 { return false }
        }
        return true
    }
}
