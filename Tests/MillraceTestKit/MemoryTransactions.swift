package import MillraceCore

/// Stands for the source that the offsets of a commit are of.
private final class MemoryMembership: Membership {
    let source: MemorySource

    init(_ source: MemorySource) { self.source = source }
}

extension MemorySource: TransactionalSource {
    package func membership() throws(ServiceError) -> any Membership { MemoryMembership(self) }

    package func committedOffsets(
        of partitions: [Int32], timeoutMs: Int32
    ) throws(ServiceError) -> [Int32: Int64] {
        var offsets: [Int32: Int64] = [:]
        for partition in partitions { offsets[partition] = self.partition(partition).committed }
        return offsets
    }
}

/// Nothing is taken back from its topic: for tests of commits that succeed or hang. Aborts are the
/// simulation's.
extension MemorySink: TransactionalSink {
    package func begin(timeoutMs: Int32) throws(ServiceError) {}

    package func commit(
        _ offsets: [Ledger.Frontier], as member: any Membership
    ) throws(ServiceError) {
        noteCommit()
        committing.pass()
        guard let member = member as? MemoryMembership else { return }
        for next in offsets { member.source.setCommitted(next.partition, next.offset) }
    }
}
