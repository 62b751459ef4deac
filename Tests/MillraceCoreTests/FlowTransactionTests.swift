import MillraceCore
import Testing

/// The flow with transactions: what is committed, when, and what is read again.
@Suite("Flow with transactions")
struct FlowTransactionTests {
    private static func makeFlow(maxRecords: Int = 4, interval: Int64 = 100) -> Flow {
        Flow(
            policy: BatchPolicy(maxRecords: maxRecords, maxBytes: 1 << 20, maxWaitNs: 0),
            boundBytes: 1 << 20,
            transactions: TransactionPolicy(
                intervalNs: interval, maxRecords: 1000, maxBytes: 1 << 20))
    }

    /// A batch of these records is cut, scored and handed to the sink.
    private static func write(
        _ flow: inout Flow, _ partition: Int32, _ offsets: Range<Int64>, epoch: UInt32
    ) throws -> [Flow.Write] {
        FlowTests.admit(&flow, partition, offsets, epoch: epoch)
        flow.deposit(try required(FlowTests.take(&flow).0))
        return FlowTests.write(&flow)
    }

    private static func offsets(_ commit: [Ledger.Uncommitted]?) -> [Int64]? {
        commit?.map(\.frontier.offset)
    }

    @Test("a transaction is committed when its time has come and all of it is acknowledged")
    func commit() throws {
        var flow = Self.makeFlow()
        let epoch = flow.open(0)
        #expect(flow.commitDueNs == nil)
        let writes = try Self.write(&flow, 0, 5..<8, epoch: epoch)
        #expect(flow.commitDueNs == 100)
        #expect(flow.canCommit(nowNs: 99) == false)
        #expect(flow.canCommit(nowNs: 100) == false)  // not acknowledged
        let effect = FlowTests.answer(&flow, writes[0])
        #expect(effect.frontier == nil)  // nothing to store: offsets go in the transaction
        #expect(flow.isSettled == false)
        #expect(flow.canCommit(nowNs: 100) == true)
        let commit = try required(flow.beginCommit())
        #expect(Self.offsets(commit) == [8])
        #expect(flow.canCommit(nowNs: 200) == false)
        flow.committed(commit)
        #expect(flow.isSettled)
        #expect(flow.commitDueNs == nil)
        #expect(flow.counters.transactions == 1)
    }

    @Test("a closing transaction begins no further run; the next one begins with it")
    func closing() throws {
        var flow = Self.makeFlow(maxRecords: 2)
        let (a, b) = (flow.open(0), flow.open(1))
        let first = try Self.write(&flow, 0, 0..<2, epoch: a)
        #expect(flow.canCommit(nowNs: 100) == false)
        let second = try Self.write(&flow, 1, 0..<2, epoch: b)
        #expect(second.isEmpty)
        _ = FlowTests.answer(&flow, first[0])
        let third = try Self.write(&flow, 0, 2..<4, epoch: a)
        #expect(third.isEmpty)
        #expect(flow.canCommit(nowNs: 100) == true)
        let commit = try required(flow.beginCommit())
        #expect(commit.map(\.frontier.partition) == [0])
        #expect(Self.offsets(commit) == [2])
        #expect(FlowTests.write(&flow).isEmpty)  // while it is committed too
        flow.committed(commit)
        let next = FlowTests.write(&flow)
        #expect(Set(next.map { $0.batch.runs[$0.run].ticket.partition }) == [0, 1])
    }

    @Test("a run that is written in part is written to its end before the commit")
    func begunRun() throws {
        var flow = Self.makeFlow()
        FlowTests.admit(&flow, 0, 0..<4, epoch: flow.open(0))
        flow.deposit(try required(FlowTests.take(&flow).0))
        #expect(flow.takeTurn() == true)
        guard case .write(let write) = flow.nextStep(nowNs: 0) else {
            Issue.record("nothing to write")
            return
        }
        _ = flow.wrote(write, 1)
        #expect(flow.canCommit(nowNs: 100) == false)  // the turn is still taken
        guard case .end = flow.nextStep(nowNs: 0) else {
            Issue.record("wrote into a full sink")
            return
        }
        _ = FlowTests.answer(&flow, write, count: 1)
        #expect(flow.canCommit(nowNs: 100) == false)
        flow.retryWrites()
        let rest = FlowTests.write(&flow)
        #expect(rest.map(\.count) == [3])
        #expect(flow.canCommit(nowNs: 100) == false)
        _ = FlowTests.answer(&flow, rest[0])
        #expect(flow.canCommit(nowNs: 100) == true)
        #expect(Self.offsets(flow.beginCommit()) == [4])
    }

    @Test("a refused record throws the whole transaction away, acknowledged records too")
    func abort() throws {
        var flow = Self.makeFlow()
        let (a, b) = (flow.open(0), flow.open(1))
        let good = try Self.write(&flow, 0, 0..<3, epoch: a)
        _ = FlowTests.answer(&flow, good[0])
        let bad = try Self.write(&flow, 1, 7..<8, epoch: b)
        let effect = FlowTests.answer(&flow, bad[0], failure: FlowTests.failure())
        #expect(effect.rewinding == 1)
        #expect(flow.isSinkBroken)
        #expect(flow.canRestartSink)
        #expect(flow.canCommit(nowNs: 1000) == false)
        #expect(flow.counters.abortedTransactions == 1)
        flow.sinkRestarted(nowNs: 0)
        #expect(flow.takeRewindsToPause().sorted() == [0, 1])
        let seeks = flow.takeRewindsToSeek(nowNs: 100_000_000_000)
        #expect(seeks.map(\.offset).sorted() == [0, 7])
        // The broker's committed offset counts, which may be another one.
        for seek in seeks {
            flow.rewound(seek.partition, to: seek.offset + 1, epoch: seek.epoch)
        }
        let epoch = try required(seeks.first { $0.partition == 0 }).epoch
        let again = try Self.write(&flow, 0, 1..<3, epoch: epoch)
        _ = FlowTests.answer(&flow, again[0])
        #expect(flow.canCommit(nowNs: 1000) == true)
        #expect(Self.offsets(flow.beginCommit()) == [3])
    }

