import MillraceCore
import MillraceTestKit
import MillraceWorker
import Testing

@Suite("Worker: scoring and batches")
struct ScoringTests {
    @Test(
        "all records come out scored, in order; offsets follow the acknowledgements",
        arguments: [1, 3])
    func ordered(lanes: Int) throws {
        let rig = try Rig(partitions: 3) {
            $0.lanes = lanes
            $0.batch = BatchPolicy(maxRecords: 16, maxBytes: 1 << 20, maxWaitNs: 0)
        }
        for partition in Int32(0)..<3 { rig.source.append(partition, numbers(0..<500), gap: 1) }
        try rig.start()
        try rig.waitForOutput(1_500)
        #expect(rig.stop() == .finished)
        for partition in Int32(0)..<3 {
            #expect(rig.sink.values(partition) == doubled(0..<500))
            #expect(rig.source.partition(partition).committed == 1_000)
        }
        #expect(rig.worker.counters.scored == 1_500)
        #expect(rig.worker.counters.recordsIn == 1_500)
        #expect(rig.worker.snapshot.chargedBytes == 0)
        #expect(rig.sink.topic.allSatisfy { $0.key == "k\($0.offset)" })
        #expect(rig.source.calls.suffix(2) == ["commit", "close"])
    }

    @Test("a batch is one record when idle and grows under load")
    func batchSizes() throws {
        let rig = try Rig()
        try rig.start()
        rig.source.append(0, ["1"])
        try rig.waitForOutput(1)
        rig.source.append(0, ["2"])
        try rig.waitForOutput(2)
        #expect(rig.model.calls == [1, 1])
        rig.model.gate.close()
        rig.source.append(0, ["3"])
        try rig.wait("the lane is busy") { rig.model.calls.count == 3 }
        rig.source.append(0, numbers(0..<100))
        try rig.wait("all read") { rig.worker.counters.recordsIn == 103 }
        rig.model.gate.open()
        try rig.waitForOutput(103)
        #expect(rig.model.calls == [1, 1, 1, 100])
        #expect(rig.stop() == .finished)
    }

