internal import MillraceCore
internal import Synchronization

/// A copy of one enriched record, for people to look at.
package struct RecordSample: Sendable, Equatable {
    /// Of the source topic, as is `offset`.
    package let partition: Int32
    package let offset: Int64
    /// When it was acknowledged: microseconds since 1970.
    package let takenAtUs: Int64
    /// The output value, or its beginning.
    package let value: [UInt8]
    /// Bytes of the whole value.
    package let byteCount: Int

    /// Whether `value` is not all of it.
    package var isCut: Bool { value.count < byteCount }
}

/// The last few enriched records. Taking one costs a copy, and finding one a look at a batch's
/// states; how often that happens is limited by time and not by load, so the record path pays one
/// atomic look a batch for it.
final class RecordSamples: Sendable {
    /// As much of a value as is kept. A page shows some lines of it; and the most samples that a
    /// file may ask for are 200 KiB together, and about 400 KiB with their quotes escaped in one
    /// answer of the HTTP server, which may hold as many of them as it has connections.
    static let valueBytes = 4 << 10

    private let limit: Int
    /// So often that a page that looks once a second may find all of them new.
    private let intervalUs: Int64
    /// Where a batch has no record to show, the next one is looked at sooner; not at once, as all
    /// may be like that (records that are passed on).
    private let retryUs: Int64
    /// When it is time for the next batch.
    private let nextUs = Atomic<Int64>(0)
    private let kept = Mutex<[RecordSample]>([])

    /// Keeps the last `limit`; 0 takes none.
    init(limit: Int) {
        self.limit = max(0, limit)
        intervalUs = 1_000_000 / Int64(max(1, self.limit))
        retryUs = intervalUs / 16
    }

    /// Takes at most one record of a batch that is finished and not yet free, where it is time.
    /// Any thread.
    func offer(_ batch: Batch, nowUs: Int64) {
        guard limit > 0 else { return }
        let next = nextUs.load(ordering: .relaxed)
        // A wall clock that was set back makes it time as well.
        guard nowUs >= next || next &- nowUs > intervalUs,
            nextUs.compareExchange(
                expected: next, desired: nowUs &+ retryUs, ordering: .relaxed
            ).exchanged,
            let index = Self.scored(batch)
        else { return }
        nextUs.store(nowUs &+ intervalUs, ordering: .relaxed)
        let result = unsafe batch.results[index]
        let start = unsafe batch.arena.base + result.outputStart
        let bytes = unsafe UnsafeRawBufferPointer(
            start: start, count: min(result.outputCount, Self.valueBytes))
        let sample = unsafe RecordSample(
            partition: batch.records[index].partition, offset: batch.records[index].offset,
            takenAtUs: nowUs, value: Array(bytes), byteCount: result.outputCount)
        kept.withLock { kept in
            if kept.count == limit { kept.removeFirst() }
            kept.append(sample)
        }
    }

    /// The last record of the batch that went out with predictions.
    private static func scored(_ batch: Batch) -> Int? {
        (0..<batch.count).last { index in
            let result = unsafe batch.results[index]
            return result.state == .scored && !batch.runs[Int(result.run)].isDiscarded
        }
    }

    /// The oldest first.
    var all: [RecordSample] { kept.withLock { $0 } }
}
