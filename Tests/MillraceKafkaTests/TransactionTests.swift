import MillraceCore
import Testing

@testable import MillraceKafka

/// What the sink makes of each class of error. The mock keeps no transactions apart; that readers
/// see each record once is for the tests on a real broker.
@Suite(.serialized) struct TransactionTests {
    /// A source with a record and a sink that has begun.
    @safe struct Rig {
        let stage: Stage
        let pump: Pump
        let sink: KafkaSink
        let lines = LogLines()

        init(isNamed: Bool = false, timeoutMs: Int = 10_000) throws {
            var stage = try Stage(partitions: 1)
            stage.settings.transactionalId = "fraud-only"
            stage.settings.isInstanceNamed = isNamed
            stage.settings.producer = [("transaction.timeout.ms", String(timeoutMs))]
            try stage.feed([PlainRecord(value: Array("one".utf8), partition: 0)])
            pump = try Pump(stage.settings)
            let pump = pump
            try #require(pump.until { pump.count == 1 })
            sink = try KafkaSink(stage.settings, log: lines.log)
            self.stage = stage
            try sink.begin(timeoutMs: 10_000)
        }

        func write() -> WriteProgress {
            sink.writeAll(batch(pump) { _ in .scored([1, 2]) })
        }

        /// Writes the record and waits for the broker's answer.
        func writeThrough() throws {
            #expect(write() == .done)
            let answers = sink.answers(1)
            try #require(answers.allSatisfy { $0.failure == nil })
        }

        func commit() throws {
            try sink.commit(
                [Ledger.Frontier(partition: 0, offset: 1)], as: pump.source.membership())
        }

        func close() {
            pump.close()
            sink.close()
        }
    }

    @Test func aTransactionFollowsTheOther() throws {
        let rig = try Rig()
        let client = unsafe rig.sink.client
        for _ in 0..<3 {
            try rig.writeThrough()
            try rig.commit()
        }
        #expect(unsafe rig.sink.client == client)
        rig.close()
    }

    @Test func whoIsInNoGroupCommitsNothing() throws {
        let stage = try Stage(partitions: 1)
        let source = try KafkaSource(stage.settings, log: .none)
        #expect(throws: ServiceError.self) { try source.membership() }
        source.close()
    }

    @Test func whatTheGroupRefusesIsThrownAwayAndTheProducerGoesOn() throws {
        let rig = try Rig()
        let client = unsafe rig.sink.client
        try rig.writeThrough()
        rig.stage.cluster.pushErrors(api: .commitTransactionOffsets, [.illegalGeneration])
        let error = #expect(throws: ServiceError.self) { try rig.commit() }
        #expect(error?.code == "ILLEGAL_GENERATION")
        #expect(error?.isFatal == false)
        guard case .failed = rig.write() else {
            Issue.record("wrote outside of a transaction")
            return
        }
        try rig.sink.restart()
        #expect(unsafe rig.sink.client == client)
        try rig.writeThrough()
        try rig.commit()
        rig.close()
    }

    @Test func whatTheBrokerAsksToRepeatIsRepeated() throws {
        let rig = try Rig()
        try rig.writeThrough()
        rig.stage.cluster.pushErrors(
            api: .endTransaction, [.concurrentTransactions, .concurrentTransactions])
        try rig.commit()
        rig.close()
    }

    @Test func aProducerThatIsShutOutIsReplaced() throws {
        let rig = try Rig()
        let client = unsafe rig.sink.client
        for _ in 0..<3 {
            try rig.writeThrough()
            rig.stage.cluster.pushErrors(api: .endTransaction, [.invalidProducerEpoch])
            let error = #expect(throws: ServiceError.self) { try rig.commit() }
            #expect(error?.isFatal == true)
            try rig.sink.restart()
        }
        #expect(unsafe rig.sink.client != client)
        try rig.writeThrough()
        try rig.commit()
        rig.close()
    }

    @Test func aNameThatOthersUseTooIsGivenUp() throws {
        let rig = try Rig(isNamed: true)
        for isLast in [false, true] {
            try rig.writeThrough()
            rig.stage.cluster.pushErrors(api: .endTransaction, [.invalidProducerEpoch])
            #expect(throws: ServiceError.self) { try rig.commit() }
            guard isLast else {
                try rig.sink.restart()
                continue
            }
            let error = #expect(throws: ServiceError.self) { try rig.sink.restart() }
            #expect(error?.isRetriable == false)
            #expect(error?.message.contains("'fraud-only'") == true)
        }
        rig.close()
    }

    @Test func aSlowCommitIsTheProducersLast() throws {
        let rig = try Rig(timeoutMs: 2_000)
        let client = unsafe rig.sink.client
        try rig.writeThrough()
        // Asked again after 0.1, 0.2, 0.4 and 0.8 s, a fifth more or less.
        rig.stage.cluster.pushErrors(
            api: .endTransaction, Array(repeating: .concurrentTransactions, count: 4))
        try rig.commit()
        #expect(unsafe rig.sink.client != client)
        try rig.writeThrough()
        try rig.commit()
        rig.close()
    }

    @Test func aCommitThatLostItsConnectionIsTheProducersLast() throws {
        let rig = try Rig()
        let client = unsafe rig.sink.client
        try rig.writeThrough()
        rig.stage.cluster.pushErrors(api: .endTransaction, [.connectionCut])
        try rig.commit()
        #expect(unsafe rig.sink.client != client)
        try rig.writeThrough()
        try rig.commit()
        rig.close()
    }

    @Test func aStartThatIsTriedAgainKeepsItsTransaction() throws {
        let rig = try Rig()
        let client = unsafe rig.sink.client
        try rig.sink.begin(timeoutMs: 10_000)
        #expect(unsafe rig.sink.client == client)
        try rig.writeThrough()
        try rig.commit()
        rig.close()
    }

    @Test func aRefusedRecordCostsTheProducer() throws {
        let rig = try Rig()
        let client = unsafe rig.sink.client
        rig.stage.cluster.pushErrors(api: .produce, [.invalidTimestamp])
        #expect(rig.write() == .done)
        let answer = try #require(rig.sink.answers(1).first)
        #expect(answer.failure?.isRecordsFault == true)
        try rig.sink.restart()
        #expect(unsafe rig.sink.client != client)
        try rig.writeThrough()
        try rig.commit()
        rig.close()
    }

    @Test func purgedRecordsAreAnsweredAndTheProducerGoesOn() throws {
        var stage = try Stage(partitions: 1)
        stage.settings.transactionalId = "fraud-only"
        // Nothing is sent before the purge.
        stage.settings.producer = [("linger.ms", "5000")]
        try stage.feed([PlainRecord(value: Array("one".utf8), partition: 0)])
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 1 })
        let sink = try KafkaSink(stage.settings, log: .none)
        try sink.begin(timeoutMs: 10_000)
        let client = unsafe sink.client
        #expect(sink.writeAll(batch(pump) { _ in .scored([1]) }) == .done)
        sink.purge()
        let answer = try #require(sink.answers(1).first)
        #expect(answer.failure?.isRecordsFault == false)
        try sink.restart()
        #expect(unsafe sink.client == client)
        pump.close()
        sink.close()
    }
}
