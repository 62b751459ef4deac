/// Which records are taken in and finished, per partition, and so up to where the offset may move:
/// the frontier. A value: no lock, no clock, no I/O; the holder brings those.
///
/// Each assignment of a partition has an epoch. A ticket of an old epoch finishes nothing: results
/// that come after a revoke, a loss or a rewind cannot move the frontier.
package struct Ledger: Sendable {
    /// The receipt for the records of one partition in one batch.
    package struct Ticket: Sendable, Hashable {
        package let partition: Int32
        package let epoch: UInt32
        /// Position among the runs that this epoch has admitted.
        package let run: UInt64
    }

    /// The next offset to read of a partition, to be stored for the commit.
    package struct Frontier: Sendable, Equatable {
        package let partition: Int32
        package let offset: Int64

        package init(partition: Int32, offset: Int64) {
            self.partition = partition
            self.offset = offset
        }
    }

    private struct Run {
        let lastOffset: Int64
        var remaining: Int
    }

    private struct Account {
        var epoch: UInt32
        /// Open for new records; false while it drains or rewinds.
        var isOpen = true
        /// Is being given back: not opened again by a rewind.
        var isLeaving = false
        /// Runs from the first unfinished one on; the first has the number `firstRun`.
        var runs: [Run] = []
        /// Runs of `runs` before this index are finished and wait to be cut off.
        var head = 0
        var firstRun: UInt64 = 0
        /// Offset of the first record that is not finished; nil before the first admission.
        var frontier: Int64?
        /// With transactions: offset of the first record that is not committed.
        var committed: Int64?
        var unfinished = 0

        var nextRun: UInt64 { firstRun &+ UInt64(runs.count - head) }
    }

    private var accounts: [Int32: Account] = [:]
    /// One counter for all partitions: an epoch is never used twice.
    private var lastEpoch: UInt32 = 0
    /// Finished is not enough: what is not committed is read again by a rewind.
    private let isTransactional: Bool

    package init(isTransactional: Bool = false) { self.isTransactional = isTransactional }

    /// Opens an account for a partition, with a new epoch, and returns the epoch.
    package mutating func open(_ partition: Int32) -> UInt32 {
        lastEpoch &+= 1
        accounts[partition] = Account(epoch: lastEpoch)
        return lastEpoch
    }

    /// The partition's epoch; nil for one that is not ours.
    package func epoch(of partition: Int32) -> UInt32? { accounts[partition]?.epoch }

    /// Partitions with an account, ascending.
    package var partitions: [Int32] { accounts.keys.sorted() }

    /// Admits `count` records whose offsets rise from `firstOffset` to `lastOffset` (gaps are
    /// normal: compaction, control records). Nil where the epoch is old or the account closed.
    package mutating func admit(
        _ partition: Int32, epoch: UInt32, firstOffset: Int64, lastOffset: Int64, count: Int
    ) -> Ticket? {
        guard var account = accounts.removeValue(forKey: partition) else { return nil }
        defer { accounts[partition] = account }
        guard account.epoch == epoch, account.isOpen, count > 0 else { return nil }
        let ticket = Ticket(partition: partition, epoch: epoch, run: account.nextRun)
        account.runs.append(Run(lastOffset: lastOffset, remaining: count))
        account.unfinished += count
        if account.frontier == nil {
            account.frontier = firstOffset
            account.committed = firstOffset
        }
        return ticket
    }

    /// Whether `admit` would take records of that epoch now.
    package func admits(_ partition: Int32, epoch: UInt32) -> Bool {
        guard let account = accounts[partition] else { return false }
        return account.isOpen && account.epoch == epoch
    }

    /// Finishes `count` records of the ticket. Returns the new frontier where it moved.
    package mutating func finish(_ ticket: Ticket, count: Int) -> Frontier? {
        guard var account = accounts.removeValue(forKey: ticket.partition) else { return nil }
        defer { accounts[ticket.partition] = account }
        guard account.epoch == ticket.epoch, ticket.run >= account.firstRun else { return nil }
        let distance = ticket.run - account.firstRun
        guard distance < UInt64(account.runs.count - account.head) else { return nil }
        let index = account.head + Int(distance)
        let finished = min(count, account.runs[index].remaining)
        account.runs[index].remaining -= finished
        account.unfinished -= finished
        guard distance == 0 else { return nil }
        var moved: Int64?
        while account.head < account.runs.count, account.runs[account.head].remaining == 0 {
            moved = account.runs[account.head].lastOffset &+ 1
            account.head += 1
            account.firstRun &+= 1
        }
        if account.head >= 64, account.head * 2 >= account.runs.count {
            account.runs.removeFirst(account.head)
            account.head = 0
        }
        guard let moved else { return nil }
        account.frontier = moved
        return Frontier(partition: ticket.partition, offset: moved)
    }

    /// Whether results under the ticket still count.
    package func isCurrent(_ ticket: Ticket) -> Bool {
        accounts[ticket.partition]?.epoch == ticket.epoch
    }

    /// Refuses new records of the partition for good; those admitted go on (the first step of a
    /// revoke).
    package mutating func stopAdmitting(_ partition: Int32) {
        accounts[partition]?.isOpen = false
        accounts[partition]?.isLeaving = true
    }

    /// Whether the partition is being given back.
    package func isLeaving(_ partition: Int32) -> Bool { accounts[partition]?.isLeaving ?? false }

    /// Partitions that are being given back.
    package var leaving: [Int32] { accounts.filter(\.value.isLeaving).map(\.key) }

    /// Records of the partition that are admitted and not finished.
    package func unfinished(_ partition: Int32) -> Int { accounts[partition]?.unfinished ?? 0 }

    /// Records of all partitions that are admitted and not finished.
    package var unfinished: Int { accounts.values.reduce(0) { $0 + $1.unfinished } }

    /// The offset of the first record that is not finished; nil before the first admission.
    package func frontier(of partition: Int32) -> Int64? { accounts[partition]?.frontier }

    /// The frontiers of all partitions that have one.
    package var frontiers: [Int32: Int64] { accounts.compactMapValues(\.frontier) }

    /// A frontier that goes into a transaction, with the epoch that it is of.
    package struct Uncommitted: Sendable, Equatable {
        package let frontier: Frontier
        let epoch: UInt32
    }

    /// With transactions: the frontiers that are not committed yet, by partition.
    package var uncommitted: [Uncommitted] {
        accounts.sorted { $0.key < $1.key }.compactMap { partition, account in
            guard let offset = account.frontier, offset != account.committed else { return nil }
            return Uncommitted(
                frontier: Frontier(partition: partition, offset: offset), epoch: account.epoch)
        }
    }

    /// The transaction with this offset is committed. False where the partition is not ours any
    /// more or has another epoch.
    package mutating func commit(_ offset: Uncommitted) -> Bool {
        let partition = offset.frontier.partition
        guard accounts[partition]?.epoch == offset.epoch else { return false }
        accounts[partition]?.committed = offset.frontier.offset
        return true
    }

    /// Drops all that is unfinished, with transactions also what is not committed, and starts a new
    /// epoch: the records from the frontier (the committed offset) on will be read again. Returns
    /// the offset to rewind to and the new epoch, nil where nothing was ever admitted or the
    /// partition is not ours. The account stays closed until `reopen`.
    package mutating func rewind(_ partition: Int32) -> (offset: Int64, epoch: UInt32)? {
        guard let old = accounts[partition],
            let target = isTransactional ? old.committed : old.frontier
        else { return nil }
        lastEpoch &+= 1
        var account = Account(epoch: lastEpoch)
        account.isOpen = false
        account.isLeaving = old.isLeaving
        account.frontier = target
        account.committed = target
        accounts[partition] = account
        return (target, lastEpoch)
    }

    /// Admits records again after `rewind`, from `offset` on, unless the partition is being given
    /// back.
    package mutating func reopen(_ partition: Int32, at offset: Int64) {
        guard !isLeaving(partition) else { return }
        accounts[partition]?.isOpen = true
        accounts[partition]?.frontier = offset
        accounts[partition]?.committed = offset
    }

    /// Closes the account: the partition was given back or lost.
    package mutating func close(_ partition: Int32) { accounts[partition] = nil }
}
