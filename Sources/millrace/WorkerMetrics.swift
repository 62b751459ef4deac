internal import MillraceCore
internal import MillraceWorker

/// The worker's numbers as metrics. With KafkaMetrics it is the one list of names; the table in
/// docs/operations.md is equal to it by a test.
enum WorkerMetrics {
    /// What runs on what.
    struct Info {
        var version = ""
        var pipeline = ""
        /// Name and version as in the header `millrace-model`: `fraud@0123456789ab`.
        var model = ""
        var engine = ""
        var engineVersion = ""
        var kafkaVersion = ""

        /// Name and version apart.
        var modelParts: (name: String, version: String) {
            let cut = model.lastIndex(of: "@") ?? model.endIndex
            return (String(model[..<cut]), String(model[cut...].dropFirst()))
        }
    }

    /// Upper bounds of the end-to-end latency in seconds: half a millisecond to ten minutes.
    private static let latencyBounds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600,
    ]

    /// Upper bounds of the steps of a batch in seconds: ten microseconds to ten seconds.
    private static let stepBounds: [Double] = [
        0.000_01, 0.000_025, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
        0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
    ]

    /// All metrics of a worker at this moment.
    static func all(_ worker: WorkerSnapshot, isReady: Bool, info: Info) -> [Metric] {
        records(worker.counters) + batches(worker) + flow(worker) + state(isReady, info)
    }

    private static func records(_ counters: FlowCounters) -> [Metric] {
        let dead = zip(RecordError.Kind.allCases, counters.dead).map { kind, count in
            Metric.Sample(
                labels: [(name: "reason", value: kind.rawValue)], value: .number(Double(count)))
        }
        return [
            .counter(
                "millrace_records_in_total",
                "Records read from the source topic, repeated readings included.",
                counters.recordsIn),
            .counter(
                "millrace_records_scored_total",
                "Enriched records that the broker has acknowledged.", counters.scored),
            .counter(
                "millrace_records_passed_total",
                "Records that went out as they came (tombstones, on_error: pass), acknowledged.",
                counters.passed),
            Metric(
                "millrace_records_dead_total", .counter,
                "Dead letters that the broker has acknowledged, by reason.", samples: dead),
            .counter(
                "millrace_records_discarded_total",
                "Records dropped after a revoke, a loss or a rewind, to be read again.",
                counters.discarded),
            .counter(
                "millrace_input_bytes_total",
                "Bytes of values and keys read, repeated readings included.",
                counters.payloadBytesIn),
            .counter(
                "millrace_output_bytes_total",
                "Bytes of the values of scored and passed records, acknowledged.",
                counters.outputBytes),
            .counter(
                "millrace_delivery_failures_total",
                "Records that the broker did not acknowledge; they are read again.",
                counters.deliveryFailures),
            .counter(
                "millrace_rewinds_total",
                "Times that a partition was read again from its first unfinished record.",
                counters.rewinds),
            .counter(
                "millrace_producer_restarts_total",
                "Times that the producer was made again after a fatal error.",
                counters.sinkRestarts),
            Metric(
                "millrace_transactions_total", .counter,
                "Transactions with records that were committed, or thrown away to be written "
                    + "again.",
                samples: [
                    .init(
                        labels: [("result", "committed")],
                        value: .number(Double(counters.transactions))),
                    .init(
                        labels: [("result", "aborted")],
                        value: .number(Double(counters.abortedTransactions))),
                ]),
        ]
    }

    private static func batches(_ worker: WorkerSnapshot) -> [Metric] {
        let timings = worker.timings
        return [
            .counter("millrace_batches_total", "Batches finished.", worker.counters.batches),
            Metric(
                "millrace_batch_records", .histogram, "Records of a batch.",
                samples: [.init(value: timings.batchRecords.distribution)]),
            .gauge(
                "millrace_batch_limit_records", "Most records of a batch: batch.max_records.",
                Double(worker.maxRecords)),
            .gauge(
                "millrace_lanes", "Inference threads, each with one batch at a time.",
                Double(worker.lanes)),
            .histogram(
                "millrace_queue_wait_seconds",
                "From a record's taking in to the cut of its batch.", timings.queueWait,
                bounds: stepBounds),
            .histogram(
                "millrace_decode_seconds", "Reading the features of a batch.", timings.decode,
                bounds: stepBounds),
            .histogram(
                "millrace_inference_seconds", "The model's calls for a batch.", timings.inference,
                bounds: stepBounds),
            .histogram(
                "millrace_append_seconds", "Appending the predictions to a batch.",
                timings.append, bounds: stepBounds),
            .histogram(
                "millrace_delivery_seconds",
                "From a record's handing over to the producer to its acknowledgement.",
                timings.delivery, bounds: stepBounds),
            .histogram(
                "millrace_end_to_end_latency_seconds",
                "From a record's timestamp to the acknowledgement of its output.",
                timings.endToEnd, bounds: latencyBounds),
        ]
    }

    private static func flow(_ worker: WorkerSnapshot) -> [Metric] {
        [
            .gauge(
                "millrace_in_flight_bytes", "Bytes taken in and not yet finished.",
                Double(worker.chargedBytes)),
            .gauge(
                "millrace_in_flight_limit_bytes",
                "Most bytes taken in and not yet finished; at the limit partitions are paused.",
                Double(worker.boundBytes)),
            .gauge(
                "millrace_assigned_partitions", "Partitions that this worker owns.",
                Double(worker.assigned.count)),
            .counter(
                "millrace_rebalances_total",
                "Assignments, revokes and losses that this worker has seen.", worker.rebalances),
            .counter(
                "millrace_offset_resets_total",
                "Times that a partition's records were deleted before they were read.",
                worker.positionsGone),
            .gauge(
                "millrace_paused", "Whether the partitions are paused (1) by backpressure.",
                worker.isPaused ? 1 : 0),
            .counter(
                "millrace_pauses_total", "Times that backpressure paused the partitions.",
                worker.pauses),
        ]
    }

    private static func state(_ isReady: Bool, _ info: Info) -> [Metric] {
        let (model, modelVersion) = info.modelParts
        return [
            .gauge(
                "millrace_ready", "Whether the worker processes records (1) or not (0).",
                isReady ? 1 : 0),
            Metric(
                "millrace_info", .gauge, "What runs; the value is always 1.",
                samples: [
                    .init(
                        labels: [
                            ("version", info.version), ("pipeline", info.pipeline),
                            ("librdkafka_version", info.kafkaVersion),
                        ], value: .number(1))
                ]),
            Metric(
                "millrace_model_info", .gauge, "The model and its engine; the value is always 1.",
                samples: [
                    .init(
                        labels: [
                            ("name", model), ("version", modelVersion),
                            ("engine", info.engine), ("engine_version", info.engineVersion),
                        ], value: .number(1))
                ]),
        ]
    }
}
