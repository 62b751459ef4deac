import MillraceCore
import MillraceTestKit
import MillraceWorker
import Testing

@Suite("Worker: rebalances")
struct GroupTests {
    @Test("a revoke drains, commits, then lets go; the other partition goes on")
    func revoke() throws {
        let rig = try Rig(partitions: 2)
        rig.sink.hold()
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<50)) }
        try rig.start()
        try rig.wait("all handed over") { rig.sink.pendingCount == 100 }
        rig.source.send(.revoked([0]))
        rig.sink.answer { $0.offset < 30 ? .acknowledge : .later }
        try rig.wait("some through") { rig.sink.offsets(0).count == 30 }
        #expect(!rig.source.calls.contains("unassign 0"))
        rig.sink.acknowledgeAll()
        try rig.wait("let go") { rig.source.calls.contains("unassign 0") }
        #expect(rig.source.calls.suffix(2) == ["commit", "unassign 0"])
        #expect(rig.source.partition(0).committed == 50)
        rig.source.append(1, numbers(50..<60))
        try rig.wait("partition 1 goes on") { rig.sink.values(1).count == 60 }
        rig.source.append(0, numbers(50..<60))
        rig.source.send(.assigned([0]))
        try rig.wait("partition 0 is ours again") { rig.sink.values(0).count == 60 }
        #expect(rig.stop() == .finished)
        #expect(rig.sink.values(0) == doubled(0..<60))
    }

    @Test("a revoke gives up a stuck sink after its budget; late answers store nothing")
    func revokeBudget() throws {
        let rig = try Rig {
            $0.revokeBudgetNs = 2_000_000_000
            $0.batch = BatchPolicy(maxRecords: 5, maxBytes: 1 << 20, maxWaitNs: 0)
        }
        rig.sink.hold()
        rig.source.append(0, numbers(0..<50))
        try rig.start()
        try rig.wait("all taken in") { rig.worker.counters.recordsIn == 50 }
        try rig.wait("some handed over") { rig.sink.pendingCount > 0 }
        rig.source.send(.revoked([0]))
        try rig.wait("let go") { rig.source.calls.contains("unassign 0") }
        #expect(rig.source.partition(0).committed == nil)
        #expect(rig.logs.has("did not finish in time"))
        rig.source.send(.assigned([0]))
        try rig.wait("read again") { rig.worker.counters.recordsIn == 100 }
        // The old answers first: they must not count for the new assignment.
        let answered = Counter()
        rig.sink.answer { _ in answered.next() < 5 ? .acknowledge : .later }
        try rig.wait("old answers") { rig.sink.topic.count == 5 }
        try rig.wait("they are taken") { rig.worker.counters.batches >= 1 }
        #expect(rig.source.partition(0).stored == nil)
        rig.sink.acknowledgeAll()
        try rig.wait("all through") { rig.source.partition(0).stored == 50 }
        #expect(rig.stop() == .finished)
        #expect(rig.worker.counters.recordsIn == 100)
    }

    @Test("a loss commits nothing and its results are discarded")
    func lost() throws {
        let rig = try Rig(partitions: 2)
        rig.model.gate.close()
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<50)) }
        try rig.start()
        try rig.wait("all read") { rig.worker.counters.recordsIn == 100 }
        rig.source.send(.lost([0]))
        try rig.wait("let go") { rig.source.calls.contains("unassign 0") }
        #expect(!rig.source.calls.contains("commit"))
        rig.model.gate.open()
        try rig.wait("partition 1 is through") { rig.source.partition(1).stored == 50 }
        #expect(rig.stop() == .finished)
        #expect(rig.sink.offsets(0).isEmpty)
        #expect(rig.source.partition(0).committed == nil)
        #expect(rig.worker.counters.discarded > 0 || rig.sink.offsets(1).count == 50)
    }

    @Test("a batch that is held ends with its partition; the others go on")
    func heldBatchIsRevoked() throws {
        let rig = try Rig(partitions: 2) { $0.revokeBudgetNs = 1_000_000_000 }
        rig.model.refuse(Set((0..<10).map(Double.init)))
        rig.source.append(0, numbers(0..<10))
        try rig.start()
        try rig.wait("held") { !rig.isReady() }
        rig.source.append(1, numbers(10..<30))
        rig.source.send(.revoked([0]))
        try rig.wait("partition 1 goes on") { rig.sink.values(1) == doubled(10..<30) }
        #expect(rig.sink.deadLetters == [])
        try rig.wait("ready") { rig.isReady() }
        #expect(rig.stop() == .finished)
        #expect(rig.source.partition(0).committed == nil)
    }

    @Test("brokers that do not answer what became of the topic: the group is answered all the same")
    func silentRecheck() throws {
        let (asked, gate) = (Counter(), Gate())
        let rig = try Rig(
            partitions: 2,
            verifyTopics: { () throws(ServiceError) in if asked.next() > 0 { gate.pass() } })
        rig.source.append(0, numbers(0..<10))
        try rig.start()
        try rig.waitForOutput(10)
        gate.close()
        rig.source.send(.blocked(failure("topic away").error))
        try rig.wait("asked again") { asked.value == 2 }
        #expect(!rig.isReady())
        rig.source.send(.revoked([0]))
        try rig.wait("let go") { rig.source.calls.contains("unassign 0") }
        gate.open()
        try rig.wait("ready") { rig.isReady() }
        #expect(rig.stop() == .finished)
    }

    @Test("a right that nobody tells of is there when something is read again")
    func untoldRight() throws {
        let asked = Counter()
        let rig = try Rig(
            { $0.tellsRights = { false } },
            verifyTopics: { () throws(ServiceError) in _ = asked.next() })
        try rig.start()
        try rig.wait("ready") { rig.isReady() }
        rig.source.send(
            .blocked(
                ServiceError(
                    code: "TOPIC_AUTHORIZATION_FAILED", message: "no right", isFatal: false,
                    isRetriable: true)))
        try rig.wait("asked again, twice") { asked.value >= 3 }
        #expect(!rig.isReady())
        rig.source.append(0, numbers(0..<10))
        try rig.wait("ready") { rig.isReady() }
        #expect(rig.stop() == .finished)
    }

    @Test("a loss while a revoke waits answers both")
    func lostDuringRevoke() throws {
        let rig = try Rig(partitions: 2)
        rig.sink.hold()
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<50)) }
        try rig.start()
        try rig.wait("all taken in") { rig.worker.counters.recordsIn == 100 }
        rig.source.send(.revoked([0]))
        rig.source.send(.lost([1]))
        try rig.wait("both let go") {
            rig.source.calls.contains("unassign 0") && rig.source.calls.contains("unassign 1")
        }
        #expect(!rig.source.calls.contains("commit"))
        rig.sink.acknowledgeAll()
        #expect(rig.stop() == .finished)
    }

    @Test("a partition that is being given back is not read again after a failure")
    func failureDuringRevoke() throws {
        let rig = try Rig(partitions: 2) {
            $0.batch = BatchPolicy(maxRecords: 5, maxBytes: 1 << 20, maxWaitNs: 0)
        }
        rig.sink.hold()
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<50)) }
        try rig.start()
        try rig.wait("all taken in") { rig.worker.counters.recordsIn == 100 }
        rig.source.send(.revoked([0, 1]))
        try rig.wait("the revoke is taken") { rig.source.waitingEvents == 0 }
        rig.source.append(0, numbers(50..<55))
        try rig.wait("the intake has looked") { rig.worker.counters.recordsIn >= 105 }
        // Partition 1 keeps the revoke waiting while 0 fails.
        rig.sink.answer {
            $0.partition == 1 ? .later : $0.offset < 20 ? .acknowledge : .fail(failure())
        }
        try rig.wait("failed") { rig.worker.counters.deliveryFailures > 0 }
        let handedOut = rig.source.handedOut
        #expect(!eventually(withinMs: 100) { rig.source.handedOut > handedOut })
        #expect(!rig.source.calls.contains { $0.hasPrefix("seek") })
        rig.sink.acknowledgeAll()
        try rig.wait("let go") { rig.source.calls.contains("unassign 0,1") }
        #expect((16...20).contains(rig.source.partition(0).committed ?? 0))
        #expect(rig.source.partition(1).committed == 50)
        #expect(rig.stop() == .finished)
    }
}