    @Test("a full queue is waited out")
    func queueFull() throws {
        let rig = try Rig(partitions: 2) { $0.lanes = 2 }
        rig.sink.setCapacity(7)
        rig.sink.hold()
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<200)) }
        try rig.start()
        try rig.wait("full") { rig.sink.fullCount > 3 }
        #expect(rig.sink.topic.isEmpty)
        rig.sink.acknowledgeAll()
        try rig.waitForOutput(400)
        #expect(rig.stop() == .finished)
        for partition in Int32(0)..<2 { #expect(rig.sink.values(partition) == doubled(0..<200)) }
        #expect(rig.worker.counters.sinkRestarts == 0)
    }

    @Test("answers out of order between partitions; each moves its own offset")
    func independentPartitions() throws {
        let rig = try Rig(partitions: 2)
        rig.sink.answer { $0.partition == 0 ? .later : .acknowledge }
        for partition in Int32(0)..<2 { rig.source.append(partition, numbers(0..<50)) }
        try rig.start()
        try rig.wait("partition 1 is through") { rig.source.partition(1).stored == 50 }
        #expect(rig.source.partition(0).stored == nil)
        rig.sink.answer { $0.offset < 20 || $0.partition == 1 ? .acknowledge : .later }
        try rig.wait("20 acknowledged") { rig.sink.offsets(0).count == 20 }
        rig.sink.acknowledgeAll()
        try rig.wait("partition 0 is through") { rig.source.partition(0).stored == 50 }
        #expect(rig.stop() == .finished)
    }

    @Test("bad records become dead letters, tombstones pass, neighbours are scored")
    func badRecords() throws {
        let rig = try Rig()
        rig.source.append(0, ["1", "x", nil, "2", ""])
        try rig.start()
        try rig.waitForOutput(5)
        #expect(rig.stop() == .finished)
        #expect(rig.sink.values(0) == ["1=2", nil, "2=4"])
        #expect(rig.sink.deadLetters.map(\.value) == ["x", ""])
        #expect(rig.sink.deadLetters.map(\.reason?.kind) == [.malformed, .malformed])
        #expect(rig.source.partition(0).committed == 5)
        let counters = rig.worker.counters
        #expect((counters.scored, counters.passed, counters.deadTotal) == (2, 1, 2))
    }

    @Test("the engine refuses one record of a batch: only that one is dead")
    func oneRefused() throws {
        let rig = try Rig()
        rig.model.refuse([77])
        rig.source.append(0, numbers(0..<200))
        try rig.start()
        try rig.waitForOutput(200)
        #expect(rig.stop() == .finished)
        #expect(rig.sink.deadLetters.map(\.offset) == [77])
        #expect(rig.sink.deadLetters.first?.reason?.kind == .inference)
        #expect(rig.sink.values(0) == doubled(0..<77) + doubled(78..<200))
        #expect(rig.source.partition(0).committed == 200)
    }

    @Test("the engine refuses everything: hold, nothing dead, no offset moves, recovery")
    func allRefused() throws {
        let rig = try Rig { $0.lanes = 2 }
        rig.model.refuseAll(true)
        rig.source.append(0, numbers(0..<200))
        try rig.start()
        try rig.wait("holding") {
            rig.worker.health.missing.contains { $0.hasPrefix("holding") }
        }
        // The engine may quote a value: its words are for the log.
        #expect(rig.worker.health.missing == ["holding: the engine refuses every record"])
        try rig.wait("the log") { rig.logs.has("holding: the engine refuses every record: ") }
        #expect(rig.sink.topic.isEmpty)
        #expect(rig.source.partition(0).storedHistory.isEmpty)
        #expect(!rig.isReady())
        rig.model.refuseAll(false)
        try rig.waitForOutput(200)
        try rig.wait("ready") { rig.isReady() }
        #expect(rig.stop() == .finished)
        #expect(rig.sink.deadLetters.isEmpty)
        #expect(rig.sink.values(0) == doubled(0..<200))
        #expect(rig.logs.has("holding ended"))
    }

    @Test("a batch of bad records alone is held once, then the engine is tried with a good row")
    func allBad() throws {
        let rig = try Rig { $0.maxDeadRatio = 1 }
        rig.model.refuse([2, 3])
        rig.source.append(0, numbers(1..<2))
        try rig.start()
        try rig.waitForOutput(1)
        rig.source.append(0, numbers(2..<4))
        try rig.waitForOutput(3)
        #expect(rig.stop() == .finished)
        #expect(rig.sink.deadLetters.map(\.offset) == [1, 2])
        #expect(rig.source.partition(0).committed == 3)
    }

    @Test("an engine that was broken from the start does not hold a bad record for ever")
    func brokenFromTheStart() throws {
        let rig = try Rig {
            $0.batch = BatchPolicy(maxRecords: 1, maxBytes: 1 << 20, maxWaitNs: 0)
            $0.maxDeadRatio = 1
        }
        rig.model.refuseAll(true)
        rig.source.append(0, numbers(1..<21))
        try rig.start()
        try rig.wait("holding") {
            rig.worker.health.missing.contains { $0.hasPrefix("holding") }
        }
        try rig.wait("all answered") { rig.sink.pendingCount == 0 }
        let dead = rig.sink.deadLetters.count
        rig.model.refuse([Double(dead + 1)])
        rig.model.refuseAll(false)
        try rig.waitForOutput(20)
        #expect(rig.stop() == .finished)
        #expect(rig.sink.deadLetters.map(\.offset) == (0...dead).map(Int64.init))
    }

    @Test("an engine that breaks refuses its good row too: not even a single record is dead")
    func breaksLater() throws {
        let rig = try Rig()
        rig.source.append(0, numbers(0..<1))
        try rig.start()
        try rig.waitForOutput(1)
        rig.model.refuseAll(true)
        rig.source.append(0, numbers(1..<2))
        try rig.wait("holding") {
            rig.worker.health.missing.contains { $0.hasPrefix("holding") }
        }
        rig.model.refuseAll(false)
        try rig.waitForOutput(2)
        #expect(rig.stop() == .finished)
        #expect(rig.sink.deadLetters.isEmpty)
    }

    @Test("too many dead letters: hold")
    func deadRatio() throws {
        let rig = try Rig { $0.maxDeadRatio = 0.5 }
        rig.source.append(0, (0..<200).map { $0 % 4 == 0 ? "1" : "x" })
        try rig.start()
        try rig.wait("holding") {
            rig.worker.health.missing.contains { $0.contains("dead_letter.max_ratio") }
        }
        #expect(rig.sink.topic.isEmpty)
        #expect(rig.stop() == .finished)
        #expect(rig.source.partition(0).committed == nil)
    }

    @Test("on_error stop: what is before the record goes out, nothing from it on")
    func onErrorStop() throws {
        let rig = try Rig {
            $0.onError = .stop
            $0.batch = BatchPolicy(maxRecords: 10, maxBytes: 1 << 20, maxWaitNs: 0)
        }
        rig.source.append(0, numbers(0..<35) + ["x"] + numbers(36..<60))
        try rig.start()
        let outcome = rig.end()
        guard case .recordRefused(let reason) = outcome else {
            Issue.record("ended otherwise: \(String(describing: outcome))")
            return
        }
        #expect(reason.contains("partition 0 offset 35"))
        #expect(rig.sink.deadLetters.isEmpty)
        let count = rig.source.partition(0).committed ?? 0
        #expect(count <= 35)
        #expect(rig.sink.values(0) == doubled(0..<Int(count)))
    }

    @Test("on_error stop: a record that is too large for the output stops the worker as well")
    func onErrorStopTooLarge() throws {
        let rig = try Rig { $0.onError = .stop }
        rig.sink.takeDeadLettersAway()
        rig.sink.findTooLarge { $0.offset == 5 }
        rig.source.append(0, numbers(0..<20))
        try rig.start()
        guard case .recordRefused(let reason) = rig.end() else {
            Issue.record("ended otherwise")
            return
        }
        #expect(reason.contains("partition 0 offset 5: too large"))
        #expect((rig.source.partition(0).committed ?? 0) <= 5)
    }

    @Test("a record that is too large for the output is a dead letter")
    func tooLarge() throws {
        let rig = try Rig()
        rig.sink.findTooLarge { $0.offset == 5 }
        rig.source.append(0, numbers(0..<20))
        try rig.start()
        try rig.waitForOutput(20)
        #expect(rig.stop() == .finished)
        #expect(rig.sink.deadLetters.map(\.reason?.kind) == [.tooLarge])
        #expect(rig.worker.counters.deadTotal == 1)
    }

    @Test("on_error pass: a record that only the predictions make too large goes out as it came")
    func onErrorPassTooLarge() throws {
        let rig = try Rig { $0.onError = .pass }
        rig.sink.takeDeadLettersAway()
        rig.sink.findTooLarge { $0.offset == 1 || $0.offset == 2 }
        rig.source.append(0, numbers(0..<4))
        try rig.start()
        try rig.waitForOutput(4)
        #expect(rig.stop() == .finished)
        #expect(rig.sink.values(0) == ["0=0", "1", "2", "3=6"])
        #expect(rig.sink.restarts == 0)
        #expect(rig.worker.counters.passed == 2)
    }

    @Test("on_error pass: the record goes out as it came")
    func onErrorPass() throws {
        let rig = try Rig { $0.onError = .pass }
        rig.source.append(0, ["1", "x", "3"])
        try rig.start()
        try rig.waitForOutput(3)
        #expect(rig.stop() == .finished)
        #expect(rig.sink.values(0) == ["1=2", "x", "3=6"])
        #expect(rig.worker.counters.passed == 1)
    }

    @Test("the ratio of dead letters says nothing where no dead letters are written")
    func ratioWithoutDeadLetters() throws {
        let passing = try Rig { $0.onError = .pass }
        passing.source.append(0, (0..<200).map { _ in "x" })
        try passing.start()
        try passing.waitForOutput(200)
        #expect(passing.stop() == .finished)
        let stopping = try Rig { $0.onError = .stop }
        stopping.source.append(0, (0..<200).map { _ in "x" })
        try stopping.start()
        guard case .recordRefused = stopping.end() else {
            Issue.record("did not stop at the first bad record")
            return
        }
    }
}
