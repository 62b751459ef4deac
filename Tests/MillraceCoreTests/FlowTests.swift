import MillraceCore
import Testing

@Suite("Flow")
struct FlowTests {
    private static func makeFlow(maxRecords: Int = 4, bound: Int = 1 << 20) -> Flow {
        Flow(
            policy: BatchPolicy(maxRecords: maxRecords, maxBytes: 1 << 20, maxWaitNs: 0),
            boundBytes: bound)
    }

    static func record(
        _ partition: Int32, _ offset: Int64, epoch: UInt32, bytes: Int = 0
    ) -> RecordView {
        unsafe RecordView(
            value: nil, valueCount: bytes, key: nil, keyCount: 0, timestampMs: -1, offset: offset,
            partition: partition, epoch: epoch, handle: nil)
    }

    static func admit(
        _ flow: inout Flow, _ partition: Int32, _ offsets: Range<Int64>, epoch: UInt32
    ) {
        let records = unsafe ContiguousArray(
            offsets.map { unsafe record(partition, $0, epoch: epoch) })
        unsafe flow.admit(
            records, bytes: records.count * RecordView.overheadBytes, nowNs: 0)
    }

    static func take(_ flow: inout Flow, draining: Bool = false) -> (Batch?, Int) {
        var dropped = unsafe ContiguousArray<RecordView>()
        let take = unsafe flow.takeBatch(nowNs: 0, isDraining: draining, dropped: &dropped)
        if case .batch(let batch) = take { return unsafe (batch, dropped.count) }
        return unsafe (nil, dropped.count)
    }

    /// All that may be written now, written: what the sink was given, in order. Batches that are
    /// finished by it are recycled.
    static func write(_ flow: inout Flow) -> [Flow.Write] {
        guard flow.takeTurn() else { return [] }
        var writes: [Flow.Write] = []
        while true {
            switch flow.nextStep(nowNs: 0) {
            case .end: return writes
            case .release(let batch): release(&flow, batch)
            case .write(let write):
                writes.append(write)
                if let batch = flow.wrote(write, write.count) { release(&flow, batch) }
            }
        }
    }

    static func release(_ flow: inout Flow, _ batch: Batch) {
        if let finished = flow.released(batch) { flow.recycle(finished, tally: BatchTally()) }
    }

    /// The broker's answer for a write.
    static func answer(
        _ flow: inout Flow, _ write: Flow.Write, count: Int? = nil, record: Int = 0,
        failure: DeliveryFailure? = nil
    ) -> Flow.DeliveryEffect {
        let effect = flow.delivered(
            Delivery(
                slot: write.batch.slot, run: write.run, record: record,
                count: count ?? write.count, failure: failure), nowNs: 0)
        if let finished = effect.finished { flow.recycle(finished, tally: BatchTally()) }
        return effect
    }

    static func failure(recordsFault: Bool = false, fatal: Bool = false) -> DeliveryFailure {
        DeliveryFailure(
            error: ServiceError(code: "X", message: "no", isFatal: fatal, isRetriable: false),
            isRecordsFault: recordsFault)
    }

    /// Lets a batch through to the sink and answers for all of its records.
    private static func finish(_ flow: inout Flow, _ batch: Batch) -> [Ledger.Frontier] {
        flow.deposit(batch)
        return write(&flow).compactMap { answer(&flow, $0).frontier }
    }

    private func expectCount(_ flow: inout Flow, _ count: Int) throws {
        let batch = try required(Self.take(&flow).0)
        #expect(batch.count == count)
    }

    @Test("a free lane takes all that waits, up to the limit")
    func naturalBatching() throws {
        var flow = Self.makeFlow()
        let epoch = flow.open(0)
        Self.admit(&flow, 0, 0..<1, epoch: epoch)
        try expectCount(&flow, 1)
        Self.admit(&flow, 0, 1..<7, epoch: epoch)
        try expectCount(&flow, 4)
        try expectCount(&flow, 2)
        #expect(Self.take(&flow).0 == nil)
    }

