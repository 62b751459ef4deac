import MillraceCore
import MillraceKafka
import Testing

@Suite struct SourceTests {
    /// Nobody answers a rebalance before the poll returns, and records stand still meanwhile.
    @Test func aRebalanceEndsThePoll() throws {
        let stage = try Stage()
        let pump = try Pump(stage.settings)
        let start = ContinuousClock.now
        while pump.assigned.isEmpty, start.duration(to: .now) < .seconds(60) {
            pump.step(timeoutMs: 60_000)
        }
        #expect(!pump.assigned.isEmpty)
        #expect(start.duration(to: .now) < .seconds(45))
        pump.close()
    }

    /// One poll finds an error, a rebalance and another error in the queue: none gets lost.
    @Test func aRebalanceDropsNothingBehindIt() throws {
        let lines = LogLines()
        var stage = try Stage(partitions: 1)
        stage.settings.consumer += [
            ("debug", "cgrp,consumer"), ("topic.metadata.refresh.interval.ms", "100"),
        ]
        stage.cluster.setError(topic: "in", .unknownTopic)
        let pump = try Pump(stage.settings, log: lines.log)
        try #require(lines.wait(for: "TOPICERR"))
        stage.cluster.setError(topic: "in", .none)
        try #require(lines.wait(for: "-> wait-assign-call"))
        stage.cluster.setError(topic: "in", .topicAuthorizationFailed)
        try #require(lines.wait(for: "TOPICERR", times: 2))
        pump.step(timeoutMs: 10_000)
        let codes = pump.events.compactMap { event in
            switch event {
            case .problem(let error), .blocked(let error): error.code
            default: nil as String?
            }
        }
        #expect(pump.events.contains(.assigned([0])))
        #expect(codes == ["UNKNOWN_TOPIC_OR_PART", "TOPIC_AUTHORIZATION_FAILED"])
        pump.close()
    }

    /// The brokers would take offsets of nobody, whoever has the partitions.
    @Test func whoIsInNoGroupHasNoMembership() throws {
        let stage = try Stage(partitions: 1)
        let source = try KafkaSource(stage.settings, log: .none)
        #expect(throws: ServiceError.self) { try source.membership() }
        source.close()
        let pump = try Pump(stage.settings)
        try #require(pump.until { !pump.assigned.isEmpty })
        #expect(throws: Never.self) { try pump.source.membership() }
        pump.close()
    }

