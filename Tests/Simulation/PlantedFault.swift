import MillraceCore
import MillraceTestKit

/// Mistakes that a worker could make. They are made between the worker's own code and the simulated
/// source and sink, so that nothing in the worker knows of them.
package enum PlantedFault: String, CaseIterable, Sendable {
    /// Offsets are stored as soon as their records are read.
    case commitsWhatItHasRead
    case storesOneTooMany
    /// The highest acknowledged offset is stored, whatever is missing before it.
    case leavesGapInFrontier
    /// Answers that come after a rewind or a loss move the stored offset.
    case takesOldEpochs
    /// What is revoked is let go at once.
    case skipsTheDrain
    case commitsWhatIsLost
    /// A failed delivery counts as an acknowledged one.
    case takesFailureForSuccess
    /// A partition that rewinds goes on where it is.
    case resumesWithoutSeeking
    case losesARecord
    case swapsRecords
    case writesTwice
    case forgetsADeadLetter
    case buriesGoodRecords
    case changesAValue
    case releasesTwice
    case releasesTooFew
    /// Records come although there is no room for them.
    case readsWithoutRoom
    case losesWakeUps
    /// The offsets are not part of the transaction.
    case commitsBesideTransaction
    case commitsOneTooManyInTransaction
    /// The offsets come without the member's generation.
    case isNotFenced
    /// A commit that failed counts as one that came through.
    case takesFailedCommitForDone
    /// What was thrown away is still in the next transaction.
    case forgetsToAbort
    /// Goes on with a producer of whose commit the answer is missing.
    case keepsProducerInDoubt
    /// Reads again from where it believes that the last commit was.
    case trustsItsOwnOffset

    /// Whether it can only be made with `delivery: exactly_once`, or only without.
    var needsTransactions: Bool? {
        switch self {
        case .commitsBesideTransaction, .commitsOneTooManyInTransaction, .isNotFenced,
            .takesFailedCommitForDone, .forgetsToAbort, .keepsProducerInDoubt,
            .trustsItsOwnOffset:
            true
        case .commitsWhatItHasRead, .storesOneTooMany, .leavesGapInFrontier, .takesOldEpochs,
            .skipsTheDrain, .commitsWhatIsLost:
            false
        default: nil
        }
    }
}

/// Source and sink as the worker gets them.
struct PlantedParts {
    let source: any TransactionalSource
    let sink: any TransactionalSink

    init(_ source: SimulatedSource, _ sink: SimulatedSink, _ cluster: Cluster) {
        guard let fault = cluster.world.fault else {
            (self.source, self.sink) = (source, sink)
            return
        }
        self.source = PlantedSource(source, cluster, fault)
        self.sink = PlantedSink(sink, source, cluster, fault)
    }
}

/// A source between the worker and the simulated one, with a mistake.
@safe private final class PlantedSource: TransactionalSource, @unchecked Sendable {
    // Sound: a run has one thread.
    private let base: SimulatedSource
    private let cluster: Cluster
    private let fault: PlantedFault
    private var lost: Set<Int32> = []

    init(_ base: SimulatedSource, _ cluster: Cluster, _ fault: PlantedFault) {
        self.base = base
        self.cluster = cluster
        self.fault = fault
    }

    private func strikes(_ share: Double) -> Bool { cluster.world.random.chance(share) }

    func start() throws(ServiceError) { try base.start() }

    func poll(
        into records: inout ContiguousArray<RecordView>, limit: Int, timeoutMs: Int32
    ) {
        let before = unsafe records.count
        unsafe base.poll(into: &records, limit: limit, timeoutMs: timeoutMs)
        if fault == .readsWithoutRoom {
            unsafe base.poll(into: &records, limit: 10_000, timeoutMs: timeoutMs)
        }
        if fault == .commitsWhatItHasRead {
            for index in unsafe before..<records.count {
                let record = unsafe records[index]
                unsafe base.storeOffset(record.partition, next: record.offset + 1)
            }
        }
        let hasCome = unsafe records.count > before
        if fault == .losesARecord, hasCome, strikes(0.1) {
            var last = unsafe records.removeLast()
            unsafe withUnsafeMutablePointer(to: &last) { unsafe base.release($0, count: 1) }
        }
    }

    func takeEvent() -> SourceEvent? {
        let event = base.takeEvent()
        if case .lost(let partitions)? = event { lost.formUnion(partitions) }
        if fault == .skipsTheDrain, case .revoked(let partitions)? = event {
            return .lost(partitions)
        }
        return event
    }

    func wake() { base.wake() }

    func assign(_ partitions: [Int32]) {
        lost.subtract(partitions)
        base.assign(partitions)
    }

    func unassign(_ partitions: [Int32]) {
        if fault == .commitsWhatIsLost, !lost.isDisjoint(with: partitions) {
            try? base.commitStored(timeoutMs: 0)
        }
        base.unassign(partitions)
    }

    func pause(_ partitions: [Int32]) {
        base.pause(partitions)
        if fault == .readsWithoutRoom { base.resume(partitions) }
    }

    func resume(_ partitions: [Int32]) {
        if fault != .readsWithoutRoom { base.resume(partitions) }
    }

    func seek(_ partition: Int32, to offset: Int64) throws(ServiceError) {
        if fault == .resumesWithoutSeeking { return }
        if fault == .readsWithoutRoom { base.pause([partition]) }
        try base.seek(partition, to: offset)
        if fault == .readsWithoutRoom { base.resume([partition]) }
    }

    func storeOffset(_ partition: Int32, next offset: Int64) {
        switch fault {
        case .storesOneTooMany: base.storeOffset(partition, next: offset + 1)
        // These store by themselves.
        case .commitsWhatItHasRead, .leavesGapInFrontier: break
        default: base.storeOffset(partition, next: offset)
        }
    }

    func commitStored(timeoutMs: Int32) throws(ServiceError) {
        try base.commitStored(timeoutMs: timeoutMs)
    }

    func endOffsets(timeoutMs: Int32) throws(ServiceError) -> [Int32: Int64] {
        try base.endOffsets(timeoutMs: timeoutMs)
    }

    func release(_ records: UnsafeMutablePointer<RecordView>, count: Int) {
        if fault == .releasesTooFew, strikes(0.1) {
            unsafe base.release(records, count: count - 1)
            return
        }
        unsafe base.release(records, count: count)
        if fault == .releasesTwice, strikes(0.1) { unsafe base.release(records, count: 1) }
    }

    func noteHeaders(of batch: Batch) { base.noteHeaders(of: batch) }

    func lastHeader(
        named name: [CChar], of handle: UnsafeMutableRawPointer
    ) -> UnsafeRawBufferPointer? { nil }

    func close() { base.close() }

    func membership() throws(ServiceError) -> any Membership { try base.membership() }

    func committedOffsets(
        of partitions: [Int32], timeoutMs: Int32
    ) throws(ServiceError) -> [Int32: Int64] {
        fault == .trustsItsOwnOffset
            ? [:] : try base.committedOffsets(of: partitions, timeoutMs: timeoutMs)
    }
}
