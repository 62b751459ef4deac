import MillraceCore
import Testing

@testable import MillraceKafka

@Suite struct SinkTests {
    @Test func deadLettersKeepTheRecordAndSayWhy() throws {
        let stage = try Stage(partitions: 1)
        let own = PlainRecord.Header("trace", [1])
        try stage.feed([
            PlainRecord(
                key: [9], value: Array("broken".utf8), headers: [own], timestampMs: 77, partition: 0
            ),
            PlainRecord(value: Array("good".utf8), partition: 0),
        ])
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 2 })
        let sink = try KafkaSink(stage.settings, log: .none)
        let work = batch(pump) { index in
            index == 0 ? .dead(RecordError(.malformed, "no JSON at byte 0")) : .scored([1])
        }
        #expect(sink.writeAll(work) == .done)
        pump.releaseAll()
        #expect(sink.answers(2).allSatisfy { $0.failure == nil })
        let letters = try stage.read("dead", 1)
        try #require(letters.count == 1)
        #expect(letters[0].key == [9])
        #expect(letters[0].value == Array("broken".utf8))
        #expect(letters[0].timestampMs == 77)
        #expect(
            letters[0].headers == [own]
                + [
                    ("class", "malformed"), ("message", "no JSON at byte 0"), ("topic", "in"),
                    ("partition", "0"), ("offset", "0"), ("model", "fraud@0123456789ab"),
                ].map { PlainRecord.Header("millrace-error-\($0)", Array($1.utf8)) })
        #expect(try stage.read("out", 1).count == 1)
        pump.close()
        sink.close()
    }

    @Test func tooLargeBecomesADeadLetter() throws {
        var stage = try Stage(partitions: 1)
        stage.settings.producer = [("message.max.bytes", "2000")]
        try stage.feed([
            PlainRecord(key: [1], value: Array(repeating: 65, count: 1500), partition: 0),
            PlainRecord(key: [2], value: Array(repeating: 66, count: 5000), partition: 0),
            PlainRecord(value: [1], partition: 0),
        ])
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 3 })
        let sink = try KafkaSink(stage.settings, log: .none)
        let work = batch(pump) { index in
            .scored(index == 2 ? [1] : Array(repeating: 67, count: 6000))
        }
        #expect(sink.writeAll(work) == .done)
        #expect(unsafe work.results[0].state == .dead && work.results[2].state == .scored)
        #expect(work.error(of: 0)?.kind == .tooLarge)
        #expect(sink.answers(3).allSatisfy { $0.failure == nil })
        let letters = try stage.read("dead", 2)
        try #require(letters.count == 2)
        #expect(letters[0].value?.count == 1500)
        #expect(letters[1].value == nil)
        #expect(letters[1].key == [2])
        let omitted = PlainRecord.Header("millrace-error-value-omitted", Array("true".utf8))
        #expect(letters[1].headers.contains(omitted))
        #expect(!letters[0].headers.contains(omitted))
        pump.close()
        sink.close()
    }

    @Test func fullQueueStopsAndContinuesWithoutLoss() throws {
        var stage = try Stage(partitions: 1)
        stage.settings.producer = [("queue.buffering.max.messages", "10"), ("linger.ms", "0")]
        let header = PlainRecord.Header("n", [1])
        try stage.feed((0..<100).map { PlainRecord(value: [UInt8($0)], headers: [header]) })
        var source = stage.settings
        source.topic = "in"
        let pump = try Pump(source)
        try #require(pump.until { pump.count == 100 })
        let sink = try KafkaSink(stage.settings, log: .none)
        let work = batch(pump) { .scored([UInt8($0)]) }
        var next = 0
        var fullCount = 0
        var deliveries: [Delivery] = []
        let end = ContinuousClock.now + .seconds(30)
        writing: while ContinuousClock.now < end {
            switch sink.write(work, positions: next..<100) {
            case .done: break writing
            case .full(let written):
                fullCount += 1
                next += written
                sink.poll(into: &deliveries, timeoutMs: 100)
            case .failed(_, let error):
                Issue.record("\(error)")
                break writing
            }
        }
        #expect(fullCount > 0)
        deliveries += sink.answers(100 - deliveries.reduce(0) { $0 + $1.count })
        let output = try stage.read("out", 100)
        #expect(output.compactMap { $0.value?.first } == (0..<100).map { UInt8($0) })
        let model = PlainRecord.Header("millrace-model", Array("fraud@0123456789ab".utf8))
        #expect(output.allSatisfy { $0.headers == [header, model] })
        pump.close()
        sink.close()
    }

    @Test(arguments: [
        (MockCluster.ErrorCode.invalidRecord, true), (.invalidTimestamp, true),
        (.topicAuthorizationFailed, false),
    ])
    func refusedRecordsAreTold(code: MockCluster.ErrorCode, isRecordsFault: Bool) throws {
        let stage = try Stage(partitions: 1)
        try stage.feed([PlainRecord(value: [1], partition: 0)])
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 1 })
        let sink = try KafkaSink(stage.settings, log: .none)
        stage.cluster.pushErrors(api: .produce, [code])
        let work = batch(pump) { _ in .scored([1]) }
        #expect(sink.writeAll(work) == .done)
        let answers = sink.answers(1)
        try #require(answers.count == 1)
        #expect(answers[0].count == 1 && answers[0].record == 0)
        #expect(answers[0].failure?.isRecordsFault == isRecordsFault)
        #expect(answers[0].failure?.error.isFatal == false)
        pump.close()
        sink.close()
    }

    /// The broker refuses the records of a request together: only one that was alone is at fault.
    @Test func tooLargeTogetherIsNobodysFault() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed([PlainRecord(value: [1], partition: 0)])
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 1 })
        var settings = stage.settings
        settings.producer.append(("batch.size", "16"))
        let sink = try KafkaSink(settings, log: .none)
        let work = batch(pump) { _ in .scored([1, 2]) }
        func failureOfNextWrite() throws -> DeliveryFailure {
            stage.cluster.pushErrors(api: .produce, [.messageTooLarge])
            #expect(sink.writeAll(work) == .done)
            let answers = sink.answers(1)
            try #require(answers.count == 1)
            return try #require(answers[0].failure)
        }
        for requestBytes in [16, 4] {
            #expect(sink.settings.requestBytes == requestBytes)
            let failure = try failureOfNextWrite()
            #expect(!failure.isRecordsFault && failure.error.isFatal)
            try sink.restart()
        }
        let failure = try failureOfNextWrite()
        #expect(failure.isRecordsFault && !failure.error.isFatal)
        pump.close()
        sink.close()
    }

    @Test func purgeAnswersEverything() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed(Stage.numbered(0..<20))
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 20 })
        try stage.cluster.setDown(broker: 1)
        let sink = try KafkaSink(stage.settings, log: .none)
        let work = batch(pump) { _ in .scored([1]) }
        #expect(sink.writeAll(work) == .done)
        sink.purge()
        let answers = sink.answers(20)
        #expect(answers.count == 20)
        #expect(answers.allSatisfy { $0.failure?.isRecordsFault == false })
        sink.close()
        try stage.cluster.setUp(broker: 1)
        pump.close()
    }

    @Test func restartAfterAFatalError() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed([PlainRecord(value: [1], partition: 0)])
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 1 })
        let lines = LogLines()
        let sink = try KafkaSink(stage.settings, log: lines.log)
        sink.breakForTest()
        let work = batch(pump) { _ in .scored([5]) }
        guard case .failed(0, let error) = sink.writeAll(work) else {
            Issue.record("the broken producer took a record")
            return
        }
        #expect(error.isFatal && !error.isRetriable)
        #expect(error.code == "OUT_OF_ORDER_SEQUENCE_NUMBER")
        try sink.restart()
        #expect(sink.writeAll(work) == .done)
        #expect(sink.answers(1).allSatisfy { $0.failure == nil })
        #expect(try stage.read("out", 1).first?.value == [5])
        pump.close()
        sink.close()
    }

    /// Nobody asks for it before a run: the manual says what comes of it.
    @Test func aMissingRightToWriteIdempotentlyEndsTheProducer() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed([PlainRecord(value: [1], partition: 0)])
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 1 })
        stage.cluster.pushErrors(
            api: .initProducerId, Array(repeating: .clusterAuthorizationFailed, count: 8))
        let lines = LogLines()
        let sink = try KafkaSink(stage.settings, log: lines.log)
        var deliveries: [Delivery] = []
        let end = ContinuousClock.now + .seconds(30)
        while !lines.all.contains(where: { $0.contains("CLUSTER_AUTHORIZATION_FAILED") }),
            ContinuousClock.now < end
        {
            sink.poll(into: &deliveries, timeoutMs: 50)
        }
        let work = batch(pump) { _ in .scored([5]) }
        guard case .failed(0, let error) = sink.writeAll(work) else {
            Issue.record("the producer took a record")
            return
        }
        #expect(error.code == "CLUSTER_AUTHORIZATION_FAILED" && error.isFatal)
        pump.close()
        sink.close()
    }

    @Test func preserveNeedsThePartition() throws {
        var stage = try Stage(partitions: 2)
        try stage.cluster.createTopic("narrow", partitions: 1)
        stage.settings.sinkTopic = "narrow"
        try stage.feed([
            PlainRecord(value: [1], partition: 0), PlainRecord(value: [2], partition: 1),
        ])
        let report = try stage.settings.checkTopics(timeoutMs: 10_000, log: .none)
        #expect(report.source == 2 && report.sink == 1)
        #expect(report.problems.count == 1)
        #expect(report.problems.first?.message.contains("preserve needs equal numbers") == true)
        stage.settings.partitioning = .key
        #expect(try stage.settings.checkTopics(timeoutMs: 10_000, log: .none).problems == [])
    }

    @Test(.enabled(if: mockCanLackTopics, "the mock makes every topic it is asked for"))
    func missingTopicsAreFoundAndNotMade() throws {
        var stage = try Stage(partitions: 1)
        stage.settings.sinkTopic = "nowhere"
        stage.settings.deadLetterTopic = "neither"
        for _ in 0..<2 {
            let report = try stage.settings.checkTopics(timeoutMs: 10_000, log: .none)
            #expect(report.sink == nil && report.deadLetter == nil && report.source == 1)
            #expect(report.problems.count == 2)
        }
    }

    @Test func withoutABrokerTheCheckIsRetriable() throws {
        let stage = try Stage(partitions: 1)
        try stage.cluster.setDown(broker: 1)
        let error = #expect(throws: ServiceError.self) {
            try stage.settings.checkTopics(timeoutMs: 300, log: .none)
        }
        #expect(error?.isRetriable == true)
    }

    @Test func opaquesKeepTheirParts() throws {
        let batch = Batch(slot: (1 << 24) - 1, capacity: 1)
        let base = try #require(Opaque.base(of: batch))
        let opaque = Opaque.of(base, run: 65_535, record: (1 << 24) - 1)
        #expect(Opaque.slot(opaque) == (1 << 24) - 1)
        #expect(Opaque.run(opaque) == 65_535)
        #expect(Opaque.record(opaque) == (1 << 24) - 1)
        #expect(Opaque.base(of: Batch(slot: 1 << 24, capacity: 1)) == nil)
    }
}
