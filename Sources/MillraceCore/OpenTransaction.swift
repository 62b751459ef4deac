/// When transactions are cut, for `delivery: exactly_once`.
package struct TransactionPolicy: Sendable {
    /// From the first record written to the commit, in nanoseconds.
    package var intervalNs: Int64
    /// Records of one transaction. A replay after an abort reads as many again.
    package var maxRecords: Int
    /// Charged bytes of one transaction.
    package var maxBytes: Int
    /// How long a commit or its taking back may go unanswered before it counts as hung.
    package var patienceNs: Int64

    package init(
        intervalNs: Int64, maxRecords: Int, maxBytes: Int, patienceNs: Int64 = 30_000_000_000
    ) {
        self.intervalNs = intervalNs
        self.maxRecords = maxRecords
        self.maxBytes = maxBytes
        self.patienceNs = patienceNs
    }
}

/// What is written to the sink and not committed yet. A part of `Flow`.
///
/// open -> closing (due: no further run is begun) -> committing (all of it is acknowledged, and the
/// broker is asked to commit) -> open and empty again, or thrown away with all that it held.
struct OpenTransaction: Sendable {
    enum Phase: Sendable { case open, closing, committing }

    let policy: TransactionPolicy
    private(set) var phase = Phase.open
    private(set) var records = 0
    private(set) var bytes = 0
    /// Of the first record; means nothing while there is none.
    private(set) var sinceNs: Int64 = 0
    /// Of the source, with records in the transaction.
    private(set) var partitions: Set<Int32> = []

    init(policy: TransactionPolicy) { self.policy = policy }

    var isEmpty: Bool { records == 0 }

    /// Records of a partition are handed to the sink.
    mutating func add(_ count: Int, bytes more: Int, of partition: Int32, nowNs: Int64) {
        if records == 0 { sinceNs = nowNs }
        records &+= count
        bytes &+= more
        partitions.insert(partition)
    }

    /// When it is to be committed; nil while it is empty.
    var dueNs: Int64? {
        if records == 0 { return nil }
        if records >= policy.maxRecords || bytes >= policy.maxBytes { return sinceNs }
        return sinceNs &+ policy.intervalNs
    }

    mutating func close() { phase = .closing }

    mutating func beginCommit() { phase = .committing }

    /// Committed or thrown away: the next one begins.
    mutating func reset() { self = OpenTransaction(policy: policy) }
}
