internal import MillraceConfig
internal import MillraceCore
internal import MillraceWorker

/// What `/status.json` says and the page shows: totals since the start, from which the page works
/// out what happens in a second, and what is true now.
struct Status: Encodable {
    var pipeline: String
    var from: String
    var to: String
    var deadLetters: String?
    var group: String
    var isLive: Bool
    var isReady: Bool
    var missing: [String]
    /// On the worker's monotonic clock, milliseconds: for differences between two of these.
    var clockMs: Int64
    var records: Records
    var dead: [Reason]
    var batches: Batches
    /// By step, over the last seconds.
    var latency: [Latency]
    var partitions: Partitions
    var flow: Flow
    var model: Model
    var versions: Versions
    var samples: Samples

    struct Records: Encodable {
        var incoming: UInt64
        var scored: UInt64
        var passed: UInt64
        var dead: UInt64
        var discarded: UInt64
        var bytesIn: UInt64
        var bytesOut: UInt64
    }

    struct Reason: Encodable {
        var reason: String
        var count: UInt64
    }

    struct Batches: Encodable {
        var count: UInt64
        /// Most records of one: `batch.max_records`.
        var limit: Int
        var lanes: Int
        /// Batches of 1 record, of 2, of 3 and 4, of 5 to 8 and so on.
        var sizes: [UInt64]
    }

    struct Latency: Encodable {
        var step: String
        /// Records or batches that were measured; the quantiles are absent where it is 0.
        var count: UInt64
        var p50Us: Int64?
        var p99Us: Int64?
    }

    struct Partitions: Encodable {
        var assigned: Int
        /// Of the partitions whose lag is known; absent where none is.
        var lag: Int64?
        /// Those that lag most, in their order.
        var shown: [Partition]
    }

    struct Partition: Encodable {
        var partition: Int32
        var frontier: Int64?
        var end: Int64?
        var lag: Int64?
    }

    struct Flow: Encodable {
        var inFlightBytes: Int
        var inFlightLimitBytes: Int
        var isPaused: Bool
        var pauses: UInt64
        var rebalances: UInt64
        var rewinds: UInt64
        var deliveryFailures: UInt64
        var producerRestarts: UInt64
    }

    struct Model: Encodable {
        var name: String
        var version: String
        var engine: String
        var engineVersion: String
    }

    struct Versions: Encodable {
        var millrace: String
        var librdkafka: String
    }

    struct Samples: Encodable {
        /// `http.samples`.
        var limit: Int
        var hidden: [String]
        /// Names of the fields that were appended.
        var predictions: [String]
        /// The newest first.
        var shown: [Sample]
    }

    struct Sample: Encodable {
        var partition: Int32
        var offset: Int64
        var ageMs: Int64
        /// The text of the value, hidden fields replaced; of a long value its beginning.
        var value: String
        /// Bytes of the whole value where `value` is only its beginning.
        var cutFromBytes: Int?
    }
}

extension Status.Partitions {
    /// A page shows as many rows; the answer stays small for topics with thousands of partitions.
    private static let shownLimit = 100

    init(_ all: [PartitionProgress]) {
        let lags = all.compactMap(\.lag)
        let most = all.sorted { ($0.lag ?? -1) > ($1.lag ?? -1) }.prefix(Self.shownLimit)
        assigned = all.count
        lag = lags.isEmpty ? nil : lags.reduce(0, &+)
        shown = most.sorted { $0.partition < $1.partition }.map {
            Status.Partition(
                partition: $0.partition, frontier: $0.frontier, end: $0.end, lag: $0.lag)
        }
    }
}

extension Status.Samples {
    init(
        _ samples: [RecordSample], limit: Int, hide: [FieldPointer], append: AppendPlan,
        nowUs: Int64
    ) {
        self.limit = limit
        hidden = hide.map(\.description)
        predictions = append.under.map { [$0] } ?? append.fields.map(\.name)
        shown = samples.reversed().compactMap { sample in
            Self.text(of: sample, hide: hide).map { text in
                Status.Sample(
                    partition: sample.partition, offset: sample.offset,
                    ageMs: max(0, nowUs &- sample.takenAtUs) / 1_000, value: text,
                    cutFromBytes: sample.isCut ? sample.byteCount : nil)
            }
        }
    }

    /// Nil where something has to be hidden and cannot be found: in a value that is cut, or that
    /// our parser does not read.
    private static func text(of sample: RecordSample, hide: [FieldPointer]) -> String? {
        if hide.isEmpty { return String(decoding: sample.value, as: UTF8.self) }
        if sample.isCut { return nil }
        return JSONValue.parse(sample.value)?.hiding(hide).text
    }
}

extension Status {
    /// A step's name with what was measured of it.
    static func latency(_ step: String, _ times: LatencyHistogram) -> Latency {
        Latency(
            step: step, count: times.count, p50Us: times.quantile(0.5), p99Us: times.quantile(0.99))
    }
}
