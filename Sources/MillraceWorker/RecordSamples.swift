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

/// The last few enriched records. Taking one costs a copy; how often that happens is limited by
/// time and not by load, so the record path pays one atomic look a batch for it.
final class RecordSamples: Sendable {
    /// As much of a value as is kept. A page shows some lines of it; and the most samples that a
    /// file may ask for are 200 KiB together, as one answer of the HTTP server, which may hold as
    /// many of them as it has connections.
    static let valueBytes = 4 << 10

    private let limit: Int
    /// So often that a page that looks once a second may find all of them new.
    private let intervalUs: Int64
    private let lastUs = Atomic<Int64>(0)
    private let kept = Mutex<[RecordSample]>([])

    /// Keeps the last `limit`; 0 takes none.
    init(limit: Int) {
        self.limit = max(0, limit)
        intervalUs = 1_000_000 / Int64(max(1, self.limit))
    }

    /// Takes at most one record of a batch that is finished and not yet free, where it is time.
    /// Any thread.
    func offer(_ batch: Batch, nowUs: Int64) {
        guard limit > 0 else { return }
        let last = lastUs.load(ordering: .relaxed)
        // A wall clock that was set back makes it time as well.
        guard nowUs < last || nowUs &- last >= intervalUs, let index = Self.scored(batch),
            lastUs.compareExchange(expected: last, desired: nowUs, ordering: .relaxed).exchanged
        else { return }
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
