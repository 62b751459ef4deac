/// Finished runs that wait to be written, per partition, and what of each partition is on its way.
///
/// One group of a partition at a time is on its way; while its answer is awaited the next one
/// gathers. Like a batch of records, a group is as large as the load makes it, and nothing waits
/// for a timer. librdkafka's idempotent producer has one request of a partition in flight anyway
/// and would, with more records queued behind it, spin until the answer comes. And when the broker
/// refuses a group, nothing behind it is written yet: the order is kept.
struct Outbox: Sendable {
    /// Records of one run that wait to be written.
    struct Entry: Sendable {
        let slot: Int
        let run: Int
        /// Index of the first one within the run.
        var first: Int
        var count: Int
        /// Charged bytes of the run, for the size of groups.
        var bytes: Int
        /// Offset of the run's last record.
        let lastOffset: Int64
    }

    private struct Partition {
        var waiting: [Entry] = []
        /// Entries before this index are gone.
        var head = 0
        /// Records that were handed to the sink and are not answered, of any epoch.
        var awaited = 0
        /// Bytes of the group that was begun last, and whether it may still grow.
        var groupBytes = 0
        var isOpen = false
        var isListed = false
        /// Records up to this offset go out one by one, with nothing of any partition on its way:
        /// the broker refused a request for a single record's fault, and nobody knows which.
        var carefulUntil: Int64?

        var first: Entry? { head < waiting.count ? waiting[head] : nil }
    }

    /// A group stays below librdkafka's `batch.size` (1,000,000 bytes), so that it is one request.
    private static let groupLimitBytes = 900_000

    private var partitions: [Int32: Partition] = [:]
    /// Partitions that may have something to write.
    private var listed: [Int32] = []
    /// Partitions whose group may grow until the turn ends.
    private var open: [Int32] = []
    /// Partitions with entries that were put back; `next` leaves them alone until `retry`.
    private var refused: [Int32] = []
    /// Records of all partitions that are handed to the sink and not answered.
    private(set) var awaitedTotal = 0
    /// Partitions that wait for one of them to have a record alone on its way, or for that record's
    /// answer. By key or as dead letters, records of several partitions share a request.
    private var postponed: [Int32] = []
    private var soloPartition: Int32?
    /// No run is begun; those that have been are written to their ends.
    private var isHeld = false
    /// Partitions that wait for `letGo`.
    private var held: [Int32] = []

    /// Adds a run to its partition's queue.
    mutating func append(_ entry: Entry, of partition: Int32) {
        partitions[partition, default: Partition()].waiting.append(entry)
        list(partition)
    }

    /// What the writer writes next; nil ends its turn. The records count as awaited from now on.
    mutating func next() -> (partition: Int32, entry: Entry)? {
        while let partition = listed.last {
            if let entry = begin(partition) { return (partition, entry) }
            listed.removeLast()
            partitions[partition]?.isListed = false
        }
        for partition in open { partitions[partition]?.isOpen = false }
        open.removeAll(keepingCapacity: true)
        return nil
    }

    private mutating func begin(_ partition: Int32) -> Entry? {
        guard var state = partitions.removeValue(forKey: partition) else { return nil }
        defer { partitions[partition] = state }
        guard var entry = state.first, !refused.contains(partition) else { return nil }
        if isHeld, entry.first == 0 {
            held.append(partition)
            return nil
        }
        let isCareful = state.carefulUntil != nil
        if state.awaited > 0 {
            guard state.isOpen, !isCareful,
                state.groupBytes + entry.bytes <= Self.groupLimitBytes
            else { return nil }
        } else {
            state.groupBytes = 0
        }
        if isCareful ? awaitedTotal > 0 : soloPartition != nil {
            // Once one has asked to be alone, nobody begins before it.
            soloPartition = soloPartition ?? partition
            postponed.append(partition)
            return nil
        }
        if isCareful { soloPartition = partition }
        if isCareful, entry.count > 1 {
            state.waiting[state.head].first += 1
            state.waiting[state.head].count -= 1
            entry.count = 1
        } else {
            state.head += 1
        }
        if state.head == state.waiting.count {
            state.waiting.removeAll(keepingCapacity: true)
            state.head = 0
        } else if state.head >= 64, state.head * 2 >= state.waiting.count {
            // A queue that always has something waiting would keep all that it ever had.
            state.waiting.removeFirst(state.head)
            state.head = 0
        }
        state.awaited += entry.count
        state.groupBytes += entry.bytes
        if !state.isOpen {
            state.isOpen = true
            open.append(partition)
        }
        awaitedTotal += entry.count
        return entry
    }

    /// Puts back what the sink could not take: it is written first when there is room.
    mutating func putBack(_ entry: Entry, of partition: Int32) {
        settle(entry.count, of: partition)
        guard var state = partitions.removeValue(forKey: partition) else { return }
        state.waiting.insert(entry, at: state.head)
        partitions[partition] = state
        refused.append(partition)
    }

    /// The sink may have room again: partitions that were put back are looked at again.
    mutating func retry() {
        while let partition = refused.popLast() { list(partition) }
    }

    /// Begins no further run until `letGo`: a transaction ends between runs, as the ledger counts
    /// whole ones.
    mutating func hold() { isHeld = true }

    /// Runs are begun again.
    mutating func letGo() {
        isHeld = false
        for partition in held { list(partition) }
        held.removeAll(keepingCapacity: true)
    }

    /// Whether a run is written in part and waits for the rest.
    var hasBegunRun: Bool { partitions.values.contains { ($0.first?.first ?? 0) > 0 } }

    /// That many records of the partition are answered, or were not handed over after all.
    mutating func answered(_ count: Int, of partition: Int32) {
        settle(count, of: partition)
        list(partition)
    }

    private mutating func settle(_ count: Int, of partition: Int32) {
        partitions[partition]?.awaited -= count
        awaitedTotal -= count
        guard awaitedTotal == 0 else { return }
        soloPartition = nil
        // What is listed last is looked at first: those who want to be alone.
        for wantsToBeAlone in [false, true] {
            for partition in postponed
            where (partitions[partition]?.carefulUntil != nil) == wantsToBeAlone {
                list(partition)
            }
        }
        postponed.removeAll(keepingCapacity: true)
    }

    /// Records of the partition that are on their way.
    func awaited(_ partition: Int32) -> Int { partitions[partition]?.awaited ?? 0 }

    /// Whether a single record of the partition is on its way and nothing else, so that a refusal
    /// is that record's fault.
    func isAlone(_ partition: Int32) -> Bool { soloPartition == partition && awaitedTotal == 1 }

    /// The partition's frontier has moved to `offset`: with the record at fault behind it, groups
    /// may grow again.
    mutating func passed(_ partition: Int32, frontier offset: Int64) {
        if let until = partitions[partition]?.carefulUntil, offset > until {
            partitions[partition]?.carefulUntil = nil
        }
    }

    /// From its next reading on, records up to `offset` go out one by one.
    mutating func writeCarefully(_ partition: Int32, until offset: Int64) {
        guard let state = partitions[partition] else { return }
        partitions[partition]?.carefulUntil = max(state.carefulUntil ?? offset, offset)
    }

    /// The partition begins anew, perhaps with other records under the same offsets.
    mutating func endCare(_ partition: Int32) { partitions[partition]?.carefulUntil = nil }

    private mutating func list(_ partition: Int32) {
        guard let state = partitions[partition], !state.isListed, state.awaited == 0,
            state.first != nil
        else { return }
        partitions[partition]?.isListed = true
        listed.append(partition)
    }
}
