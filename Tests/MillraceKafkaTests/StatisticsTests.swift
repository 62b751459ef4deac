import MillraceCore
import Testing

@testable import MillraceKafka

struct StatisticsTests {
    private static let consumer = """
        { "name": "millrace#consumer-1", "type": "consumer", "msg_cnt": 0, "msg_size":0,
          "brokers": {
            "localhost:9092/bootstrap": {"nodeid": -1, "state": "UP", "rtt": {"avg": 9, "p99": 9}},
            "a \\"b\\" {:9092/7": {"nodeid": 7, "state": "UP", "outbuf_cnt": 2, "waitresp_cnt": 1,
              "rtt": {"min": 1, "max": 3, "avg": 1500, "p99": 3000.9, "cnt": 4},
              "throttle": {"avg": 25, "max": 50}, "toppars": {"in-0": {"topic": "in"}}},
            "GroupCoordinator": {"nodeid": 7, "source": "logical", "state": "DOWN",
              "rtt": {"avg": 2000, "p99": 100}, "outbuf_cnt": 1}
          },
          "topics": {
            "other": {"partitions": {"0": {"fetchq_cnt": 100, "committed_offset": 1}}},
            "in": {"age": 1, "partitions": {
              "0": {"fetchq_cnt": 10, "fetchq_size": 1000, "committed_offset": 42, "x": [1, [{}]]},
              "1": {"fetchq_cnt": 5, "fetchq_size": 500, "committed_offset": -1001},
              "-1": {"fetchq_cnt": 0, "committed_offset": 3}}}
          }, "tx": null, "ok": true }
        """

    @Test func whatAConsumerTells() throws {
        let read = try #require(ClientStatistics(Array(Self.consumer.utf8), topic: "in"))
        #expect(read.queuedRecords == 15)
        #expect(read.queuedBytes == 1500)
        #expect(read.committed == [0: 42])
        #expect(read.brokers.count == 1)
        let broker = try #require(read.brokers.first)
        #expect(broker.id == 7)
        #expect(broker.isUp)
        #expect(broker.roundTripAverageUs == 2000)
        #expect(broker.roundTripP99Us == 3000)
        #expect(broker.throttleAverageMs == 25)
        #expect(broker.requestsWaiting == 3)
        #expect(broker.requestsUnanswered == 1)
    }

    @Test func whatAProducerTells() throws {
        let text = #"{"type":"producer","msg_cnt":3,"msg_size":77,"topics":{}}"#
        let read = try #require(ClientStatistics(Array(text.utf8), topic: ""))
        #expect(read.queuedRecords == 3)
        #expect(read.queuedBytes == 77)
    }

    /// Every cut and every changed byte ends, without a trap.
    @Test func brokenTextsAreRefusedOrGiveLess() {
        let whole = Array(Self.consumer.utf8)
        for count in whole.indices {
            #expect(ClientStatistics(Array(whole.prefix(count)), topic: "in") == nil)
        }
        for index in whole.indices {
            for byte in [0, 0x22, 0x2C, 0x5B, 0x5C, 0x5D, 0x7B, 0x7D, 0x31, 0xFF] as [UInt8] {
                var changed = whole
                changed[index] = byte
                _ = ClientStatistics(changed, topic: "in")
            }
        }
        #expect(ClientStatistics([], topic: "in") == nil)
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20)
        #expect(ClientStatistics(Array(#"{"a":"#.utf8) + deep, topic: "in") == nil)
        let large = #"{"msg_cnt":99999999999999999999999,"type":"producer"}"#
        #expect(ClientStatistics(Array(large.utf8), topic: "")?.queuedRecords == 0)
    }

    @Test func theBoxKeepsTheLastText() {
        let box = StatisticsBox()
        #expect(box.latest(topic: "") == nil)
        for count in [1, 2] {
            let text = Array(#"{"type":"producer","msg_cnt":\#(count)}"#.utf8)
            unsafe text.withUnsafeBytes { unsafe box.put($0) }
        }
        #expect(box.latest(topic: "")?.queuedRecords == 2)
        #expect(box.latest(topic: "")?.queuedRecords == 2)
        let long = [UInt8](repeating: 0x20, count: StatisticsBox.limitBytes + 1)
        unsafe long.withUnsafeBytes { unsafe box.put($0) }
        #expect(box.latest(topic: "") == nil)
    }

    @Test func clientsTellTheirsWhereAsked() throws {
        var stage = try Stage()
        stage.settings.statisticsIntervalMs = 100
        try stage.feed(Stage.numbered(0..<10))
        let pump = try Pump(stage.settings)
        let sink = try KafkaSink(stage.settings, log: .none)
        var deliveries: [Delivery] = []
        #expect(
            pump.until {
                sink.poll(into: &deliveries, timeoutMs: 0)
                return pump.count == 10 && pump.source.statistics?.brokers.isEmpty == false
                    && sink.statistics?.brokers.isEmpty == false
            })
        #expect(pump.source.knownEnds(of: [0]) == [0: 10])
        pump.close()
        #expect(pump.source.knownEnds(of: [0]) == [:])
        sink.close()
    }
}
