/// What became of one record of a batch.
package struct RecordResult: Sendable {
    /// How far the record is.
    package enum State: UInt8, Sendable {
        /// Taken in, not decided.
        case taken
        /// Scored: the output value is in the arena.
        case scored
        /// Goes out as it came: a tombstone, or `on_error: pass`.
        case passed
        /// Goes to the dead letters; `Batch.errors` has the reason.
        case dead
    }

    package var state: State
    /// False where the source has said that the record has no headers.
    package var mayHaveHeaders = true
    /// Index of the record's partition run in `Batch.runs`.
    package var run: Int32
    /// Row in the feature columns; -1 without one.
    package var row: Int32
    /// Start of the output value in the arena, in bytes.
    package var outputStart: Int
    /// Bytes of the output value.
    package var outputCount: Int

    package init(run: Int32) {
        self.state = .taken
        self.run = run
        self.row = -1
        self.outputStart = 0
        self.outputCount = 0
    }
}

/// The records of one partition in one batch, under one ticket of the ledger.
package struct PartitionRun: Sendable {
    package let ticket: Ledger.Ticket
    package let count: Int
    /// Index of the run's first record in `Batch.order`.
    package let first: Int
    /// Offset of the run's last record.
    package let lastOffset: Int64
    /// The run is not written: its partition was lost or rewinds, or the batch was abandoned.
    package var isDiscarded = false

    package init(ticket: Ledger.Ticket, count: Int, first: Int, lastOffset: Int64) {
        self.ticket = ticket
        self.count = count
        self.first = first
        self.lastOffset = lastOffset
    }
}

