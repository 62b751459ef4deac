/// `delivery: exactly_once`: a source and a sink whose offsets and outputs are committed together
/// (Kafka's KIP-447), and how they are cut.
package struct Transactions: Sendable {
    package let source: any TransactionalSource
    package let sink: any TransactionalSink
    package let policy: TransactionPolicy

    package init(
        source: any TransactionalSource, sink: any TransactionalSink, policy: TransactionPolicy
    ) {
        self.source = source
        self.sink = sink
        self.policy = policy
    }
}

/// A member of a group at one moment; what only the source and the sink of one service understand.
package protocol Membership: AnyObject, Sendable {}

/// A source whose offsets a sink's transaction commits. It commits none by itself.
package protocol TransactionalSource: Source {
    /// The membership as it is now: offsets that come with it are refused once the group has gone
    /// on without us. Any thread.
    func membership() throws(ServiceError) -> any Membership

    /// The group's committed offsets, of those partitions that have one. Waits until none of them
    /// is in an open transaction. Intake thread.
    func committedOffsets(
        of partitions: [Int32], timeoutMs: Int32
    ) throws(ServiceError) -> [Int32: Int64]
}

/// A sink whose writes are seen by readers of committed records only when they are committed. One
/// transaction is open at a time, from `begin`, `restart` or the last commit on.
///
/// A failed write or commit breaks the transaction: `restart` throws it away and opens the next
/// one, with a new client where the old one is of no more use.
package protocol TransactionalSink: Sink {
    /// Before the first write: ends what an earlier life of this instance has left open, and shuts
    /// that life out should it still be there. To be tried again where the error is retriable.
    /// Intake thread.
    func begin(timeoutMs: Int32) throws(ServiceError)

    /// Commits what has been written since the last commit together with the offsets. Only when
    /// each written record is acknowledged and no `write` runs. After an error it is not known
    /// whether it is committed: `restart`, then ask the source. Delivery thread.
    func commit(
        _ offsets: [Ledger.Frontier], as member: any Membership
    ) throws(ServiceError)
}
