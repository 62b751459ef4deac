import MillraceCore
import MillraceTestKit
import MillraceWorker
import Synchronization
import Testing

@Suite("Worker: start, stop and end")
struct LifeTests {
    @Test("a stop drains what is open, commits, closes, in this order")
    func stop() throws {
        let rig = try Rig(partitions: 2) { $0.lanes = 2 }
        rig.sink.hold()
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<50)) }
        try rig.start()
        try rig.wait("all handed over") { rig.sink.pendingCount == 100 }
        rig.worker.requestStop()
        try rig.wait("stopping") { rig.source.calls.contains("pause 0,1") }
        #expect(rig.worker.health.missing.contains("stopping"))
        rig.sink.acknowledgeAll()
        #expect(rig.end() == .finished)
        #expect(rig.source.calls == ["start", "assign 0,1", "pause 0,1", "commit", "close"])
        for partition in Int32(0)..<2 {
            #expect(rig.source.partition(partition).committed == 50)
        }
        rig.worker.requestStop()  // wakes nobody any more
        rig.expectNoViolations()
    }

    @Test("a stop during a hold leaves the held records for the next start")
    func stopDuringHold() throws {
        let rig = try Rig {
            $0.batch = BatchPolicy(maxRecords: 10, maxBytes: 1 << 20, maxWaitNs: 0)
            $0.lanes = 2
        }
        rig.source.append(0, numbers(0..<30))
        try rig.start()
        try rig.wait("30 out") { rig.source.partition(0).stored == 30 }
        rig.model.refuseAll(true)
        rig.source.append(0, numbers(30..<60))
        try rig.wait("holding") {
            rig.worker.health.missing.contains { $0.hasPrefix("holding") }
        }
        #expect(rig.stop() == .finished)
        #expect(rig.source.partition(0).committed == 30)
        #expect(rig.sink.values(0) == doubled(0..<30))
    }

    @Test("a revoke that waits when the worker stops during a hold is answered with a commit")
    func revokeDuringHoldAndStop() throws {
        let rig = try Rig {
            $0.batch = BatchPolicy(maxRecords: 10, maxBytes: 1 << 20, maxWaitNs: 0)
        }
        rig.source.append(0, numbers(0..<10))
        try rig.start()
        try rig.wait("10 out") { rig.source.partition(0).stored == 10 }
        rig.model.refuseAll(true)
        rig.source.append(0, numbers(10..<20))
        try rig.wait("holding") {
            rig.worker.health.missing.contains { $0.hasPrefix("holding") }
        }
        rig.source.send(.revoked([0]))
        #expect(rig.stop() == .finished)
        #expect(rig.source.partition(0).committed == 10)
        #expect(rig.source.calls.contains("commit"))
    }

    @Test("an input that is blocked is said until records come again")
    func blocked() throws {
        let rig = try Rig()
        rig.source.append(0, numbers(0..<1))
        try rig.start()
        try rig.wait("ready") { rig.isReady() }
        try rig.wait("1 out") { rig.source.partition(0).stored == 1 }
        rig.source.send(.blocked(failure("no right to read").error))
        try rig.wait("not ready") {
            rig.worker.health.missing.contains { $0.hasPrefix("input: no right to read") }
        }
        rig.source.append(0, numbers(1..<2))
        try rig.wait("ready again") { rig.isReady() }
        #expect(rig.stop() == .finished)
    }

    @Test("an input that is blocked is looked at again, though no record comes")
    func blockedAndIdle() throws {
        let counter = Counter()
        let rig = try Rig(
            verifyTopics: { () throws(ServiceError) in
                if counter.next() == 1 { throw failure("still no right").error }
            })
        rig.source.append(0, numbers(0..<1))
        try rig.start()
        try rig.wait("1 out") { rig.source.partition(0).stored == 1 }
        rig.source.send(.blocked(failure("no right to read").error))
        try rig.wait("still not ready") {
            rig.worker.health.missing.contains { $0.hasPrefix("input: still no right") }
        }
        try rig.wait("ready again") { rig.isReady() }
        #expect(counter.value == 3)
        #expect(rig.stop() == .finished)
    }

    @Test("a drain past its budget says so")
    func deadline() throws {
        let rig = try Rig { $0.drainBudgetNs = 1_000_000_000 }
        rig.sink.hold()
        rig.source.append(0, numbers(0..<50))
        try rig.start()
        try rig.wait("all handed over") { rig.sink.pendingCount == 50 }
        #expect(rig.stop() == .deadlineExceeded)
        #expect(rig.source.partition(0).committed == nil)
    }

    @Test("a drain past its budget ends the wait also where the worker ended for another reason")
    func deadlineAfterFailure() throws {
        let rig = try Rig { $0.drainBudgetNs = 1_000_000_000 }
        rig.model.gate.close()
        rig.source.append(0, numbers(0..<50))
        try rig.start()
        try rig.wait("the engine hangs") { rig.model.calls.count == 1 }
        rig.source.send(.problem(failure("gone", isFatal: true).error))
        #expect(rig.end() == .deadlineExceeded)
        #expect(rig.logs.events.contains { $0.message.contains("gone") })
        rig.model.gate.open()
    }

    @Test("clients that never close do not keep the process")
    func hangingClose() throws {
        let rig = try Rig()
        rig.source.append(0, numbers(0..<10))
        try rig.start()
        try rig.waitForOutput(10)
        rig.source.closing.close()
        #expect(rig.stop() == .deadlineExceeded)
        #expect(rig.source.partition(0).committed == 10)
        #expect(rig.logs.events.contains { $0.message.contains("do not close") })
        rig.source.closing.open()
    }

    @Test("an output that never comes back does not keep the process")
    func hangingRestart() throws {
        let rig = try Rig()
        rig.sink.restarting.close()
        rig.source.append(0, numbers(0..<10))
        try rig.start()
        try rig.waitForOutput(10)
        rig.sink.breakFatally()
        rig.source.append(0, numbers(10..<20))
        try rig.wait("the output is broken") { !rig.isReady() }
        rig.source.send(.problem(failure("gone", isFatal: true).error))
        #expect(rig.end() == .deadlineExceeded)
        #expect(rig.logs.events.contains { $0.message.contains("gone") })
        rig.sink.restarting.open()
    }

    @Test("a fatal input error ends the worker in good order")
    func fatalInput() throws {
        let rig = try Rig()
        rig.source.append(0, numbers(0..<50))
        try rig.start()
        try rig.waitForOutput(50)
        rig.source.send(.problem(failure("gone", isFatal: true).error))
        guard case .unavailable(let reason) = rig.end() else {
            Issue.record("ended otherwise")
            return
        }
        #expect(reason.contains("gone"))
        #expect(rig.source.partition(0).committed == 50)
    }

    @Test("broker down at the start: not ready, then all is well")
    func brokerDownAtStart() throws {
        let counter = Counter()
        let rig = try Rig(
            verifyTopics: { () throws(ServiceError) in
                if counter.next() < 3 {
                    throw ServiceError(
                        code: "_TRANSPORT", message: "no broker", isFatal: false,
                        isRetriable: true)
                }
            })
        rig.source.append(0, numbers(0..<10))
        try rig.start()
        #expect(!rig.isReady())
        try rig.waitForOutput(10)
        try rig.wait("ready") { rig.isReady() }
        #expect(rig.stop() == .finished)
        #expect(counter.value == 4)
    }

    @Test("a refusal that waiting does not cure ends the worker")
    func refused() throws {
        let rig = try Rig(
            verifyTopics: { () throws(ServiceError) in
                throw ServiceError(
                    code: "X", message: "partition counts differ", isFatal: false,
                    isRetriable: false)
            })
        try rig.start()
        guard case .refused(let reason) = rig.end() else {
            Issue.record("ended otherwise")
            return
        }
        #expect(reason.contains("partition counts differ"))
        #expect(rig.source.calls == ["close"])
    }

    /// The stop comes after the intake has looked for it and before it sleeps. The clock is an hour
    /// ahead of the one that the monitor waits on: a lost wake-up sleeps that long.
    @Test("a stop that comes just before the intake sleeps wakes it all the same")
    func stopBeforeSleep() throws {
        let worker = Box<Worker>()
        let armed = Box<Bool>()
        let calls = Counter()
        let clock = WorkerClock(
            monotonicNs: {
                if armed.value != nil, calls.next() == 1, let worker = worker.value {
                    let isAsked = Box<Bool>()
                    _ = WorkerThread(name: "stopper") {
                        worker.requestStop()
                        isAsked.set(true)
                    }
                    _ = eventually(withinMs: 50) { isAsked.value != nil }
                }
                return WorkerClock.system.monotonicNs() + 3_600_000_000_000
            }, wallUs: WorkerClock.system.wallUs)
        let rig = try Rig(
            clock: clock,
            verifyTopics: { () throws(ServiceError) in
                armed.set(true)
                throw ServiceError(
                    code: "_TRANSPORT", message: "no broker", isFatal: false, isRetriable: true)
            })
        worker.set(rig.worker)
        try rig.start()
        #expect(rig.end() == .finished)
    }
}

/// Counts calls.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    /// The number of calls before this one.
    func next() -> Int { count.wrappingAdd(1, ordering: .relaxed).oldValue }
    var value: Int { count.load(ordering: .relaxed) }
}
