import MillraceCore
import MillraceTestKit
import MillraceWorker

/// The brokers: input, output, dead letters, the group and its offsets. It checks what comes in.
final class Cluster {
    let world: World
    let group: Group
    let transactions: TransactionLog
    private(set) var partitions: [InputPartition]
    /// So many of the next commits are lost, or their answers.
    var commitFailures = 0
    private var hasPoison = false
    /// By partition: when there was last a reason to read records of it again.
    private var excusedAt: [Int]

    init(_ world: World) {
        self.world = world
        partitions = Array(repeating: InputPartition(), count: world.plan.partitions)
        excusedAt = Array(repeating: -1, count: world.plan.partitions)
        group = Group(world)
        transactions = TransactionLog(world)
        transactions.onCommit = { [unowned self] in take($0) }
        group.onEviction = { [unowned self] in for partition in $0 { excuse(partition) } }
    }

    // MARK: Input

    /// Producers append so many records to a partition.
    func append(_ partition: Int, _ count: Int) {
        for _ in 0..<count {
            let kinds = world.plan.kinds
            if world.random.below(1_000) < kinds.gap {
                partitions[partition].end += Int64(1 + world.random.below(3))
            }
            let offset = partitions[partition].end
            partitions[partition].records.append(
                InputRecord(
                    partition: Int32(partition), offset: offset, kind: drawKind(kinds),
                    padding: drawPadding(kinds)))
            partitions[partition].end = offset + 1
        }
    }

    private func drawPadding(_ kinds: Plan.KindShares) -> Int {
        if kinds.hasHuge, world.random.chance(0.1) { return 200_000 + world.random.below(300_000) }
        return kinds.padding == 0 ? 0 : world.random.below(kinds.padding)
    }

    private func drawKind(_ kinds: Plan.KindShares) -> InputRecord.Kind {
        if kinds.hasPoison, !hasPoison, world.random.chance(0.05) {
            hasPoison = true
            return .poison
        }
        var draw = world.random.below(1_000)
        let shares: [(Int, InputRecord.Kind)] = [
            (kinds.malformed, .malformed), (kinds.tombstone, .tombstone),
            (kinds.tooLarge, .tooLarge), (kinds.refused, .refused),
            (kinds.letterRefused, .letterRefused),
        ]
        for (share, kind) in shares {
            if draw < share { return kind }
            draw -= share
        }
        return .good
    }

    /// The record with that offset.
    func record(_ partition: Int32, _ offset: Int64) -> InputRecord? {
        let index = Int(partition)
        guard partitions.indices.contains(index),
            let place = partitions[index].index(of: offset)
        else { return nil }
        return partitions[index].records[place]
    }

    func change(
        _ partition: Int32, _ offset: Int64, _ body: (inout InputRecord) -> Void
    ) {
        guard let place = partitions[Int(partition)].index(of: offset) else { return }
        body(&partitions[Int(partition)].records[place])
    }

    /// The record with that number, if it is one.
    private func place(of number: Int64) -> (partition: Int32, offset: Int64)? {
        let partition = Int32(clamping: number / 100_000 - 1)
        guard partitions.indices.contains(Int(partition)) else { return nil }
        return (partition, number % 100_000)
    }

    func isPoison(_ number: Int64) -> Bool {
        guard world.plan.kinds.hasPoison, let place = place(of: number) else { return false }
        return record(place.partition, place.offset)?.kind == .poison
    }

    /// The engine has refused the record with that number alone.
    func noteEngineRefusal(of number: Int64) {
        guard let place = place(of: number) else { return }
        change(place.partition, place.offset) { $0.isRefusedByEngine = true }
    }

    // MARK: Output

    /// What a producer's request brings for the output or the dead letters.
    struct Arrival {
        let partition: Int32
        let offset: Int64
        let state: RecordResult.State
        let key: [UInt8]?
        let value: [UInt8]?
    }

    /// The record is appended.
    func arrive(_ arrival: Arrival) {
        check(arrival)
        guard let record = record(arrival.partition, arrival.offset) else { return }
        if arrival.state == .dead {
            change(arrival.partition, arrival.offset) { $0.letters += 1 }
        } else {
            checkOrder(record)
            change(arrival.partition, arrival.offset) { $0.outputs += 1 }
        }
        partitions[Int(arrival.partition)].advance()
    }

    /// A transaction is committed.
    private func take(_ transaction: Transaction) {
        for place in transaction.outputs {
            change(place.partition, place.offset) { $0.outputs += 1 }
        }
        for place in transaction.letters {
            change(place.partition, place.offset) { $0.letters += 1 }
        }
        for partition in partitions.indices { partitions[partition].advance() }
        for place in transaction.outputs + transaction.letters {
            checkCommitted(place, transaction)
        }
        try? commit(transaction.offsets, isMember: true)
    }

    /// I2: exactly once, and the offsets go with the records.
    private func checkCommitted(_ place: Ledger.Frontier, _ transaction: Transaction) {
        let name = "\(place.partition)/\(place.offset)"
        guard let record = record(place.partition, place.offset) else { return }
        if record.outputs + record.letters > 1 {
            world.violate("I2", "\(name) is committed twice")
        }
        if (transaction.offsets[place.partition] ?? -1) <= place.offset {
            world.violate("I2", "\(name) is committed without its offset")
        }
    }

