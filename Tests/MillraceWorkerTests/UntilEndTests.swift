import MillraceCore
import MillraceTestKit
import MillraceWorker
import Testing

@Suite("Worker: until the end")
struct UntilEndTests {
    private static func makeRig(
        partitions: Int, assigns: [Int32]? = nil,
        _ change: (inout WorkerSettings) -> Void = { _ in }
    ) throws -> Rig {
        try Rig(partitions: partitions, assigns: assigns, tellsEnds: true) {
            $0.untilEnd = true
            $0.batch = BatchPolicy(maxRecords: 8, maxBytes: 1 << 20, maxWaitNs: 0)
            change(&$0)
        }
    }

    @Test("ends exactly: empty partitions, trailing offsets without records, committed ends")
    func exactly() throws {
        let rig = try Self.makeRig(partitions: 4)
        rig.source.append(0, numbers(0..<100))
        rig.source.append(1, numbers(0..<10))
        rig.source.appendEmptyOffsets(1, 3)
        rig.source.append(3, numbers(0..<5))
        rig.source.setCommitted(3, 5)
        try rig.start()
        #expect(rig.end() == .finished)
        #expect(rig.sink.values(0) == doubled(0..<100))
        #expect(rig.sink.values(1) == doubled(0..<10))
        #expect(rig.sink.values(3) == [])
        #expect(rig.source.partition(0).committed == 100)
    }

    @Test("records behind the end are not written")
    func behindTheEnd() throws {
        let rig = try Self.makeRig(partitions: 1)
        rig.model.gate.close()
        rig.source.append(0, numbers(0..<5))
        try rig.start()
        try rig.wait("started") { rig.model.calls.count == 1 }
        rig.source.append(0, numbers(5..<50))
        try rig.wait("read") { rig.source.partition(0).position == 50 }
        rig.model.gate.open()
        #expect(rig.end() == .finished)
        #expect(rig.sink.values(0) == doubled(0..<5))
        #expect(rig.source.partition(0).committed == 5)
    }

    @Test("a failure near the end is read again before the end")
    func failureNearTheEnd() throws {
        let rig = try Self.makeRig(partitions: 1)
        let failed = Once()
        rig.source.append(0, numbers(0..<50))
        rig.sink.answer { $0.offset == 49 && failed.first() ? .fail(failure()) : .acknowledge }
        try rig.start()
        #expect(rig.end() == .finished)
        #expect(Set(rig.sink.offsets(0)).count == 50)
        #expect(rig.source.partition(0).committed == 50)
    }

    @Test("an eager rebalance, without partitions in between, is not the end")
    func eagerRebalance() throws {
        let rig = try Self.makeRig(partitions: 2)
        rig.model.gate.close()
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<50)) }
        try rig.start()
        try rig.wait("started") { rig.model.calls.count == 1 }
        rig.source.send(.revoked([0, 1]))
        rig.model.gate.open()
        try rig.wait("let go") { rig.source.calls.contains("unassign 0,1") }
        #expect(!eventually(withinMs: 100) { rig.source.calls.contains("close") })
        rig.source.send(.assigned([0, 1]))
        #expect(rig.end() == .finished)
        for partition in Int32(0)..<2 {
            #expect(Set(rig.sink.offsets(partition)).count == 50)
            #expect(rig.source.partition(partition).committed == 50)
        }
    }

    @Test("a partition that comes back is read from its committed offset to its end")
    func reassigned() throws {
        let rig = try Self.makeRig(partitions: 1) { $0.revokeBudgetNs = 1_000_000_000 }
        rig.sink.hold()
        rig.source.append(0, numbers(0..<20))
        try rig.start()
        try rig.wait("all taken in") { rig.worker.counters.recordsIn == 20 }
        rig.source.send(.revoked([0]))
        try rig.wait("let go") { rig.source.calls.contains("unassign 0") }
        rig.sink.acknowledgeAll()
        try rig.wait("late answers") { rig.sink.pendingCount == 0 }
        rig.source.send(.assigned([0]))
        #expect(rig.end() == .finished)
        #expect(rig.source.partition(0).committed == 20)
    }

    @Test("a broken engine is given up after a few tries")
    func brokenEngine() throws {
        let rig = try Self.makeRig(partitions: 1)
        rig.model.refuseAll(true)
        rig.source.append(0, numbers(0..<20))
        try rig.start()
        guard case .unavailable(let reason) = rig.end() else {
            Issue.record("ended otherwise")
            return
        }
        #expect(reason.contains("the engine refuses every record"))
        #expect(rig.sink.topic.isEmpty)
        #expect(rig.source.partition(0).committed == nil)
    }

    @Test("a broker that stays away is given up after a minute")
    func noBroker() throws {
        let rig = try Rig(
            clock: FastClock.make(speed: 500), { $0.untilEnd = true },
            verifyTopics: { () throws(ServiceError) in
                throw ServiceError(
                    code: "_TRANSPORT", message: "no broker", isFatal: false, isRetriable: true)
            })
        try rig.start()
        #expect(rig.end() == .unavailable("no broker (_TRANSPORT)"))
    }

    @Test("a member without partitions ends")
    func nothingAssigned() throws {
        let rig = try Self.makeRig(partitions: 1, assigns: [])
        rig.source.append(0, numbers(0..<5))
        try rig.start()
        #expect(rig.end() == .finished)
        #expect(rig.sink.topic.isEmpty)
    }
}
