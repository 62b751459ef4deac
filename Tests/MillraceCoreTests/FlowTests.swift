import MillraceCore
import Testing

@Suite("Flow")
struct FlowTests {
    private static func makeFlow(maxRecords: Int = 4, bound: Int = 1 << 20) -> Flow {
        Flow(
            policy: BatchPolicy(maxRecords: maxRecords, maxBytes: 1 << 20, maxWaitNs: 0),
            boundBytes: bound)
    }

    private static func record(
        _ partition: Int32, _ offset: Int64, epoch: UInt32, bytes: Int = 0
    ) -> RecordView {
        unsafe RecordView(
            value: nil, valueCount: bytes, key: nil, keyCount: 0, timestampMs: -1, offset: offset,
            partition: partition, epoch: epoch, handle: nil)
    }

    private static func admit(
        _ flow: inout Flow, _ partition: Int32, _ offsets: Range<Int64>, epoch: UInt32
    ) {
        let records = unsafe ContiguousArray(
            offsets.map { unsafe record(partition, $0, epoch: epoch) })
        unsafe flow.admit(
            records, bytes: records.count * RecordView.overheadBytes, nowNs: 0)
    }

    private static func take(_ flow: inout Flow, draining: Bool = false) -> (Batch?, Int) {
        var dropped = unsafe ContiguousArray<RecordView>()
        let take = unsafe flow.takeBatch(nowNs: 0, isDraining: draining, dropped: &dropped)
        if case .batch(let batch) = take { return unsafe (batch, dropped.count) }
        return unsafe (nil, dropped.count)
    }

