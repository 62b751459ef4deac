/// Everything that is in the worker between source and broker: the waiting line, the batches, the
/// ledger and the order of writing, as one value without lock, clock or I/O. The worker's threads
/// share it under one lock and do outside of it what it answers; a simulation drives it alone.
@safe package struct Flow {
    private let policy: BatchPolicy
    /// Most charged bytes that may be taken in and unfinished; see `hasRoom`.
    package let boundBytes: Int
    /// Most batches that exist. With the bound in bytes it keeps a slow sink from collecting many
    /// tiny batches: 256 full batches of 512 records are twice what one core scores in 100 ms.
    private static let maxBatches = 256

    package private(set) var line = WaitingLine()
    package private(set) var ledger: Ledger
    private var sequencer = Sequencer()
    private var batches: [Batch] = []
    private var freeSlots: [Int] = []
    /// What the free batches have allocated, in bytes.
    private var freeBytes = 0
    private var nextBatchNumber: UInt64 = 0
    private var outbox = Outbox()
    private var isWriting = false
    private var rewinds: [Int32: Rewind] = [:]
    private var backoffs: [Int32: Backoff] = [:]
    /// Records that the broker will never take, by partition and offset: dead at the next reading.
    private var condemned: [Int32: [Int64: RecordError]] = [:]
    /// The sink's client is of no more use: nothing is written until `sinkRestarted`.
    package private(set) var isSinkBroken = false
    /// Batches are cut no more and what waits is let go.
    private var isStopping = false
    /// A batch was abandoned: what was cut behind it is left out too, or it would come twice.
    private var isAbandoning = false
    /// What is written and not committed; nil where the source's offsets are committed by
    /// themselves (at least once).
    private var transaction: OpenTransaction?
    /// Charged bytes of the waiting line and of all batches.
    package private(set) var chargedBytes = 0
    package private(set) var counters = FlowCounters()

    private struct Rewind {
        let offset: Int64
        let epoch: UInt32
        let notBeforeNs: Int64
        var isPaused = false
    }

    /// - Parameter transactions: outputs and offsets go in transactions, cut so; nil: at least
    ///   once.
    package init(policy: BatchPolicy, boundBytes: Int, transactions: TransactionPolicy? = nil) {
        self.policy = policy
        self.boundBytes = boundBytes
        ledger = Ledger(isTransactional: transactions != nil)
        transaction = transactions.map { OpenTransaction(policy: $0) }
    }

    // MARK: Intake

    /// Whether another chunk of records may be read now: the line keeps about eight full batches at
    /// most, the rest waits in the client's own queue, which has its own limit.
    package var hasRoomInLine: Bool { line.count < 8 * policy.maxRecords && hasRoom }

    /// Whether an intake that found no room is to be woken: at half of the line, so that it does
    /// not wake for every batch.
    package var wantsRecords: Bool { line.count <= 4 * policy.maxRecords && hasRoom }

    /// Whether the bound in bytes leaves room.
    package var hasRoom: Bool { chargedBytes < boundBytes }

    /// Whether so little is left that paused partitions may go on (half of the bound: pausing
    /// throws prefetched records away, so it must not happen often).
    package var isHalfEmpty: Bool { chargedBytes <= boundBytes / 2 }

    /// Takes records in; `epoch` of each is set.
    package mutating func admit(
        _ records: ContiguousArray<RecordView>, bytes: Int, nowNs: Int64
    ) {
        unsafe line.append(records, bytes: bytes, nowNs: nowNs)
        chargedBytes &+= bytes
        counters.recordsIn &+= unsafe UInt64(records.count)
        counters.bytesIn &+= UInt64(bytes)
    }

    /// A partition became ours: its new epoch.
    package mutating func open(_ partition: Int32) -> UInt32 {
        rewinds[partition] = nil
        condemned[partition] = nil
        outbox.endCare(partition)
        return ledger.open(partition)
    }

    /// The first step of giving partitions back: nothing new of them is cut.
    package mutating func stopAdmitting(_ partitions: [Int32]) {
        for partition in partitions {
            ledger.stopAdmitting(partition)
            rewinds[partition] = nil  // The next owner reads these records again.
        }
    }

    /// Whether all that was cut of the partitions is finished, and committed where that goes in
    /// transactions.
    package func isDrained(_ partitions: [Int32]) -> Bool {
        partitions.allSatisfy { ledger.unfinished($0) == 0 && !isInTransaction($0) }
    }

    /// The partitions are not ours any more; results that still come are discarded. A transaction
    /// that holds some of their records cannot be committed any more: others write them too.
    package mutating func close(_ partitions: [Int32], nowNs: Int64) {
        let isCommitting = transaction?.phase == .committing
        if !isCommitting, partitions.contains(where: isInTransaction) { breakSink(nowNs: nowNs) }
        for partition in partitions {
            ledger.close(partition)
            rewinds[partition] = nil
            backoffs[partition] = nil
            condemned[partition] = nil
        }
    }

    /// Partitions whose rewind has begun and that are to be paused, each reported once.
    package mutating func takeRewindsToPause() -> [Int32] {
        let fresh = rewinds.filter { !$0.value.isPaused }.map(\.key).sorted()
        for partition in fresh { rewinds[partition]?.isPaused = true }
        return fresh
    }

    /// Rewinds that may be carried out now: the sink works, nothing of the partition is on its way,
    /// and the waiting time is over. Each is reported once; answer with `rewound` or
    /// `rewindFailed`.
    package mutating func takeRewindsToSeek(
        nowNs: Int64
    ) -> [(partition: Int32, offset: Int64, epoch: UInt32)] {
        guard !isSinkBroken, !rewinds.isEmpty else { return [] }
        var ready: [(partition: Int32, offset: Int64, epoch: UInt32)] = []
        for (partition, rewind) in rewinds
        where rewind.isPaused && nowNs >= rewind.notBeforeNs && outbox.awaited(partition) == 0 {
            ready.append((partition, rewind.offset, rewind.epoch))
        }
        for (partition, _, _) in ready { rewinds[partition] = nil }
        // In the same order for the same seed of a simulation.
        ready.sort { $0.partition < $1.partition }
        return ready
    }

    /// The source stands at the rewind's offset again, or where else the group's committed offset
    /// is.
    package mutating func rewound(_ partition: Int32, to offset: Int64, epoch: UInt32) {
        guard ledger.epoch(of: partition) == epoch else { return }
        if let target = ledger.frontier(of: partition), offset > target {
            // A commit without an answer had come through.
            passed(Ledger.Frontier(partition: partition, offset: offset))
        }
        ledger.reopen(partition, at: offset)
    }

    /// The source could not be moved: try again after `waitNs`.
    package mutating func rewindFailed(_ partition: Int32, nowNs: Int64) {
        beginRewind(partition, nowNs: nowNs)
        rewinds[partition]?.isPaused = true
    }

    /// Partitions that are being rewound.
    package var rewindingPartitions: [Int32] { Array(rewinds.keys) }

    /// Whether any partition is being rewound.
    package var isRewinding: Bool { !rewinds.isEmpty }

    /// Cuts no more batches; returns what waited, to be released.
    package mutating func stop() -> ContiguousArray<RecordView> {
        isStopping = true
        chargedBytes &-= line.bytes
        return unsafe line.removeAll()
    }

    /// Nothing waits and no batch is open.
    package var isIdle: Bool { line.count == 0 && freeSlots.count == batches.count }

    /// Idle, and no record is left out that is to be read again: none rewinds, none waits for the
    /// sink's restart or a commit.
    package var isSettled: Bool {
        isIdle && rewinds.isEmpty && !isSinkBroken && transaction?.isEmpty != false
    }

    /// Idle, and nothing more can be committed: the last step before the end.
    package var isOver: Bool { isIdle && (isSinkBroken || transaction?.isEmpty != false) }

    // MARK: Lanes

    /// What a lane that asks for work gets.
    package enum Take {
        /// The lane owns this batch now; it has at least one record.
        case batch(Batch)
        /// Nothing to do before that time (nil: before something changes).
        case wait(untilNs: Int64?)
        /// There will be no more batches.
        case end
    }

    /// A free lane asks for work. Records of closed or old epochs fall out into `dropped`; the
    /// caller releases them.
    package mutating func takeBatch(
        nowNs: Int64, isDraining: Bool, dropped: inout ContiguousArray<RecordView>
    ) -> Take {
        if isStopping { return .end }
        while true {
            switch policy.decide(line, nowNs: nowNs, isDraining: isDraining) {
            case .idle: return .wait(untilNs: nil)
            case .wait(let untilNs): return .wait(untilNs: untilNs)
            case .cutNow: break
            }
            guard let batch = freeBatch() else { return .wait(untilNs: nil) }
            unsafe cut(into: batch, nowNs: nowNs, dropped: &dropped)
            if batch.count > 0 {
                batch.number = nextBatchNumber
                batch.cutAtNs = nowNs
                batch.unfinished = batch.count + 1
                batch.unwritten = batch.count
                nextBatchNumber &+= 1
                return .batch(batch)
            }
            setFree(batch)
        }
    }

    private mutating func freeBatch() -> Batch? {
        if let slot = freeSlots.popLast() {
            freeBytes -= batches[slot].allocatedBytes
            return batches[slot]
        }
        guard batches.count < Self.maxBatches else { return nil }
        let batch = Batch(slot: batches.count, capacity: min(policy.maxRecords, 64))
        batches.append(batch)
        return batch
    }

    private mutating func cut(
        into batch: Batch, nowNs: Int64, dropped: inout ContiguousArray<RecordView>
    ) {
        batch.reset()
        var open: [OpenRun] = []
        var last = -1
        var index = 0
        var bytes = 0
        while index < line.count, batch.count < policy.maxRecords {
            let record = unsafe line[index]
            let charged = unsafe record.chargedBytes
            if batch.count > 0, bytes + charged > policy.maxBytes { break }
            index += 1
            bytes += charged
            let partition = unsafe record.partition
            if last < 0 || open[last].partition != partition {
                last = open.firstIndex { $0.partition == partition } ?? -1
            }
            if unsafe last < 0 || open[last].epoch != record.epoch {
                guard unsafe ledger.admits(partition, epoch: record.epoch) else {
                    unsafe dropped.append(record)
                    chargedBytes &-= charged
                    continue
                }
                last = open.count
                unsafe open.append(
                    OpenRun(
                        partition: partition, epoch: record.epoch, first: record.offset,
                        last: record.offset, count: 0))
            }
            unsafe open[last].last = record.offset
            open[last].count += 1
            unsafe batch.add(record, run: Int32(last))
            if !condemned.isEmpty, let error = unsafe condemned[partition]?[record.offset] {
                batch.markDead(batch.count - 1, error)
            }
        }
        line.removeFirst(index, bytes: bytes, nowNs: nowNs, waits: &batch.times.waits)
        var first = 0
        for run in open {
            admit(run, first: first, to: batch)
            first += run.count
        }
        batch.sortByRun(open.map(\.count))
    }

    private struct OpenRun {
        let partition: Int32
        let epoch: UInt32
        let first: Int64
        var last: Int64
        var count: Int
    }

    private mutating func admit(_ run: OpenRun, first: Int, to batch: Batch) {
        let ticket = ledger.admit(
            run.partition, epoch: run.epoch, firstOffset: run.first, lastOffset: run.last,
            count: run.count)
        // `admits` was asked under the same lock; a nil here would be a ticket for nothing.
        let none = Ledger.Ticket(partition: run.partition, epoch: 0, run: 0)
        batch.runs.append(
            PartitionRun(
                ticket: ticket ?? none, count: run.count, first: first, lastOffset: run.last))
    }

    /// Whether nothing of the batch can be written any more: it will be discarded.
    package func isObsolete(_ batch: Batch) -> Bool {
        batch.runs.allSatisfy { !ledger.isCurrent($0.ticket) }
    }

    /// The lane is done with the batch: its runs queue up behind those of earlier batches.
    package mutating func deposit(_ batch: Batch) {
        sequencer.deposit(number: batch.number, slot: batch.slot)
        while let slot = sequencer.takeNext() { enqueue(batches[slot]) }
    }

    private mutating func enqueue(_ batch: Batch) {
        if batch.isAbandoned { isAbandoning = true }
        for (index, run) in batch.runs.enumerated() {
            if isAbandoning { batch.runs[index].isDiscarded = true }
            let share = batch.chargedBytes / max(1, batch.count) * run.count
            outbox.append(
                Outbox.Entry(
                    slot: batch.slot, run: index, first: 0, count: run.count, bytes: share,
                    lastOffset: run.lastOffset),
                of: run.ticket.partition)
        }
    }

    // MARK: Writing

    /// Records of one run to be written: `order[run.first + first]` and `count - 1` more.
    package struct Write {
        package let batch: Batch
        package let run: Int
        package let first: Int
        package let count: Int

        fileprivate var entry: Outbox.Entry
    }

    /// What the one who has the turn to write does next.
    package enum WriterStep {
        /// Hand these to the sink, then answer with `wrote`.
        case write(Write)
        /// Give the batch's records back to the source, then answer with `released`.
        case release(Batch)
        /// Nothing can be written now; the turn is over.
        case end
    }

    /// Whether the caller has the turn to write: nobody else has it until `nextStep` says `.end`.
    /// Who finds it taken goes on: the other one will see what has been added.
    package mutating func takeTurn() -> Bool {
        if isWriting { return false }
        isWriting = true
        return true
    }

    /// The next step of the one who has the turn. Runs of old epochs are discarded on the way.
    package mutating func nextStep(nowNs: Int64) -> WriterStep {
        while let (partition, entry) = outbox.next() {
            let batch = batches[entry.slot]
            let run = batch.runs[entry.run]
            if run.isDiscarded || isSinkBroken || !ledger.isCurrent(run.ticket) {
                batch.runs[entry.run].isDiscarded = true
                outbox.answered(entry.count, of: partition)
                batch.unfinished -= entry.count
                batch.unwritten -= entry.count
                if batch.unwritten == 0 { return .release(batch) }
                continue
            }
            transaction?.add(entry.count, bytes: entry.bytes, of: partition, nowNs: nowNs)
            // Under the lock: the delivery thread reads it there.
            batch.runs[entry.run].handedAtNs = nowNs
            return .write(
                Write(
                    batch: batch, run: entry.run, first: entry.first, count: entry.count,
                    entry: entry))
        }
        isWriting = false
        return .end
    }

    /// The first `count` records of the write are handed over; the rest, if any, waits for room.
    /// Returns the batch where all of it is written: the caller releases it.
    package mutating func wrote(_ write: Write, _ count: Int) -> Batch? {
        if count < write.count {
            var rest = write.entry
            rest.first += count
            rest.count -= count
            outbox.putBack(rest, of: write.batch.runs[write.run].ticket.partition)
        }
        write.batch.unwritten -= count
        return write.batch.unwritten == 0 ? write.batch : nil
    }

    /// The batch's records are back at the source. Returns the batch where it is finished.
    package mutating func released(_ batch: Batch) -> Batch? {
        batch.unfinished -= 1
        return batch.unfinished == 0 ? batch : nil
    }

    /// Answers have made room in the sink: what did not fit is tried again.
    package mutating func retryWrites() { outbox.retry() }

    // MARK: Deliveries

    /// What the broker's answer changes.
    package struct DeliveryEffect {
        /// Store this offset, for the commits at least once.
        package var frontier: Ledger.Frontier?
        /// The batch is finished: `recycle` it.
        package var finished: Batch?
        /// The partition begins to rewind because of this failure.
        package var rewinding: Int32?
        /// When the acknowledged records were handed to the sink; nil for a failure.
        package var handedAtNs: Int64?
    }

    /// Takes an answer of the broker in.
    package mutating func delivered(_ delivery: Delivery, nowNs: Int64) -> DeliveryEffect {
        var effect = DeliveryEffect()
        guard delivery.slot < batches.count, delivery.run < batches[delivery.slot].runs.count
        else { return effect }
        let batch = batches[delivery.slot]
        let ticket = batch.runs[delivery.run].ticket
        let isAlone = outbox.isAlone(ticket.partition)
        outbox.answered(delivery.count, of: ticket.partition)
        batch.unfinished -= delivery.count
        if batch.unfinished == 0 { effect.finished = batch }
        guard let failure = delivery.failure else {
            effect.handedAtNs = batch.runs[delivery.run].handedAtNs
            let frontier = ledger.finish(ticket, count: delivery.count)
            if transaction == nil, let frontier {
                effect.frontier = frontier
                passed(frontier)
            }
            return effect
        }
        counters.deliveryFailures &+= UInt64(delivery.count)
        if !batch.failedRuns.contains(delivery.run) { batch.failedRuns.append(delivery.run) }
        if failure.isRecordsFault, delivery.record < batch.count {
            let offset = unsafe batch.records[delivery.record].offset
            if isAlone {
                condemn(delivery.record, of: batch, ticket.partition, failure.error)
            } else {
                outbox.writeCarefully(ticket.partition, until: offset)
            }
        }
        let isCurrent = ledger.isCurrent(ticket)
        if isCurrent { effect.rewinding = ticket.partition }
        if transaction != nil {
            // A transaction is committed as a whole or not at all.
            if !isSinkBroken { breakSink(nowNs: nowNs) }
            return effect
        }
        if failure.error.isFatal { isSinkBroken = true }
        if isCurrent { beginRewind(ticket.partition, nowNs: nowNs) }
        return effect
    }

    /// The broker refuses the record, which was alone on its way: it is dead at its next reading,
    /// and if this was its dead letter already, the next one carries less.
    private mutating func condemn(
        _ record: Int, of batch: Batch, _ partition: Int32, _ error: ServiceError
    ) {
        let offset = unsafe batch.records[record].offset
        var reason = RecordError(.rejected, error.description)
        if var earlier = batch.error(of: record) {
            earlier.letterRefusals += 1
            reason = earlier
        } else {
            // The next reading gets further, although the run has to go out again as a whole.
            backoffs[partition] = nil
        }
        condemned[partition, default: [:]][offset] = reason
    }

    /// The frontier has moved: what was noted about the records before it is over.
    private mutating func passed(_ frontier: Ledger.Frontier) {
        outbox.passed(frontier.partition, frontier: frontier.offset)
        backoffs[frontier.partition] = nil
        guard let noted = condemned[frontier.partition] else { return }
        let rest = noted.filter { $0.key >= frontier.offset }
        condemned[frontier.partition] = rest.isEmpty ? nil : rest
    }

    /// The sink reported a failure that is not about one record: everything unfinished, and what
    /// the transaction holds, is read again once the sink was restarted.
    package mutating func breakSink(nowNs: Int64) {
        isSinkBroken = true
        for partition in ledger.partitions
        where ledger.unfinished(partition) > 0 || isInTransaction(partition) {
            beginRewind(partition, nowNs: nowNs)
        }
        if transaction?.isEmpty == false { counters.abortedTransactions &+= 1 }
        beginTransaction()
    }

    /// Whether the broken sink may be purged: nobody writes, so nothing comes behind the purge.
    package var canPurgeSink: Bool { isSinkBroken && !isWriting }

    /// Whether the broken sink has answered all that it was given and nobody writes, so that it can
    /// be restarted.
    package var canRestartSink: Bool { isSinkBroken && !isWriting && outbox.awaitedTotal == 0 }

    /// Whether all that has failed is delivered since, or not ours any more.
    package var isRecovered: Bool { backoffs.isEmpty && rewinds.isEmpty && !isSinkBroken }

    /// The sink has a new client; what is unfinished is read again.
    package mutating func sinkRestarted(nowNs: Int64) {
        isSinkBroken = false
        if transaction == nil { counters.sinkRestarts &+= 1 }
        for partition in ledger.partitions where ledger.unfinished(partition) > 0 {
            beginRewind(partition, nowNs: nowNs)
        }
    }

    private mutating func beginRewind(_ partition: Int32, nowNs: Int64) {
        guard let (offset, epoch) = ledger.rewind(partition), !ledger.isLeaving(partition) else {
            return
        }
        counters.rewinds &+= 1
        let wait = backoffs[partition, default: Backoff(firstNs: 100_000_000)].next()
        rewinds[partition] = Rewind(
            offset: offset, epoch: epoch, notBeforeNs: nowNs &+ wait,
            isPaused: rewinds[partition]?.isPaused ?? false)
    }

    // MARK: Transactions

    private func isInTransaction(_ partition: Int32) -> Bool {
        transaction?.partitions.contains(partition) ?? false
    }

    /// When the transaction is to be committed; nil where there is nothing to commit.
    package var commitDueNs: Int64? {
        guard let transaction, let dueNs = transaction.dueNs, !isSinkBroken else { return nil }
        // Those who wait for the commit to go on: the end, and partitions that are given back.
        let leaving = ledger.leaving
        let isAwaited =
            isStopping
            ? isIdle : !leaving.isEmpty && leaving.allSatisfy { ledger.unfinished($0) == 0 }
        return isAwaited ? transaction.sinceNs : dueNs
    }

    /// Whether the transaction may be committed now. Once it is due no further run is begun, and
    /// the answer becomes true when all that it holds is acknowledged. Then ask the source for its
    /// membership first, `beginCommit` after that: a partition that was lost in between is missing
    /// there, and one that is lost later is refused under that membership.
    package mutating func canCommit(nowNs: Int64) -> Bool {
        guard let dueNs = commitDueNs, nowNs >= dueNs else { return false }
        if transaction?.phase == .open {
            transaction?.close()
            outbox.hold()
        }
        return transaction?.phase == .closing && !isWriting && outbox.awaitedTotal == 0
            && !outbox.hasBegunRun
    }

    /// The offsets that belong into the transaction; answer with `committed` or `breakSink`. Nil
    /// where the transaction has been thrown away meanwhile.
    package mutating func beginCommit() -> [Ledger.Uncommitted]? {
        guard transaction?.phase == .closing, !isSinkBroken else { return nil }
        transaction?.beginCommit()
        return ledger.uncommitted
    }

    /// The broker has committed the transaction with these offsets.
    package mutating func committed(_ offsets: [Ledger.Uncommitted]) {
        for offset in offsets where ledger.commit(offset) { passed(offset.frontier) }
        counters.transactions &+= 1
        beginTransaction()
    }

    private mutating func beginTransaction() {
        transaction?.reset()
        outbox.letGo()
    }

    // MARK: The end of a batch

    /// The batch's records are counted and it is free for the next ones.
    package mutating func recycle(_ batch: Batch, tally: BatchTally) {
        chargedBytes &-= batch.chargedBytes
        counters.add(tally)
        batch.reset()
        setFree(batch)
    }

    /// The batch is free. Of what free batches have allocated half of the bound is kept: times of
    /// many small batches and of few large ones in turn would give each of them a large arena.
    /// Those that have been free for longest shrink; the next one to be taken never does.
    private mutating func setFree(_ batch: Batch) {
        freeSlots.append(batch.slot)
        freeBytes += batch.allocatedBytes
        guard freeBytes > boundBytes / 2 else { return }
        for slot in freeSlots.dropLast() {
            freeBytes -= batches[slot].allocatedBytes
            batches[slot].shrink()
            freeBytes += batches[slot].allocatedBytes
            if freeBytes <= boundBytes / 2 { return }
        }
    }
}
