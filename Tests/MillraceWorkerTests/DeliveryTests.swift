import MillraceCore
import MillraceTestKit
import MillraceWorker
import Synchronization
import Testing

@Suite("Worker: delivery failures")
struct DeliveryTests {
    private static func small(_ settings: inout WorkerSettings) {
        settings.batch = BatchPolicy(maxRecords: 8, maxBytes: 1 << 20, maxWaitNs: 0)
    }

    @Test("the output's problem is over when what failed has gone to another worker")
    func problemOfLostPartition() throws {
        let rig = try Rig(partitions: 2, Self.small)
        rig.sink.answer { $0.partition == 0 ? .fail(failure()) : .acknowledge }
        rig.source.append(0, numbers(0..<10))
        try rig.start()
        try rig.wait("not ready") { rig.worker.health.missing.contains("output: refused (TEST)") }
        // What goes well elsewhere does not end it.
        rig.source.append(1, numbers(0..<10))
        try rig.wait("the other goes on") { rig.source.partition(1).stored == 10 }
        #expect(!rig.isReady())
        rig.source.send(.lost([0]))
        try rig.wait("ready") { rig.isReady() }
        #expect(rig.stop() == .finished)
    }

    @Test("a delivery failure reads again from the first unfinished record, in order")
    func replay() throws {
        // The broker takes the records again from the seek on that follows the repair.
        let isRepaired = Box<Bool>()
        let isTaking = Box<Bool>()
        let rig = try Rig(
            partitions: 2, Self.small,
            onSeek: { if $0 == 0, isRepaired.value != nil { isTaking.set(true) } })
        rig.sink.answer { written in
            guard written.partition == 0, written.offset >= 21, isTaking.value == nil else {
                return .acknowledge
            }
            return .fail(failure())
        }
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<100)) }
        try rig.start()
        try rig.wait("failed and read again") {
            rig.source.calls.contains { $0.hasPrefix("seek 0") }
        }
        #expect((rig.source.partition(0).stored ?? 0) <= 21)
        try rig.wait("the other goes on") { rig.source.partition(1).stored == 100 }
        isRepaired.set(true)
        try rig.wait("all out") { rig.source.partition(0).stored == 100 }
        #expect(rig.stop() == .finished)
        #expect(firsts(rig.sink.values(0)) == doubled(0..<100))
        #expect(rig.sink.values(1) == doubled(0..<100))
        #expect(rig.worker.counters.rewinds > 0)
        #expect(rig.worker.counters.sinkRestarts == 0)
        #expect(rig.worker.counters.scored == 200)
    }

    @Test("a seek that fails is tried again")
    func seekFails() throws {
        let rig = try Rig(Self.small)
        let failed = Once()
        rig.sink.answer { $0.offset == 5 && failed.first() ? .fail(failure()) : .acknowledge }
        rig.source.failSeeks(2)
        rig.source.append(0, numbers(0..<20))
        try rig.start()
        try rig.wait("all out") { rig.source.partition(0).stored == 20 }
        #expect(rig.stop() == .finished)
        #expect(rig.source.calls.count { $0.hasPrefix("seek") } == 3)
    }

    @Test("a record that the broker refuses for its own fault is a dead letter at the replay")
    func recordsFault() throws {
        let rig = try Rig(Self.small)
        rig.sink.answer {
            $0.offset == 13 && $0.state == .scored
                ? .fail(failure("too large", isRecordsFault: true)) : .acknowledge
        }
        rig.source.append(0, numbers(0..<40))
        try rig.start()
        try rig.wait("all out") { rig.source.partition(0).stored == 40 }
        #expect(rig.stop() == .finished)
        #expect(rig.sink.deadLetters.map(\.offset) == [13])
        #expect(rig.sink.deadLetters.first?.reason?.kind == .rejected)
        #expect(Set(rig.sink.offsets(0)).count == 40)
    }

    @Test("a fatal error makes a new client; all unfinished records are read again")
    func fatal() throws {
        let rig = try Rig(partitions: 2, Self.small)
        let failed = Once()
        rig.sink.failRestarts(2)
        rig.sink.answer {
            $0.partition == 0 && $0.offset == 30 && failed.first()
                ? .fail(failure("fatal", isFatal: true)) : .acknowledge
        }
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<100)) }
        try rig.start()
        for partition in Int32(0)..<2 {
            try rig.wait("all out") { rig.source.partition(partition).stored == 100 }
        }
        #expect(rig.stop() == .finished)
        #expect(rig.sink.restarts == 1)
        #expect(rig.worker.counters.sinkRestarts == 1)
        for partition in Int32(0)..<2 {
            #expect(Set(rig.sink.offsets(partition)).count == 100)
        }
        #expect(rig.logs.has("output client made again"))
    }

    @Test("a write that fails as a whole makes a new client, nothing is lost")
    func writeFails() throws {
        let rig = try Rig(Self.small)
        let failed = Once()
        rig.sink.refuseWrites {
            $0.offset == 11 && failed.first() ? failure("no such topic").error : nil
        }
        rig.source.append(0, numbers(0..<40))
        try rig.start()
        try rig.wait("all out") { rig.source.partition(0).stored == 40 }
        #expect(rig.stop() == .finished)
        #expect(rig.sink.restarts == 1)
        #expect(Set(rig.sink.offsets(0)).count == 40)
    }

    @Test("pause at the bound while the sink is stuck, resume at half of it")
    func memoryBound() throws {
        let bound = unsafe 64 * RecordView.overheadBytes
        let rig = try Rig(partitions: 2) {
            Self.small(&$0)
            $0.boundBytes = bound
        }
        rig.sink.hold()
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<300)) }
        try rig.start()
        let watch = Box<Int>()
        try rig.wait("paused") {
            watch.set(max(watch.value ?? 0, rig.worker.snapshot.chargedBytes))
            return rig.worker.snapshot.isPaused
        }
        #expect(rig.source.calls.contains("pause 0,1"))
        let handedOut = rig.source.handedOut
        rig.source.append(0, ["1"])
        rig.sink.answer { $0.offset < 1 ? .acknowledge : .later }
        try rig.wait("a little is through") { rig.sink.topic.count == 2 }
        #expect(rig.worker.snapshot.isPaused)
        #expect(rig.source.handedOut == handedOut)
        rig.sink.acknowledgeAll()
        try rig.wait("all out") {
            watch.set(max(watch.value ?? 0, rig.worker.snapshot.chargedBytes))
            return rig.sink.topic.count == 601
        }
        #expect(rig.stop() == .finished)
        // A record is at most three digits of value and four bytes of key beside the fixed part.
        let recordBytes = unsafe RecordView.overheadBytes + 7
        #expect((watch.value ?? 0) <= bound + rig.source.largestPoll * recordBytes)
        #expect(rig.sink.values(0) == doubled(0..<300) + ["1=2"])
        #expect(rig.sink.values(1) == doubled(0..<300))
    }
}

/// True for the first caller only.
final class Once: Sendable {
    private let isDone = Atomic<Bool>(false)
    func first() -> Bool { !isDone.exchange(true, ordering: .relaxed) }
}

/// Each value where it comes first.
func firsts(_ values: [String?]) -> [String?] {
    var seen: Set<String?> = []
    return values.filter { seen.insert($0).inserted }
}