    /// Lets a batch through to the sink and answers for all of its records.
    private static func finish(_ flow: inout Flow, _ batch: Batch) -> [Ledger.Frontier] {
        flow.deposit(batch)
        guard let turn = flow.takeTurn() else { return [] }
        if let done = flow.wrote(turn, upTo: turn.count) {
            flow.recycle(done, tally: BatchTally())
            return []
        }
        var frontiers: [Ledger.Frontier] = []
        for (index, run) in turn.runs.enumerated() where !run.isDiscarded {
            let effect = flow.delivered(
                Delivery(
                    slot: turn.slot, run: index, record: 0, count: run.count, failure: nil),
                nowNs: 0)
            if let frontier = effect.frontier { frontiers.append(frontier) }
            if let finished = effect.finished {
                flow.recycle(finished, tally: BatchTally())
            }
        }
        return frontiers
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
            Self.finish(&flow, batch) == [
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
        flow.close([0])
        #expect(flow.chargedBytes == 0)
    }

    @Test("after a loss the batch's records are left out and nothing is stored")
    func lost() throws {
        var flow = Self.makeFlow()
        Self.admit(&flow, 0, 0..<3, epoch: flow.open(0))
        let batch = try required(Self.take(&flow).0)
        flow.close([0])
        flow.deposit(batch)
        let turn = try required(flow.takeTurn())
        #expect(turn.runs.contains { !$0.isDiscarded } == false)
        #expect(flow.wrote(turn, upTo: turn.count) === batch)
    }

    @Test("a delivery error rewinds its partition alone, after all answers are in")
    func deliveryError() throws {
        var flow = Self.makeFlow(maxRecords: 16)
        let (a, b) = (flow.open(0), flow.open(1))
        Self.admit(&flow, 0, 0..<3, epoch: a)
        Self.admit(&flow, 1, 0..<1, epoch: b)
        let batch = try required(Self.take(&flow).0)
        flow.deposit(batch)
        let turn = try required(flow.takeTurn())
        #expect(flow.wrote(turn, upTo: turn.count) == nil)
        let failure = DeliveryFailure(
            error: ServiceError(code: "X", message: "no", isFatal: false, isRetriable: false),
            isRecordsFault: false)
        let effect = flow.delivered(
            Delivery(slot: turn.slot, run: 0, record: 1, count: 1, failure: failure), nowNs: 0)
        #expect(effect.rewinding == 0)
        #expect(flow.takeRewindsToPause() == [0])
        #expect(flow.takeRewindsToPause() == [])
        let late: Int64 = 1_000_000_000
        #expect(flow.takeRewindsToSeek(nowNs: late).isEmpty)
        let rest = flow.delivered(
            Delivery(slot: turn.slot, run: 0, record: 0, count: 2, failure: nil), nowNs: 0)
        #expect(rest.frontier == nil)
        #expect(flow.takeRewindsToSeek(nowNs: 0).isEmpty)  // the waiting time is not over
        let seek = try required(flow.takeRewindsToSeek(nowNs: late).first)
        #expect(seek.partition == 0)
        #expect(seek.offset == 0)
        let other = flow.delivered(
            Delivery(slot: turn.slot, run: 1, record: 3, count: 1, failure: nil), nowNs: 0)
        #expect(other.frontier == Ledger.Frontier(partition: 1, offset: 1))
        #expect(other.finished === batch)
        flow.recycle(batch, tally: BatchTally())
        Self.admit(&flow, 0, 0..<3, epoch: seek.epoch)
        #expect(Self.take(&flow).1 == 3)  // still closed
        flow.rewound(0, epoch: seek.epoch)
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
        let turn = try required(flow.takeTurn())
        let effect = flow.delivered(
            Delivery(slot: turn.slot, run: 0, record: 0, count: 3, failure: nil), nowNs: 0)
        #expect(effect.frontier?.offset == 3)
        #expect(effect.finished == nil)
        #expect(turn.count == 3)
        #expect(flow.wrote(turn, upTo: 3) === batch)
    }

    @Test("a record that the broker will never take is dead at its next reading")
    func condemned() throws {
        var flow = Self.makeFlow()
        Self.admit(&flow, 0, 7..<9, epoch: flow.open(0))
        let batch = try required(Self.take(&flow).0)
        flow.deposit(batch)
        let turn = try required(flow.takeTurn())
        _ = flow.wrote(turn, upTo: turn.count)
        let failure = DeliveryFailure(
            error: ServiceError(
                code: "MSG_SIZE_TOO_LARGE", message: "too large", isFatal: false,
                isRetriable: false),
            isRecordsFault: true)
        _ = flow.delivered(
            Delivery(slot: turn.slot, run: 0, record: 1, count: 1, failure: failure), nowNs: 0)
        let rest = flow.delivered(
            Delivery(slot: turn.slot, run: 0, record: 0, count: 1, failure: nil), nowNs: 0)
        flow.recycle(try required(rest.finished), tally: BatchTally())
        _ = flow.takeRewindsToPause()
        let seek = try required(flow.takeRewindsToSeek(nowNs: 1_000_000_000).first)
        #expect(seek.offset == 7)
        flow.rewound(0, epoch: seek.epoch)
        Self.admit(&flow, 0, 7..<9, epoch: seek.epoch)
        let again = try required(Self.take(&flow).0)
        let dead = again.errors.map(\.record)
        #expect(dead == [1])
        #expect(again.error(of: 1)?.kind == .rejected)
        // Once it is through, nothing is kept about it: the list would grow without bound.
        #expect(Self.finish(&flow, again).map(\.offset) == [9])
        Self.admit(&flow, 0, 7..<9, epoch: seek.epoch)
        #expect(try required(Self.take(&flow).0).errors.isEmpty)
    }

    @Test("a broken sink discards what is written until it is restarted, then all is read again")
    func brokenSink() throws {
        var flow = Self.makeFlow(maxRecords: 2)
        let epoch = flow.open(0)
        Self.admit(&flow, 0, 0..<4, epoch: epoch)
        let first = try required(Self.take(&flow).0)
        let second = try required(Self.take(&flow).0)
        flow.deposit(first)
        let turn = try required(flow.takeTurn())
        flow.breakSink(nowNs: 0)
        #expect(!flow.canRestartSink)
        #expect(flow.wrote(turn, upTo: 1) == nil)  // one of two was enqueued
        let failure = DeliveryFailure(
            error: ServiceError(code: "F", message: "fatal", isFatal: true, isRetriable: false),
            isRecordsFault: false)
        let effect = flow.delivered(
            Delivery(slot: first.slot, run: 0, record: 0, count: 1, failure: failure), nowNs: 0)
        flow.recycle(try required(effect.finished), tally: BatchTally())
        #expect(flow.canRestartSink)
        flow.deposit(second)
        let discarded = try required(flow.takeTurn())
        #expect(discarded.runs.contains { !$0.isDiscarded } == false)
        let finished = flow.wrote(discarded, upTo: discarded.count)
        flow.recycle(try required(finished), tally: BatchTally())
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
        let turn = try required(flow.takeTurn())
        let failure = DeliveryFailure(
            error: ServiceError(code: "F", message: "fatal", isFatal: true, isRetriable: false),
            isRecordsFault: false)
        _ = flow.delivered(
            Delivery(slot: turn.slot, run: 0, record: 0, count: 2, failure: failure), nowNs: 0)
        #expect(!flow.canRestartSink)
        _ = flow.wrote(turn, upTo: 2)
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
        let turn = try required(flow.takeTurn())
        flow.close([0])
        _ = flow.wrote(turn, upTo: turn.count)
        let failure = DeliveryFailure(
            error: ServiceError(code: "F", message: "fatal", isFatal: true, isRetriable: false),
            isRecordsFault: false)
        let effect = flow.delivered(
            Delivery(slot: turn.slot, run: 0, record: 0, count: 2, failure: failure), nowNs: 0)
        flow.recycle(try required(effect.finished), tally: BatchTally())
        flow.deposit(other)
        let discarded = try required(flow.takeTurn())
        flow.recycle(
            try required(flow.wrote(discarded, upTo: discarded.count)), tally: BatchTally())
        #expect(flow.isIdle)
        #expect(!flow.isRewinding)
        #expect(!flow.isSettled)
        flow.sinkRestarted(nowNs: 0)
        #expect(!flow.isSettled)
    }

    @Test("what lies behind an abandoned batch is left out too")
    func abandoned() throws {
        var flow = Self.makeFlow(maxRecords: 2)
        let epoch = flow.open(0)
        Self.admit(&flow, 0, 0..<4, epoch: epoch)
        let first = try required(Self.take(&flow).0)
        let second = try required(Self.take(&flow).0)
        first.isAbandoned = true
        flow.deposit(second)
        flow.deposit(first)
        for _ in 0..<2 {
            let turn = try required(flow.takeTurn())
            #expect(turn.runs.contains { !$0.isDiscarded } == false)
            flow.recycle(
                try required(flow.wrote(turn, upTo: turn.count)), tally: BatchTally())
        }
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
}
