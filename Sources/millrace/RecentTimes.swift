internal import MillraceCore
internal import MillraceWorker

/// The latencies of the last seconds, from histograms that only grow: what came since a state that
/// is one to two spans old. It moves on when it is asked; after a long silence the first answer is
/// about all of that time.
struct RecentTimes {
    /// Long enough that the 99th percentile of a few records a second says something.
    private static let spanNs: Int64 = 5_000_000_000

    private var older = WorkerTimings()
    private var newer = WorkerTimings()
    private var newerAtNs: Int64

    init(nowNs: Int64) { newerAtNs = nowNs }

    /// The steps' latencies up to `timings`, the state of now.
    mutating func take(_ timings: WorkerTimings, nowNs: Int64) -> [Status.Latency] {
        if nowNs &- newerAtNs >= Self.spanNs {
            older = newer
            newer = timings
            newerAtNs = nowNs
        }
        return [
            Status.latency("end to end", timings.endToEnd.since(older.endToEnd)),
            Status.latency("queue wait", timings.queueWait.since(older.queueWait)),
            Status.latency("decode", timings.decode.since(older.decode)),
            Status.latency("inference", timings.inference.since(older.inference)),
            Status.latency("append", timings.append.since(older.append)),
            Status.latency("delivery", timings.delivery.since(older.delivery)),
        ]
    }
}
