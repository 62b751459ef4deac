package import MillraceCore

/// What a worker shows of itself at one moment.
package struct WorkerSnapshot: Sendable {
    package var counters = FlowCounters()
    package var timings = WorkerTimings()
    /// By partition: the offset of the first record that is not finished. Only of partitions that
    /// are ours and of which a record has been cut.
    package var frontiers: [Int32: Int64] = [:]
    /// Bytes taken in and unfinished, and their bound.
    package var chargedBytes = 0
    package var boundBytes = 0
    package var lanes = 0
    /// `batch.max_records`.
    package var maxRecords = 0
    package var assigned: [Int32] = []
    package var rebalances: UInt64 = 0
    /// Times that records of a partition were deleted before they were read.
    package var positionsGone: UInt64 = 0
    package var isPaused = false
    package var pauses: UInt64 = 0
    /// `untilEnd`: where each partition ended when the worker started.
    package var ends: [Int32: Int64] = [:]
    /// `untilEnd`: the partitions at whose end the source has been at least once.
    package var readToEnd: Set<Int32> = []

    /// `untilEnd`: offsets between what is finished and the ends, of our partitions. Nil while it
    /// is not known of each where its reading begins.
    package var offsetsLeft: Int64? {
        guard !assigned.isEmpty, !ends.isEmpty else { return nil }
        var left: Int64 = 0
        for partition in assigned {
            let end = ends[partition] ?? 0
            if let frontier = frontiers[partition] {
                left &+= max(0, end &- frontier)
            } else if end > 0, !readToEnd.contains(partition) {
                return nil
            }
        }
        return left
    }
}

/// How long the steps of the records' way take, since the start.
package struct WorkerTimings: Sendable {
    /// A record's timestamp to the acknowledgement of its output; one count a record.
    package var endToEnd = LatencyHistogram()
    /// Taken in to cut into a batch; one count a record.
    package var queueWait = LatencyHistogram()
    /// Reading the features; one count a batch, as for the next two.
    package var decode = LatencyHistogram()
    /// The engine's calls.
    package var inference = LatencyHistogram()
    /// Appending the predictions.
    package var append = LatencyHistogram()
    /// Handed to the sink to acknowledged; one count a record.
    package var delivery = LatencyHistogram()
    /// Records of each batch.
    package var batchRecords = SizeHistogram()

    package init() {}

    /// Takes in what the batch has noted of itself.
    mutating func add(_ batch: Batch) {
        let times = batch.times
        for (ns, count) in times.waits { queueWait.record(ns: ns, count: count) }
        decode.record(ns: times.decodeNs)
        if let ns = times.inferenceNs { inference.record(ns: ns) }
        if let ns = times.appendNs { append.record(ns: ns) }
        batchRecords.record(batch.count)
    }
}