    /// Nothing of the record changed, and it may go where it goes.
    func check(_ arrival: Arrival) {
        let place = "\(arrival.partition)/\(arrival.offset)"
        guard let record = record(arrival.partition, arrival.offset) else {
            return world.violate("bytes", "\(place) was never there")
        }
        if arrival.key != record.key { world.violate("bytes", "the key of \(place) changed") }
        switch arrival.state {
        case .taken: world.violate("bytes", "\(place) was written undecided")
        case .dead: checkDead(arrival, record)
        case .scored, .passed:
            let expected = arrival.state == .scored ? record.scored : record.value
            if arrival.value != expected || (arrival.state == .scored && expected == nil) {
                world.violate("bytes", "the value of \(place) changed")
            }
            if arrival.state == .passed, !mayPass(record) {
                world.violate("bytes", "\(place) was passed unscored")
            }
        }
    }

    private func mayPass(_ record: InputRecord) -> Bool {
        record.kind == .tombstone
            || (world.plan.settings.onError == .pass && record.deservesLetter)
    }

    private func checkDead(_ arrival: Arrival, _ record: InputRecord) {
        let place = "\(arrival.partition)/\(arrival.offset)"
        // A letter that was refused comes again without its value.
        if arrival.value != record.value, record.kind != .letterRefused {
            world.violate("bytes", "the value of the dead letter \(place) changed")
        }
        if !record.deservesLetter {
            world.violate("letters", "\(place) does not belong to the dead letters")
        }
    }

    /// I3: nothing is left out that comes later, unless its request was refused, or it is on its
    /// way to the dead letters.
    private func checkOrder(_ record: InputRecord) {
        let input = partitions[Int(record.partition)]
        var index = input.firstMissing
        while index < input.records.count, input.records[index].offset < record.offset {
            let earlier = input.records[index]
            if !earlier.isOut, !earlier.isRefusedInFlight, !earlier.isHandedAsLetter {
                world.violate(
                    "I3",
                    "\(record.partition)/\(record.offset) is written before \(earlier.offset)")
                return
            }
            index += 1
        }
    }

    // MARK: Reading again

    /// From now on records of the partition that were written already may come again.
    func excuse(_ partition: Int32) { excusedAt[Int(partition)] = world.nextSequence() }

    func excuseAll() { for partition in partitions.indices { excuse(Int32(partition)) } }

    /// A worker hands a record to its producer at this time: no record twice without a reason.
    /// One who has lost the partition and does not know yet (`isStale`) needs none.
    func hand(
        _ partition: Int32, _ offset: Int64, isDead: Bool, isStale: Bool, at sequence: Int
    ) {
        let excused = excusedAt[Int(partition)]
        change(partition, offset) { record in
            if isDead { record.isHandedAsLetter = true }
            if isStale { return }
            if !world.plan.isExactlyOnce, record.handedAt >= 0, excused < record.handedAt {
                world.violate("twice", "\(partition)/\(offset) is written again for no reason")
            }
            record.handedAt = sequence
        }
    }

    // MARK: Offsets

    /// Whether the group's offset of the partition may change by a transaction that is open.
    func isUnstable(_ partition: Int32) -> Bool { transactions.isUnstable(partition) }

    static let unknownMember = ServiceError(
        code: "UNKNOWN_MEMBER_ID", message: "not a member", isFatal: false, isRetriable: false)
    static let noAnswer = ServiceError(
        code: "_TIMED_OUT", message: "no answer", isFatal: false, isRetriable: true)

    /// A member commits.
    func commit(_ offsets: [Int32: Int64], isMember: Bool) throws(ServiceError) {
        guard isMember else { throw Self.unknownMember }
        var isAnswerLost = false
        if !world.plan.isExactlyOnce, commitFailures > 0 {
            commitFailures -= 1
            if world.random.chance(0.5) { throw Self.noAnswer }
            isAnswerLost = true
        }
        for (partition, offset) in offsets.sorted(by: { $0.key < $1.key }) {
            let input = partitions[Int(partition)]
            if offset > input.frontier {
                world.violate(
                    "I4",
                    "\(partition): \(offset) committed, \(input.frontier) is not written")
            }
            partitions[Int(partition)].committed = offset
            world.trace("  offset \(partition)/\(offset) committed")
        }
        if isAnswerLost { throw Self.noAnswer }
    }

    /// All input is out and committed.
    var isSettled: Bool {
        partitions.allSatisfy { input in
            input.firstMissing == input.records.count
                && (input.records.isEmpty
                    || (input.committed ?? 0) > (input.records.last?.offset ?? 0))
        }
    }

    /// What a run that does not come to rest has left.
    var unsettled: String {
        partitions.enumerated().compactMap { number, input in
            guard input.frontier < input.end || (input.committed ?? 0) < input.end else {
                return nil
            }
            let committed = input.committed.map(String.init) ?? "none"
            return
                "\(number): end \(input.end), written to \(input.frontier), committed \(committed)"
        }.joined(separator: "; ")
    }
}