    @Test("only what is committed is passed: a failed commit reads all of it again")
    func failedCommit() throws {
        var flow = Self.makeFlow()
        let epoch = flow.open(0)
        let first = try Self.write(&flow, 0, 0..<2, epoch: epoch)
        _ = FlowTests.answer(&flow, first[0])
        #expect(flow.canCommit(nowNs: 100) == true)
        flow.committed(try required(flow.beginCommit()))
        let second = try Self.write(&flow, 0, 2..<4, epoch: epoch)
        _ = FlowTests.answer(&flow, second[0])
        #expect(flow.canCommit(nowNs: 200) == true)
        _ = flow.beginCommit()
        flow.breakSink(nowNs: 0)
        flow.sinkRestarted(nowNs: 0)
        _ = flow.takeRewindsToPause()
        #expect(flow.takeRewindsToSeek(nowNs: 100_000_000_000).map(\.offset) == [2])
    }

    @Test("a commit without an answer that had come through leaves nothing to recover from")
    func answerless() throws {
        var flow = Self.makeFlow()
        let writes = try Self.write(&flow, 0, 0..<2, epoch: flow.open(0))
        _ = FlowTests.answer(&flow, writes[0])
        #expect(flow.canCommit(nowNs: 100) == true)
        _ = flow.beginCommit()
        flow.breakSink(nowNs: 0)
        flow.sinkRestarted(nowNs: 0)
        _ = flow.takeRewindsToPause()
        let rewind = try required(flow.takeRewindsToSeek(nowNs: 100_000_000_000).first)
        #expect(rewind.offset == 0)
        #expect(!flow.isRecovered)
        flow.rewound(0, to: 2, epoch: rewind.epoch)
        #expect(flow.isRecovered)
    }

    @Test("a partition that is given back is drained when its records are committed")
    func revoke() throws {
        var flow = Self.makeFlow()
        let epoch = flow.open(0)
        let writes = try Self.write(&flow, 0, 0..<2, epoch: epoch)
        flow.stopAdmitting([0])
        #expect(flow.canCommit(nowNs: 1) == false)
        _ = FlowTests.answer(&flow, writes[0])
        #expect(!flow.isDrained([0]))
        #expect(flow.canCommit(nowNs: 1) == true)  // at once, not after the interval
        flow.committed(try required(flow.beginCommit()))
        #expect(flow.isDrained([0]))
        flow.close([0], nowNs: 0)
        #expect(!flow.isSinkBroken)
    }

    @Test("a lost partition takes the transaction with it, unless that is being committed")
    func lost() throws {
        var flow = Self.makeFlow()
        let epoch = flow.open(0)
        _ = flow.open(1)
        let writes = try Self.write(&flow, 0, 0..<2, epoch: epoch)
        flow.close([1], nowNs: 0)
        #expect(!flow.isSinkBroken)
        _ = FlowTests.answer(&flow, writes[0])
        #expect(flow.canCommit(nowNs: 100) == true)
        flow.close([0], nowNs: 0)
        #expect(flow.isSinkBroken)
        #expect(flow.beginCommit() == nil)
        flow.sinkRestarted(nowNs: 0)
        #expect(!flow.isRewinding)

        let next = try Self.write(&flow, 0, 0..<2, epoch: flow.open(0))
        _ = FlowTests.answer(&flow, next[0])
        #expect(flow.canCommit(nowNs: 100) == true)
        let commit = try required(flow.beginCommit())
        flow.close([0], nowNs: 0)
        #expect(!flow.isSinkBroken)
        // Ours again before the broker has answered: its old offset says nothing about it.
        FlowTests.admit(&flow, 0, 7..<8, epoch: flow.open(0))
        let batch = try required(FlowTests.take(&flow).0)
        flow.committed(commit)
        flow.deposit(batch)
        let own = FlowTests.write(&flow)
        _ = FlowTests.answer(&flow, own[0])
        #expect(flow.canCommit(nowNs: 1000) == true)
        #expect(Self.offsets(flow.beginCommit()) == [8])
    }

    @Test("the end commits what is left at once")
    func stop() throws {
        var flow = Self.makeFlow()
        let writes = try Self.write(&flow, 0, 0..<2, epoch: flow.open(0))
        _ = unsafe flow.stop()
        #expect(flow.canCommit(nowNs: 0) == false)
        _ = FlowTests.answer(&flow, writes[0])
        #expect(flow.isIdle)
        #expect(!flow.isOver)
        #expect(flow.canCommit(nowNs: 0) == true)
        flow.committed(try required(flow.beginCommit()))
        #expect(flow.isOver)
    }

    @Test("many records or bytes are committed before the interval is over")
    func limits() throws {
        for (records, bytes, isDue) in [(3, 1 << 20, false), (2, 1 << 20, true), (3, 1024, true)] {
            var flow = Flow(
                policy: BatchPolicy(maxRecords: 4, maxBytes: 1 << 20, maxWaitNs: 0),
                boundBytes: 1 << 20,
                transactions: TransactionPolicy(
                    intervalNs: 100, maxRecords: records, maxBytes: bytes))
            let writes = try Self.write(&flow, 0, 0..<2, epoch: flow.open(0))
            _ = FlowTests.answer(&flow, writes[0])
            #expect(flow.canCommit(nowNs: 0) == isDue)
        }
    }
}
