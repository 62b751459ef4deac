internal import MillraceCore
internal import MillraceWorker

/// The worker's numbers as metrics: the one list of names.
enum WorkerMetrics {
    /// Upper bounds of the latency histogram in seconds: a millisecond to ten minutes.
    private static let latencyBounds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600,
    ]

    /// All metrics of a worker at this moment.
    static func all(_ worker: WorkerSnapshot, isReady: Bool, info: [(String, String)]) -> [Metric] {
        records(worker.counters) + flow(worker) + [
            gauge(
                "millrace_ready", "Whether the worker processes records (1) or not (0).",
                isReady ? 1 : 0),
            Metric(
                "millrace_info", .gauge, "What runs on what; the value is always 1.",
                samples: [
                    .init(labels: info.map { (name: $0.0, value: $0.1) }, value: .number(1))
                ]),
        ]
    }

    private static func records(_ counters: FlowCounters) -> [Metric] {
        let dead = zip(RecordError.Kind.allCases, counters.dead).map { kind, count in
            Metric.Sample(
                labels: [(name: "reason", value: kind.rawValue)], value: .number(Double(count)))
        }
        return [
            counter(
                "millrace_records_in_total",
                "Records read from the source topic, repeated readings included.",
                counters.recordsIn),
            counter(
                "millrace_records_scored_total",
                "Enriched records that the broker has acknowledged.", counters.scored),
            counter(
                "millrace_records_passed_total",
                "Records that went out as they came (tombstones, on_error: pass), acknowledged.",
                counters.passed),
            Metric(
                "millrace_records_dead_total", .counter,
                "Dead letters that the broker has acknowledged, by reason.", samples: dead),
            counter(
                "millrace_records_discarded_total",
                "Records dropped after a revoke, a loss or a rewind, to be read again.",
                counters.discarded),
            counter(
                "millrace_input_bytes_total",
                "Bytes read, each record with its bookkeeping of 512 bytes.", counters.bytesIn),
            counter(
                "millrace_output_bytes_total", "Bytes of enriched values, acknowledged.",
                counters.outputBytes),
            counter("millrace_batches_total", "Batches finished.", counters.batches),
            counter(
                "millrace_delivery_failures_total",
                "Records that the broker did not acknowledge; they are read again.",
                counters.deliveryFailures),
            counter(
                "millrace_rewinds_total",
                "Times that a partition was read again from its first unfinished record.",
                counters.rewinds),
            counter(
                "millrace_producer_restarts_total",
                "Times that the producer was made again after a fatal error.",
                counters.sinkRestarts),
        ]
    }

    private static func flow(_ worker: WorkerSnapshot) -> [Metric] {
        [
            Metric(
                "millrace_end_to_end_latency_seconds", .histogram,
                "From a record's timestamp to the acknowledgement of its output.",
                samples: [
                    .init(value: worker.latency.distribution(bounds: latencyBounds))
                ]),
            gauge(
                "millrace_in_flight_bytes", "Bytes taken in and not yet finished.",
                Double(worker.chargedBytes)),
            gauge(
                "millrace_in_flight_limit_bytes",
                "Most bytes taken in and not yet finished; at the limit partitions are paused.",
                Double(worker.boundBytes)),
            gauge(
                "millrace_assigned_partitions", "Partitions that this worker owns.",
                Double(worker.assigned.count)),
            counter(
                "millrace_rebalances_total",
                "Assignments, revokes and losses that this worker has seen.", worker.rebalances),
            gauge(
                "millrace_paused", "Whether the partitions are paused (1) by backpressure.",
                worker.isPaused ? 1 : 0),
            counter(
                "millrace_pauses_total", "Times that backpressure paused the partitions.",
                worker.pauses),
        ]
    }

    private static func counter(_ name: String, _ help: String, _ value: UInt64) -> Metric {
        Metric(name, .counter, help, samples: [.init(value: .number(Double(value)))])
    }

    private static func gauge(_ name: String, _ help: String, _ value: Double) -> Metric {
        Metric(name, .gauge, help, samples: [.init(value: .number(value))])
    }
}
