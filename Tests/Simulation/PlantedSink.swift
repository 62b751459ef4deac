import MillraceCore
import MillraceTestKit

/// A sink between the worker and the simulated one, with a mistake.
@safe final class PlantedSink: TransactionalSink, @unchecked Sendable {
    // Sound: a run has one thread.
    private let base: SimulatedSink
    private let source: SimulatedSource
    private let cluster: Cluster
    private let fault: PlantedFault

    /// A run of a batch.
    private struct Place: Hashable {
        let slot: Int
        let run: Int
    }

    private struct Written {
        let partition: Int32
        let offset: Int64
        let epoch: UInt32
    }

    /// What was written of each run and is not answered, oldest first.
    private var written: [Place: [Written]] = [:]
    /// By partition: the epoch that was written last.
    private var epochs: [Int32: UInt32] = [:]
    /// Answers that no broker gave.
    private var invented: [Delivery] = []
    /// How many answers of a run are not the worker's.
    private var surplus: [Place: Int] = [:]

    init(
        _ base: SimulatedSink, _ source: SimulatedSource, _ cluster: Cluster, _ fault: PlantedFault
    ) {
        self.base = base
        self.source = source
        self.cluster = cluster
        self.fault = fault
    }

    private func strikes(_ share: Double) -> Bool { cluster.world.random.chance(share) }

    // MARK: Writing

    func write(_ batch: Batch, positions: Range<Int>) -> WriteProgress {
        let order = unsafe batch.order
        let (first, last) = (positions.lowerBound, positions.upperBound - 1)
        switch fault {
        case .swapsRecords where strikes(0.2): unsafe swap(&order[first], &order[last])
        case .changesAValue where strikes(0.1):
            let result = unsafe batch.results[Int(order[first])]
            if result.state == .scored, result.outputCount > 0 {
                unsafe (batch.arena.base + result.outputStart)
                    .storeBytes(of: UInt8(ascii: "#"), as: UInt8.self)
            }
        case .buriesGoodRecords where strikes(0.1):
            unsafe batch.markDead(Int(order[first]), RecordError(.inference, "buried"))
        case .forgetsADeadLetter:
            if let progress = forget(batch, positions) { return progress }
        default: break
        }
        let progress = base.write(batch, positions: positions)
        var count = positions.count
        switch progress {
        case .done: break
        case .full(let written), .failed(let written, _): count = written
        }
        note(batch, positions.prefix(count))
        if fault == .writesTwice, progress == .done, strikes(0.2) { repeatWrite(batch, positions) }
        return progress
    }

    private func repeatWrite(_ batch: Batch, _ positions: Range<Int>) {
        let place = place(batch, positions.lowerBound)
        var count = positions.count
        switch base.write(batch, positions: positions) {
        case .done: break
        case .full(let written), .failed(let written, _): count = written
        }
        surplus[place, default: 0] += count
    }

    private func place(_ batch: Batch, _ position: Int) -> Place {
        unsafe Place(slot: batch.slot, run: Int(batch.results[Int(batch.order[position])].run))
    }

    /// A dead letter at the beginning is left out and answered.
    private func forget(_ batch: Batch, _ positions: Range<Int>) -> WriteProgress? {
        let index = unsafe Int(batch.order[positions.lowerBound])
        guard unsafe batch.results[index].state == .dead else { return nil }
        let run = unsafe Int(batch.results[index].run)
        invented.append(
            Delivery(slot: batch.slot, run: run, record: index, count: 1, failure: nil))
        base.wake()
        let rest = positions.dropFirst()
        guard !rest.isEmpty else { return .done }
        switch write(batch, positions: rest) {
        case .done: return .done
        case .full(let written): return .full(written: written + 1)
        case .failed(let written, let error): return .failed(written: written + 1, error)
        }
    }

    private func note(_ batch: Batch, _ positions: Range<Int>) {
        for position in positions {
            let record = unsafe batch.records[Int(batch.order[position])]
            let (partition, epoch) = unsafe (record.partition, record.epoch)
            epochs[partition] = max(epochs[partition] ?? 0, epoch)
            unsafe written[place(batch, position), default: []].append(
                Written(partition: partition, offset: record.offset, epoch: epoch))
        }
    }

    // MARK: Answers

    func poll(into deliveries: inout [Delivery], timeoutMs: Int32) {
        var answers: [Delivery] = []
        base.poll(into: &answers, timeoutMs: timeoutMs)
        for answer in answers + invented { take(answer, into: &deliveries) }
        invented = []
    }

    private func take(_ answer: Delivery, into deliveries: inout [Delivery]) {
        let place = Place(slot: answer.slot, run: answer.run)
        var known = written[place] ?? []
        if known.count < answer.count, let extra = surplus[place], extra >= answer.count {
            surplus[place] = extra - answer.count
            return
        }
        let answered = known.prefix(answer.count)
        known.removeFirst(answered.count)
        written[place] = known
        guard answer.failure != nil else {
            for record in answered { store(record) }
            return deliveries.append(answer)
        }
        let isTaken = fault == .takesFailureForSuccess && strikes(0.5)
        deliveries.append(
            Delivery(
                slot: answer.slot, run: answer.run, record: answer.record, count: answer.count,
                failure: isTaken ? nil : answer.failure))
    }

    private func store(_ record: Written) {
        let isOld = record.epoch < epochs[record.partition] ?? 0
        let stored = source.held[record.partition]?.stored ?? -1
        guard record.offset >= stored else { return }
        if fault == .leavesGapInFrontier || (fault == .takesOldEpochs && isOld) {
            source.storeOffset(record.partition, next: record.offset + 1)
        }
    }

    func wake() { base.wake() }

    func purge() { base.purge() }

    func restart() throws(ServiceError) { try base.restart() }

    func close() { base.close() }

    // MARK: Transactions

    func begin(timeoutMs: Int32) throws(ServiceError) { try base.begin(timeoutMs: timeoutMs) }

    func commit(
        _ offsets: [Ledger.Frontier], as member: any Membership
    ) throws(ServiceError) {
        switch fault {
        case .commitsBesideTransaction:
            try base.commit([], as: member)
            let pairs = offsets.map { ($0.partition, $0.offset) }
            try cluster.commit(Dictionary(uniqueKeysWithValues: pairs), isMember: true)
        case .commitsOneTooManyInTransaction:
            let moved = offsets.map {
                Ledger.Frontier(partition: $0.partition, offset: $0.offset + 1)
            }
            try base.commit(moved, as: member)
        case .isNotFenced:
            try base.commit(offsets, as: cluster.group.anyMembership)
        case .takesFailedCommitForDone:
            try? base.commit(offsets, as: member)
        default: try base.commit(offsets, as: member)
        }
    }
}