    @Test("max_wait holds a batch back until it is full, old enough or draining")
    func maxWait() {
        var flow = Flow(
            policy: BatchPolicy(maxRecords: 4, maxBytes: 1 << 20, maxWaitNs: 1_000),
            boundBytes: 1 << 20)
        let epoch = flow.open(0)
        Self.admit(&flow, 0, 0..<3, epoch: epoch)
        var dropped = unsafe ContiguousArray<RecordView>()
        guard
            case .wait(untilNs: 1_000) = unsafe flow.takeBatch(
                nowNs: 10, isDraining: false, dropped: &dropped)
        else {
            Issue.record("cut too early")
            return
        }
        guard
            case .batch(let batch) = unsafe flow.takeBatch(
                nowNs: 1_000, isDraining: false, dropped: &dropped)
        else {
            Issue.record("not cut in time")
            return
        }
        #expect(batch.count == 3)
    }

    @Test("partitions share a batch, each with its own run, and move their own frontier")
    func runs() throws {
        var flow = Self.makeFlow(maxRecords: 16)
        let (a, b) = (flow.open(0), flow.open(1))
        for offset in Int64(0)..<4 {
            Self.admit(&flow, 0, offset..<(offset + 1), epoch: a)
            Self.admit(&flow, 1, (offset + 100)..<(offset + 101), epoch: b)
        }
        let batch = try required(Self.take(&flow).0)
        #expect(batch.runs.map(\.count) == [4, 4])
        #expect(
            Self.finish(&flow, batch).sorted { $0.partition < $1.partition } == [
                Ledger.Frontier(partition: 0, offset: 4),
                Ledger.Frontier(partition: 1, offset: 104),
            ])
        #expect(flow.isIdle)
        #expect(flow.chargedBytes == 0)
    }

    @Test("records of a revoked partition fall out of the line; their batches are drained")
    func revoke() throws {
        var flow = Self.makeFlow(maxRecords: 2)
        let epoch = flow.open(0)
        Self.admit(&flow, 0, 0..<4, epoch: epoch)
        let batch = try required(Self.take(&flow).0)
        flow.stopAdmitting([0])
        #expect(!flow.isDrained([0]))
        let (none, dropped) = Self.take(&flow)
        #expect(none == nil)
        #expect(dropped == 2)
        #expect(Self.finish(&flow, batch).map(\.offset) == [2])
        #expect(flow.isDrained([0]))
        flow.close([0], nowNs: 0)
        #expect(flow.chargedBytes == 0)
    }

    @Test("after a loss the batch's records are left out and nothing is stored")
    func lost() throws {
        var flow = Self.makeFlow()
        Self.admit(&flow, 0, 0..<3, epoch: flow.open(0))
        let batch = try required(Self.take(&flow).0)
        flow.close([0], nowNs: 0)
        flow.deposit(batch)
        #expect(Self.write(&flow).isEmpty)
        #expect(flow.isIdle)
    }

    @Test("one group of a partition is on its way; the next gathers until it is answered")
    func groups() throws {
        var flow = Self.makeFlow(maxRecords: 2)
        let (a, b) = (flow.open(0), flow.open(1))
        Self.admit(&flow, 0, 0..<6, epoch: a)
        Self.admit(&flow, 1, 0..<2, epoch: b)
        var batches: [Batch] = []
        while let batch = Self.take(&flow).0 { batches.append(batch) }
        #expect(batches.count == 4)
        flow.deposit(batches[0])
        let first = Self.write(&flow)
        #expect(first.map(\.batch.number) == [0])
        flow.deposit(batches[1])
        flow.deposit(batches[2])
        #expect(Self.write(&flow).isEmpty)
        flow.deposit(batches[3])
        let other = Self.write(&flow)
        #expect(other.map(\.batch.number) == [3])
        #expect(Self.answer(&flow, first[0]).frontier?.offset == 2)
        #expect(Self.write(&flow).map(\.batch.number) == [1, 2])
    }

    @Test("a group is no larger than one request")
    func groupSize() throws {
        var flow = Flow(
            policy: BatchPolicy(maxRecords: 1, maxBytes: 1 << 20, maxWaitNs: 0),
            boundBytes: 1 << 30)
        let epoch = flow.open(0)
        for offset in Int64(0)..<4 {
            let record = unsafe Self.record(0, offset, epoch: epoch, bytes: 400_000)
            unsafe flow.admit([record], bytes: record.chargedBytes, nowNs: 0)
        }
        while let batch = Self.take(&flow).0 { flow.deposit(batch) }
        let first = Self.write(&flow)
        #expect(first.map(\.batch.number) == [0, 1])
        _ = Self.answer(&flow, first[0])
        #expect(Self.write(&flow).isEmpty)
        _ = Self.answer(&flow, first[1])
        #expect(Self.write(&flow).map(\.batch.number) == [2, 3])
    }

    @Test("what does not fit into the sink's queue is written first when there is room")
    func sinkFull() throws {
        var flow = Self.makeFlow(maxRecords: 4)
        Self.admit(&flow, 0, 0..<4, epoch: flow.open(0))
        flow.deposit(try required(Self.take(&flow).0))
        #expect(flow.takeTurn() == true)
        guard case .write(let write) = flow.nextStep(nowNs: 0) else {
            Issue.record("nothing to write")
            return
        }
        let written = flow.wrote(write, 1)
        #expect(written == nil)
        guard case .end = flow.nextStep(nowNs: 0) else {
            Issue.record("wrote into a full sink")
            return
        }
        _ = Self.answer(&flow, write, count: 1)
        flow.retryWrites()
        let rest = Self.write(&flow)
        #expect(rest.map(\.first) == [1])
        #expect(rest.map(\.count) == [3])
        #expect(Self.answer(&flow, rest[0]).frontier?.offset == 4)
        #expect(flow.isIdle)
    }

    @Test("a delivery error rewinds its partition alone, after all answers are in")
    func deliveryError() throws {
        var flow = Self.makeFlow(maxRecords: 16)
        let (a, b) = (flow.open(0), flow.open(1))
        Self.admit(&flow, 0, 0..<3, epoch: a)
        Self.admit(&flow, 1, 0..<1, epoch: b)
        flow.deposit(try required(Self.take(&flow).0))
        let writes = Self.write(&flow)
        let zero = try required(writes.first { $0.run == 0 })
        let one = try required(writes.first { $0.run == 1 })
        let effect = Self.answer(&flow, zero, count: 1, record: 1, failure: Self.failure())
        #expect(effect.rewinding == 0)
        #expect(flow.takeRewindsToPause() == [0])
        #expect(flow.takeRewindsToPause() == [])
        let late: Int64 = 1_000_000_000
        #expect(flow.takeRewindsToSeek(nowNs: late).isEmpty)
        #expect(Self.answer(&flow, zero, count: 2).frontier == nil)
        #expect(flow.takeRewindsToSeek(nowNs: 0).isEmpty)  // the waiting time is not over
        let seek = try required(flow.takeRewindsToSeek(nowNs: late).first)
        #expect(seek.partition == 0)
        #expect(seek.offset == 0)
        #expect(Self.answer(&flow, one).frontier == Ledger.Frontier(partition: 1, offset: 1))
        Self.admit(&flow, 0, 0..<3, epoch: seek.epoch)
        #expect(Self.take(&flow).1 == 3)  // still closed
        flow.rewound(0, to: seek.offset, epoch: seek.epoch)
        Self.admit(&flow, 0, 0..<3, epoch: seek.epoch)
        let again = try required(Self.take(&flow).0)
        #expect(Self.finish(&flow, again).map(\.offset) == [3])
    }

    @Test("answers that are complete before the writer is done free the batch once only")
    func earlyAnswers() throws {
        var flow = Self.makeFlow()
        Self.admit(&flow, 0, 0..<3, epoch: flow.open(0))
        let batch = try required(Self.take(&flow).0)
        flow.deposit(batch)
        #expect(flow.takeTurn() == true)
        guard case .write(let write) = flow.nextStep(nowNs: 0) else {
            Issue.record("nothing to write")
            return
        }
        let effect = Self.answer(&flow, write)
        #expect(effect.frontier?.offset == 3)
        #expect(effect.finished == nil)
        let written = flow.wrote(write, 3)
        #expect(written === batch)
        let finished = flow.released(batch)
        #expect(finished === batch)
    }

    @Test("records of a refused group go out one by one; the one at fault is dead at its reading")
    func condemned() throws {
        var flow = Self.makeFlow()
        var epoch = flow.open(0)
        func replay() throws {
            _ = flow.takeRewindsToPause()
            let seek = try required(flow.takeRewindsToSeek(nowNs: 100_000_000_000).first)
            flow.rewound(0, to: seek.offset, epoch: seek.epoch)
            epoch = seek.epoch
            Self.admit(&flow, 0, seek.offset..<10, epoch: epoch)
            flow.deposit(try required(Self.take(&flow).0))
        }
        Self.admit(&flow, 0, 7..<10, epoch: epoch)
        flow.deposit(try required(Self.take(&flow).0))
        let group = Self.write(&flow)[0]
        for record in 0..<3 {
            _ = Self.answer(
                &flow, group, count: 1, record: record,
                failure: Self.failure(recordsFault: true))
        }
        try replay()
        let alone = Self.write(&flow)[0]
        #expect(alone.count == 1)
        #expect(Self.answer(&flow, alone).frontier == nil)  // the run counts as a whole
        let second = Self.write(&flow)[0]
        #expect(second.first == 1 && second.count == 1)
        _ = Self.answer(
            &flow, second, count: 1, record: 1, failure: Self.failure(recordsFault: true))
        #expect(Self.write(&flow).isEmpty)
        _ = flow.takeRewindsToPause()
        let seek = try required(flow.takeRewindsToSeek(nowNs: 100_000_000_000).first)
        #expect(seek.offset == 7)
        flow.rewound(0, to: seek.offset, epoch: seek.epoch)
        Self.admit(&flow, 0, 7..<10, epoch: seek.epoch)
        let again = try required(Self.take(&flow).0)
        let dead = again.errors.map(\.record)
        #expect(dead == [1])
        #expect(again.error(of: 1)?.kind == .rejected)
        // Once it is through, nothing is kept about it: the list would grow without bound.
        var frontiers = Self.finish(&flow, again).map(\.offset)
        for _ in 0..<2 {  // still one by one, up to the last record of the refused group
            frontiers += Self.write(&flow).compactMap { Self.answer(&flow, $0).frontier?.offset }
        }
        #expect(frontiers == [10])
        Self.admit(&flow, 0, 7..<9, epoch: seek.epoch)
        #expect(try required(Self.take(&flow).0).errors.isEmpty)
    }

    @Test("what waited behind a refused group and is thrown away does not end the care")
    func carefulBehindStaleRuns() throws {
        var flow = Self.makeFlow()
        let epoch = flow.open(0)
        Self.admit(&flow, 0, 0..<4, epoch: epoch)
        flow.deposit(try required(Self.take(&flow).0))
        let group = Self.write(&flow)[0]
        Self.admit(&flow, 0, 4..<8, epoch: epoch)
        flow.deposit(try required(Self.take(&flow).0))
        #expect(Self.write(&flow).isEmpty)
        for record in 0..<4 {
            _ = Self.answer(
                &flow, group, count: 1, record: record,
                failure: Self.failure(recordsFault: true))
        }
        #expect(Self.write(&flow).isEmpty)
        _ = flow.takeRewindsToPause()
        let seek = try required(flow.takeRewindsToSeek(nowNs: 100_000_000_000).first)
        flow.rewound(0, to: seek.offset, epoch: seek.epoch)
        Self.admit(&flow, 0, 0..<4, epoch: seek.epoch)
        flow.deposit(try required(Self.take(&flow).0))
        #expect(Self.write(&flow).map(\.count) == [1])
    }

    @Test("a dead letter that the broker refuses as well carries less and comes ever more rarely")
    func refusedDeadLetter() throws {
        var flow = Self.makeFlow(maxRecords: 1)
        var epoch = flow.open(0)
        // The first time it may have shared a request, the second time it is condemned; then its
        // dead letters are refused.
        let steps: [(waitMs: Int64, letterRefusals: Int?)] = [
            (100, nil), (100, nil), (200, 0), (400, 1), (800, 2),
        ]
        for (waitMs, letterRefusals) in steps {
            Self.admit(&flow, 0, 7..<8, epoch: epoch)
            let batch = try required(Self.take(&flow).0)
            #expect(batch.error(of: 0)?.letterRefusals == letterRefusals)
            flow.deposit(batch)
            let alone = try required(Self.write(&flow).first)
            _ = Self.answer(
                &flow, alone, count: 1, failure: Self.failure(recordsFault: true))
            #expect(flow.takeRewindsToPause() == [0])
            let early = flow.takeRewindsToSeek(nowNs: waitMs * 1_000_000 - 1)
            #expect(early.isEmpty)
            let seek = try required(flow.takeRewindsToSeek(nowNs: waitMs * 1_000_000).first)
            flow.rewound(0, to: seek.offset, epoch: seek.epoch)
            epoch = seek.epoch
        }
    }

    @Test("a partition that comes anew is not written one by one for an old refusal")
    func carefulEnds() throws {
        var flow = Self.makeFlow()
        Self.admit(&flow, 0, 1_000..<1_004, epoch: flow.open(0))
        flow.deposit(try required(Self.take(&flow).0))
        let group = try required(Self.write(&flow).first)
        for record in 0..<4 {
            _ = Self.answer(
                &flow, group, count: 1, record: record, failure: Self.failure(recordsFault: true))
        }
        flow.close([0], nowNs: 0)
        // The topic was made anew, say: offsets begin at 0 again.
        Self.admit(&flow, 0, 0..<4, epoch: flow.open(0))
        flow.deposit(try required(Self.take(&flow).0))
        #expect(Self.write(&flow).map(\.count) == [4])
    }

    @Test("a broken sink discards what is written until it is restarted, then all is read again")
    func brokenSink() throws {
        var flow = Self.makeFlow(maxRecords: 2)
        Self.admit(&flow, 0, 0..<4, epoch: flow.open(0))
        let first = try required(Self.take(&flow).0)
        let second = try required(Self.take(&flow).0)
        flow.deposit(first)
        #expect(flow.takeTurn() == true)
        guard case .write(let write) = flow.nextStep(nowNs: 0) else {
            Issue.record("nothing to write")
            return
        }
        flow.breakSink(nowNs: 0)
        let written = flow.wrote(write, 1)  // one of two was enqueued
        #expect(written == nil)
        guard case .end = flow.nextStep(nowNs: 0) else {
            Issue.record("wrote into a broken sink")
            return
        }
        #expect(!flow.canRestartSink)
        _ = Self.answer(
            &flow, write, count: 1, failure: Self.failure(fatal: true))
        flow.retryWrites()
        #expect(Self.write(&flow).isEmpty)
        #expect(flow.canRestartSink)
        flow.deposit(second)
        #expect(Self.write(&flow).isEmpty)
        #expect(flow.isIdle)
        _ = flow.takeRewindsToPause()
        #expect(flow.takeRewindsToSeek(nowNs: 1_000_000_000).isEmpty)
        flow.sinkRestarted(nowNs: 0)
        #expect(flow.takeRewindsToSeek(nowNs: 1_000_000_000).map(\.offset) == [0])
    }

    @Test("a broken sink is not restarted while somebody writes")
    func restartDuringWrite() throws {
        var flow = Self.makeFlow()
        Self.admit(&flow, 0, 0..<2, epoch: flow.open(0))
        flow.deposit(try required(Self.take(&flow).0))
        #expect(flow.takeTurn() == true)
        guard case .write(let write) = flow.nextStep(nowNs: 0) else {
            Issue.record("nothing to write")
            return
        }
        _ = Self.answer(&flow, write, failure: Self.failure(fatal: true))
        #expect(!flow.canRestartSink)
        #expect(!flow.canPurgeSink)  // what is written after a purge would be sent
        if let batch = flow.wrote(write, 2) { Self.release(&flow, batch) }
        guard case .end = flow.nextStep(nowNs: 0) else {
            Issue.record("wrote into a broken sink")
            return
        }
        #expect(flow.canPurgeSink)
        #expect(flow.canRestartSink)
    }

    @Test("records that were left out while the sink was broken keep the flow from being settled")
    func settled() throws {
        var flow = Self.makeFlow()
        Self.admit(&flow, 0, 0..<2, epoch: flow.open(0))
        let batch = try required(Self.take(&flow).0)
        Self.admit(&flow, 1, 0..<2, epoch: flow.open(1))
        let other = try required(Self.take(&flow).0)
        flow.deposit(batch)
        let write = Self.write(&flow)[0]
        flow.close([0], nowNs: 0)
        _ = Self.answer(&flow, write, failure: Self.failure(fatal: true))
        flow.deposit(other)
        #expect(Self.write(&flow).isEmpty)
        #expect(flow.isIdle)
        #expect(!flow.isRewinding)
        #expect(!flow.isSettled)
        flow.sinkRestarted(nowNs: 0)
        #expect(!flow.isSettled)
    }

    @Test("what lies behind an abandoned batch is left out too, what lies before it is not")
    func abandoned() throws {
        var flow = Self.makeFlow(maxRecords: 2)
        Self.admit(&flow, 0, 0..<6, epoch: flow.open(0))
        let before = try required(Self.take(&flow).0)
        let first = try required(Self.take(&flow).0)
        let second = try required(Self.take(&flow).0)
        first.isAbandoned = true
        flow.deposit(second)
        flow.deposit(first)
        flow.deposit(before)
        let writes = Self.write(&flow)
        #expect(writes.map(\.batch.number) == [0])
        #expect(Self.answer(&flow, writes[0]).frontier?.offset == 2)
        #expect(Self.write(&flow).isEmpty)
        #expect(flow.isIdle)
    }

    @Test("at the bound there is no room; paused partitions wait for half of it")
    func bound() throws {
        var flow = unsafe Self.makeFlow(maxRecords: 8, bound: 8 * RecordView.overheadBytes)
        let epoch = flow.open(0)
        Self.admit(&flow, 0, 0..<8, epoch: epoch)
        #expect(!flow.hasRoom)
        let batch = try required(Self.take(&flow).0)
        #expect(!flow.hasRoom)
        #expect(!flow.isHalfEmpty)
        _ = Self.finish(&flow, batch)
        #expect(flow.hasRoom)
        #expect(flow.isHalfEmpty)
    }

    @Test("free batches keep a part of the bound at most, and the last one its room")
    func freeBatches() throws {
        var flow = Self.makeFlow(maxRecords: 1, bound: 4 << 20)
        let epoch = flow.open(0)
        Self.admit(&flow, 0, 0..<20, epoch: epoch)
        var batches: [Batch] = []
        while let batch = Self.take(&flow).0 {
            batch.arena.reserve(300_000)
            flow.deposit(batch)
            batches.append(batch)
        }
        for write in Self.write(&flow) { _ = Self.answer(&flow, write) }
        #expect(flow.isIdle && batches.count == 20)
        let kept = batches.map(\.arena.capacity)
        #expect(kept.reduce(0, +) <= 2 << 20)
        #expect((kept.max() ?? 0) >= 300_000)
        Self.admit(&flow, 0, 20..<21, epoch: epoch)
        #expect(try required(Self.take(&flow).0).arena.capacity >= 300_000)
    }
}
