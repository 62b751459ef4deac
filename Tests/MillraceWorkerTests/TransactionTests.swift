import MillraceCore
import MillraceTestKit
import MillraceWorker
import Testing

/// What the simulation, which has one thread, cannot show of transactions: that threads go on while
/// one of them waits for the client.
@Suite("Transactions on threads")
struct TransactionTests {
    private let policy = TransactionPolicy(
        intervalNs: 20_000_000, maxRecords: 1_000, maxBytes: 1 << 20,
        patienceNs: 90_000_000_000)

    @Test("the next transaction's records are scored while the last one commits")
    func scoredMeanwhile() throws {
        let rig = try Rig(transactions: policy)
        rig.sink.committing.close()
        rig.source.append(0, numbers(0..<50))
        try rig.start()
        try rig.wait("asked to commit") { rig.sink.commits == 1 }
        #expect(rig.sink.topic.count == 50)
        let calls = rig.model.calls.count
        rig.source.append(0, numbers(50..<60))
        try rig.wait("scored") { rig.model.calls.count > calls }
        #expect(rig.source.partition(0).committed == nil)
        #expect(rig.sink.topic.count == 50)
        rig.sink.committing.open()
        try rig.waitForOutput(60)
        #expect(rig.stop() == .finished)
        #expect(rig.source.partition(0).committed == 60)
        #expect(rig.sink.values(0) == doubled(0..<60))
    }

    @Test("a rewind before the first commit goes to what was read first, not to an older commit")
    func deletedRecords() throws {
        let rig = try Rig(transactions: policy)
        rig.source.setCommitted(0, 10)
        rig.source.appendEmptyOffsets(0, 100)
        rig.source.append(0, numbers(0..<50))
        let failures = Counter()
        rig.sink.answer { _ in failures.next() == 0 ? .fail(failure()) : .acknowledge }
        try rig.start()
        try rig.wait("read again") { rig.source.calls.contains { $0.hasPrefix("seek") } }
        #expect(rig.source.calls.filter { $0.hasPrefix("seek") } == ["seek 0 100"])
        try rig.wait("committed") { rig.source.partition(0).committed == 150 }
        #expect(rig.stop() == .finished)
    }

    @Test("a commit that never comes back: not ready, then the process has to end")
    func hangingCommit() throws {
        let rig = try Rig(transactions: policy)
        rig.sink.committing.close()
        rig.source.append(0, numbers(0..<50))
        try rig.start()
        try rig.wait("not ready") {
            rig.worker.health.missing.contains { $0.contains("no answer to a transaction") }
        }
        #expect(rig.end() == .deadlineExceeded)
        #expect(rig.logs.events.contains { $0.message.contains("the client hangs") })
        rig.sink.committing.open()
    }
}