    @Test func pauseDropsAndResumeFetchesAgain() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed(Stage.numbered(0..<50))
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 50 })
        pump.source.pause([0])
        try stage.feed(Stage.numbered(50..<60))
        for _ in 0..<20 { pump.step(timeoutMs: 20) }
        #expect(pump.count == 50)
        pump.source.resume([0])
        try #require(pump.until { pump.count >= 60 })
        #expect(pump.values() == (0..<60).map(String.init))
        pump.close()
    }

    @Test func seekReplaysFromTheOffset() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed(Stage.numbered(0..<30))
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 30 })
        pump.source.pause([0])
        try pump.source.seek(0, to: 10)
        pump.source.resume([0])
        try #require(pump.until { pump.count >= 50 })
        #expect(pump.values() == (Array(0..<30) + Array(10..<30)).map(String.init))
        pump.close()
    }

    @Test func seekOfAForeignPartitionThrows() throws {
        let stage = try Stage(partitions: 1)
        let pump = try Pump(stage.settings)
        #expect(throws: ServiceError.self) { try pump.source.seek(7, to: 1) }
        pump.close()
    }

    @Test(arguments: ["range", "cooperative-sticky"])
    func nextMemberContinuesAtTheStoredOffset(strategy: String) throws {
        var stage = try Stage(partitions: 1)
        stage.settings.consumer += [("partition.assignment.strategy", strategy)]
        try stage.feed(Stage.numbered(0..<20))
        let first = try Pump(stage.settings)
        try #require(first.until { first.count == 20 })
        first.source.storeOffset(0, next: 12)
        try first.source.commitStored(timeoutMs: 10_000)
        // Nothing new to commit is no error.
        try first.source.commitStored(timeoutMs: 10_000)
        first.source.storeOffset(0, next: 15)
        first.close()  // Commits what was stored since.
        let second = try Pump(stage.settings)
        try #require(second.until { second.count >= 5 })
        #expect(second.values() == (15..<20).map(String.init))
        second.close()
    }

    @Test func storingForAForeignPartitionIsCounted() throws {
        let stage = try Stage(partitions: 1)
        let pump = try Pump(stage.settings)
        pump.source.storeOffset(5, next: 1)
        #expect(pump.source.refusedStoreCount == 1)
        pump.close()
    }

    @Test func commitSaysWhatTheBrokerRefuses() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed(Stage.numbered(0..<2))
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 2 })
        pump.source.storeOffset(0, next: 1)
        stage.cluster.pushErrors(api: .offsetCommit, [.topicAuthorizationFailed])
        let error = #expect(throws: ServiceError.self) {
            try pump.source.commitStored(timeoutMs: 10_000)
        }
        #expect(error?.code == "TOPIC_AUTHORIZATION_FAILED")
        #expect(error?.isRetriable == false)
        pump.close()
    }

    @Test(arguments: ["range", "cooperative-sticky"])
    func partitionsMoveToASecondMember(strategy: String) throws {
        var stage = try Stage(partitions: 4)
        stage.settings.consumer += [("partition.assignment.strategy", strategy)]
        let first = try Pump(stage.settings)
        try #require(first.until { first.assigned.count == 4 })
        let second = try Pump(stage.settings)
        #expect(
            first.until {
                second.step()
                return first.assigned.count == 2 && second.assigned.count == 2
            })
        #expect(first.assigned.isDisjoint(with: second.assigned))
        let revoked = first.events.contains {
            if case .revoked(let partitions) = $0 { return !partitions.isEmpty }
            return false
        }
        #expect(revoked)
        for partition in Int32(0)..<4 {
            try stage.feed(Stage.numbered(0..<5, partition: partition))
        }
        #expect(
            first.until {
                second.step()
                return first.count == 10 && second.count == 10
            })
        second.close()
        try #require(first.until { first.assigned.count == 4 })
        first.close()
    }

    @Test func noRecordsBetweenRevokeAndItsAnswer() throws {
        var stage = try Stage(partitions: 2)
        stage.settings.consumer += [("partition.assignment.strategy", "range")]
        let first = try Pump(stage.settings)
        try #require(first.until { first.assigned.count == 2 })
        first.answers = false
        first.events = []
        let second = try Pump(stage.settings)
        #expect(
            first.until {
                second.step()
                return !first.events.isEmpty
            })
        guard case .revoked = first.events.first else {
            Issue.record("not revoked: \(first.events)")
            return
        }
        let before = first.count
        try stage.feed(Stage.numbered(0..<10))
        for _ in 0..<20 { first.step(timeoutMs: 20) }
        #expect(first.count == before)
        first.answers = true
        first.answer(first.events[0])
        #expect(
            first.until {
                second.step()
                return first.assigned.count == 1 && second.assigned.count == 1
            })
        second.close()
        first.close()
    }

    @Test func closeAnswersWhatTheWorkerDidNot() throws {
        let stage = try Stage(partitions: 1)
        let pump = try Pump(stage.settings)
        pump.answers = false
        try #require(pump.until { pump.events.contains(.assigned([0])) })
        pump.close()
    }

    @Test func lostPartitionsAreTold() throws {
        let stage = try Stage(partitions: 1)
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.assigned.count == 1 })
        stage.cluster.pushErrors(api: .heartbeat, [.unknownMember])
        try #require(pump.until { pump.events.contains(.lost([0])) })
        try #require(pump.until { pump.assigned.count == 1 })
        pump.close()
    }

    @Test func endsAreToldWhenAskedFor() throws {
        var stage = try Stage(partitions: 2)
        try stage.feed(Stage.numbered(0..<7, partition: 1))
        stage.settings.untilEnd = true
        let pump = try Pump(stage.settings)
        #expect(try pump.source.endOffsets(timeoutMs: 10_000) == [0: 0, 1: 7])
        #expect(
            pump.until {
                pump.events.contains(.reachedEnd(partition: 0, offset: 0))
                    && pump.events.contains(.reachedEnd(partition: 1, offset: 7))
            })
        #expect(pump.count == 7)
        pump.close()
    }

    @Test func wakeEndsAWaitingPoll() async throws {
        let stage = try Stage(partitions: 1)
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.assigned.count == 1 })
        let source = pump.source
        let start = ContinuousClock.now
        source.wake()
        pump.step(timeoutMs: 60_000)
        #expect(ContinuousClock.now - start < .seconds(30))
        pump.close()
    }

    @Test(.enabled(if: mockCanLackTopics, "the mock makes every topic it is asked for"))
    func missingTopicIsAClearProblem() throws {
        var stage = try Stage(partitions: 1)
        stage.settings.topic = "nowhere"
        let pump = try Pump(stage.settings)
        let isTold: (SourceEvent) -> Bool = {
            guard case .blocked(let error) = $0 else { return false }
            return error.message.contains("topic 'nowhere' does not exist")
        }
        try #require(pump.until { pump.events.contains(where: isTold) })
        #expect(throws: ServiceError.self) { try pump.source.endOffsets(timeoutMs: 5_000) }
        pump.close()
    }

    @Test func startErrorNamesTheWayOut() throws {
        var stage = try Stage(partitions: 1)
        stage.settings.start = .error
        let pump = try Pump(stage.settings)
        let isTold: (SourceEvent) -> Bool = {
            guard case .problem(let error) = $0 else { return false }
            return error.isFatal && error.message.contains("source.start is 'error'")
        }
        try #require(pump.until { pump.events.contains(where: isTold) })
        pump.close()
    }

    @Test func startsWithTheBrokerDownAndRecovers() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed(Stage.numbered(0..<3))
        try stage.cluster.setDown(broker: 1)
        let pump = try Pump(stage.settings)
        let isDown: (SourceEvent) -> Bool = {
            guard case .problem(let error) = $0 else { return false }
            return error.code == "_ALL_BROKERS_DOWN" && !error.isFatal && error.isRetriable
        }
        try #require(pump.until { pump.events.contains(where: isDown) })
        try stage.cluster.setUp(broker: 1)
        try #require(pump.until { pump.count == 3 })
        pump.close()
    }
}