/// The records that are scored by one call of the model, with their results and their ledger
/// tickets: the batch carries its own acknowledgement.
///
/// Pooled: allocated once, filled and emptied many times. Exactly one thread owns a batch at a
/// time; ownership passes intake -> lane -> sequencer -> delivery through locked queues.
@safe package final class Batch: @unchecked Sendable {  // sound by the ownership rule above
    /// Fixed index in the pool; travels through the producer as part of each message's opaque.
    package let slot: Int
    /// Position in the order in which batches were cut.
    package var number: UInt64 = 0
    package private(set) var count = 0
    /// Room for this many records; grows.
    package private(set) var capacity: Int
    package private(set) var records: UnsafeMutablePointer<RecordView>
    package private(set) var results: UnsafeMutablePointer<RecordResult>
    /// Indices of the records, those of one run together and in the order of their offsets.
    package private(set) var order: UnsafeMutablePointer<Int32>
    package let arena = OutputArena()
    package var runs: [PartitionRun] = []
    /// Indices of runs of which the broker refused a record: what it took of them is read again
    /// too. Apart from `runs`, which a lane may be writing from when the refusal comes.
    package var failedRuns: [Int] = []
    /// Reasons of the dead records, by record index, in no order.
    package private(set) var errors: [(record: Int, error: RecordError)] = []
    /// Sum of the records' `chargedBytes`.
    package private(set) var chargedBytes = 0
    /// Nanoseconds on the worker's monotonic clock when the batch was cut.
    package var cutAtNs: Int64 = 0
    /// Records that are neither acknowledged nor discarded, and one for the one who releases the
    /// source's records; the flow's own count.
    package var unfinished = 0
    /// Records that are neither written nor discarded; the flow's own count.
    package var unwritten = 0
    /// The session or the policy wants the whole batch left out: its records are read again later.
    package var isAbandoned = false

    package init(slot: Int, capacity: Int) {
        self.slot = slot
        self.capacity = capacity
        unsafe self.records = .allocate(capacity: capacity)
        unsafe self.results = .allocate(capacity: capacity)
        unsafe self.order = .allocate(capacity: capacity)
    }

    deinit {
        unsafe records.deallocate()
        unsafe results.deallocate()
        unsafe order.deallocate()
    }

    /// Empties the batch for its next use; keeps what it has allocated, up to a limit.
    package func reset() {
        count = 0
        runs.removeAll(keepingCapacity: true)
        failedRuns.removeAll(keepingCapacity: true)
        errors.removeAll(keepingCapacity: errors.capacity <= 64)
        chargedBytes = 0
        unfinished = 0
        unwritten = 0
        isAbandoned = false
        arena.reset()
    }

    /// Bytes that it has allocated for its records and their values.
    package var allocatedBytes: Int {
        let record = unsafe MemoryLayout<RecordView>.stride
        return capacity * (record + MemoryLayout<RecordResult>.stride + MemoryLayout<Int32>.stride)
            + arena.capacity
    }

    /// An empty batch gives back what it has allocated, where that is worth it.
    package func shrink() {
        guard count == 0, allocatedBytes > 16 << 10 else { return }
        unsafe records.deallocate()
        unsafe results.deallocate()
        unsafe order.deallocate()
        capacity = 1
        unsafe records = .allocate(capacity: capacity)
        unsafe results = .allocate(capacity: capacity)
        unsafe order = .allocate(capacity: capacity)
        arena.free()
    }

    /// Adds a record under the run of that index.
    package func add(_ record: RecordView, run: Int32) {
        if count == capacity { grow() }
        unsafe (records + count).initialize(to: record)
        unsafe (results + count).initialize(to: RecordResult(run: run))
        count += 1
        chargedBytes &+= unsafe record.chargedBytes
    }

    /// Fills `order`; `runCounts` are the numbers of records of each run.
    package func sortByRun(_ runCounts: [Int]) {
        if runCounts.count == 1 {
            for index in 0..<count { unsafe order[index] = Int32(truncatingIfNeeded: index) }
            return
        }
        var next: [Int] = []
        var start = 0
        for runCount in runCounts {
            next.append(start)
            start += runCount
        }
        for index in 0..<count {
            let run = unsafe Int(results[index].run)
            unsafe order[next[run]] = Int32(truncatingIfNeeded: index)
            next[run] += 1
        }
    }

    /// Makes the record a dead letter for that reason. The first reason stays.
    package func markDead(_ record: Int, _ error: RecordError) {
        guard unsafe results[record].state != .dead else { return }
        unsafe results[record].state = .dead
        errors.append((record: record, error: error))
    }

    /// Takes the batch back to where it was cut, for another try at scoring it. Records whose
    /// output or dead letter the broker had refused before (`Flow.condemned`) stay dead.
    package func startOver() {
        errors.removeAll { $0.error.kind != .rejected && $0.error.letterRefusals == 0 }
        for index in 0..<count {
            let run = unsafe results[index].run
            unsafe results[index] = RecordResult(run: run)
        }
        for (record, _) in errors { unsafe results[record].state = .dead }
        arena.reset()
    }

    /// Sends all dead records on as they came (`on_error: pass`); returns how many.
    package func passDeadRecords() -> Int {
        let passed = errors.count
        for (record, _) in errors { unsafe results[record].state = .passed }
        errors.removeAll()
        return passed
    }

    /// `on_error: pass`: a record that only its predictions make too large for the output goes on
    /// as it came. False where it is not such a record, or has been passed already.
    package func passUnscored(_ record: Int) -> Bool {
        guard let error = error(of: record), error.kind == .tooLarge,
            unsafe results[record].outputCount > 0
        else { return false }
        errors.removeAll { $0.record == record }
        unsafe results[record].state = .passed
        unsafe results[record].outputCount = 0
        return true
    }

    /// The reason of a dead record.
    package func error(of record: Int) -> RecordError? {
        errors.first { $0.record == record }?.error
    }

    private func grow() {
        let doubled = max(16, capacity * 2)
        let newRecords = UnsafeMutablePointer<RecordView>.allocate(capacity: doubled)
        let newResults = UnsafeMutablePointer<RecordResult>.allocate(capacity: doubled)
        unsafe newRecords.moveInitialize(from: records, count: count)
        unsafe newResults.moveInitialize(from: results, count: count)
        unsafe records.deallocate()
        unsafe results.deallocate()
        unsafe order.deallocate()
        unsafe order = .allocate(capacity: doubled)
        unsafe records = newRecords
        unsafe results = newResults
        capacity = doubled
    }
}

/// The bytes of a batch's output values: one growing block. Handing out room may move the block, so
/// keep offsets, not pointers, across calls of `reserve`.
@safe package final class OutputArena {
    package private(set) var base: UnsafeMutableRawPointer
    package private(set) var capacity: Int
    /// Bytes handed out.
    package var used = 0

    /// A block that a batch keeps between uses is at most this large: 512 records of 4 KiB.
    private static let keptBytes = 2 << 20
    private static let smallestBytes = 16 << 10

    package init() {
        capacity = 0
        unsafe base = .allocate(byteCount: 64, alignment: 64)
    }

    deinit { unsafe base.deallocate() }

    /// Makes sure that `byteCount` more bytes are there behind `used`; contents stay.
    package func reserve(_ byteCount: Int) {
        guard byteCount > capacity - used else { return }
        var larger = max(capacity, Self.smallestBytes)
        while larger - used < byteCount { larger *= 2 }
        let block = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 64)
        unsafe block.copyMemory(from: base, byteCount: used)
        unsafe base.deallocate()
        unsafe base = block
        capacity = larger
    }

    /// Takes all room back; a block larger than a batch may keep is freed.
    package func reset() {
        used = 0
        if capacity > Self.keptBytes { free() }
    }

    /// Frees the block.
    package func free() {
        used = 0
        unsafe base.deallocate()
        capacity = 0
        unsafe base = .allocate(byteCount: 64, alignment: 64)
    }
}
