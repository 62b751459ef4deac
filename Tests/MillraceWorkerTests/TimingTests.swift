import MillraceCore
import MillraceTestKit
import MillraceWorker
import Testing

@Suite("Worker: what it measures of itself")
struct TimingTests {
    @Test("each record's wait and delivery are counted once, each step once a batch")
    func counts() throws {
        let rig = try Rig(partitions: 2) {
            $0.lanes = 2
            $0.batch = BatchPolicy(maxRecords: 16, maxBytes: 1 << 20, maxWaitNs: 0)
        }
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<100)) }
        try rig.start()
        try rig.waitForOutput(200)
        try rig.wait("all finished") { rig.worker.counters.finished == 200 }
        let snapshot = rig.worker.snapshot
        #expect(snapshot.timings.queueWait.count == 200)
        #expect(snapshot.timings.delivery.count == 200)
        let batches = snapshot.counters.batches
        #expect(snapshot.timings.decode.count == batches)
        #expect(snapshot.timings.inference.count == batches)
        #expect(snapshot.timings.append.count == batches)
        guard
            case .distribution(_, _, let count, let sum) = snapshot.timings.batchRecords
                .distribution
        else { return #expect(Bool(false)) }
        #expect(count == batches)
        #expect(sum == 200)
        #expect(snapshot.lanes == 2)
        #expect(snapshot.maxRecords == 16)
        #expect(snapshot.frontiers == [0: 100, 1: 100])
        #expect(rig.stop() == .finished)
    }

    @Test("a batch of tombstones is read and not scored; its bytes go out")
    func tombstones() throws {
        let rig = try Rig()
        try rig.start()
        rig.source.append(0, [nil])
        try rig.wait("all finished") { rig.worker.counters.finished == 1 }
        let snapshot = rig.worker.snapshot
        #expect(snapshot.timings.decode.count == 1)
        #expect(snapshot.timings.inference.count == 0)
        #expect(snapshot.timings.append.count == 0)
        #expect(snapshot.counters.passed == 1)
        #expect(snapshot.counters.outputBytes == 0)
        #expect(rig.stop() == .finished)
    }

    @Test("the wait in the line shows in the histogram")
    func waits() throws {
        let rig = try Rig { $0.batch = BatchPolicy(maxRecords: 4, maxBytes: 1 << 20, maxWaitNs: 0) }
        try rig.start()
        rig.model.gate.close()
        rig.source.append(0, ["1"])
        try rig.wait("the lane is busy") { rig.model.calls.count == 1 }
        rig.source.append(0, ["2"])
        try rig.wait("both read") { rig.worker.counters.recordsIn == 2 }
        try rig.wait("some time has passed") { usleepThenTrue() }
        rig.model.gate.open()
        try rig.wait("all finished") { rig.worker.counters.finished == 2 }
        let timings = rig.worker.snapshot.timings
        let longest = try #require(timings.queueWait.quantile(1))
        #expect(longest >= 10_000)
        #expect(try #require(timings.inference.quantile(1)) >= 10_000)
        #expect(rig.stop() == .finished)
    }
}

/// Ten milliseconds of real time; twenty times as many on the rig's clock.
private func usleepThenTrue() -> Bool {
    let end = ContinuousClock.now + .milliseconds(10)
    while ContinuousClock.now < end {}
    return true
}
