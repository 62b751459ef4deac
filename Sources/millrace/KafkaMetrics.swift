internal import MillraceCore
internal import MillraceKafka

/// What is known of the partitions and of librdkafka's two clients, as metrics.
enum KafkaMetrics {
    /// Where reading stands in the partitions that are ours.
    struct Places {
        let assigned: [Int32]
        /// The worker's.
        let frontiers: [Int32: Int64]
        /// The partitions' ends as far as the consumer knows.
        let ends: [Int32: Int64]
        /// What the group had committed: it stands in for the frontier of a partition of which
        /// nothing has been read yet.
        let committed: [Int32: Int64]

        /// The first unfinished offset of each partition of `assigned`.
        var next: [Int64?] { assigned.map { frontiers[$0] ?? committed[$0] } }

        /// Offsets between `next` and the end of each.
        var lags: [Int64?] {
            zip(assigned, next).map { partition, next in
                guard let next, let end = ends[partition] else { return nil }
                return max(0, end &- next)
            }
        }
    }

    /// The places as metrics.
    static func partitions(_ places: Places) -> [Metric] {
        func samples(_ values: [Int64?]) -> [Metric.Sample] {
            zip(places.assigned, values).compactMap { partition, value in
                guard let value else { return nil }
                return Metric.Sample(
                    labels: [("partition", String(partition))], value: .number(Double(value)))
            }
        }
        return [
            Metric(
                "millrace_partition_frontier_offset", .gauge,
                "Offset of the partition's first unfinished record: what is or will be committed.",
                samples: samples(places.next)),
            Metric(
                "millrace_partition_end_offset", .gauge,
                "Offset at which the partition ended when it was last fetched from.",
                samples: samples(places.assigned.map { places.ends[$0] })),
            Metric(
                "millrace_partition_lag_records", .gauge,
                "Offsets between the frontier and the end of the partition.",
                samples: samples(places.lags)),
        ]
    }

    /// librdkafka's own numbers, of the clients that have told some.
    static func clients(consumer: ClientStatistics?, producer: ClientStatistics?) -> [Metric] {
        let clients = [("consumer", consumer), ("producer", producer)].compactMap { name, client in
            client.map { (name: name, statistics: $0) }
        }
        func perClient(_ value: (ClientStatistics) -> Int64) -> [Metric.Sample] {
            clients.map { client in
                Metric.Sample(
                    labels: [("client", client.name)],
                    value: .number(Double(value(client.statistics))))
            }
        }
        func perBroker(_ value: (ClientStatistics.Broker) -> Double) -> [Metric.Sample] {
            clients.flatMap { client in
                client.statistics.brokers.map { broker in
                    Metric.Sample(
                        labels: [("client", client.name), ("broker", String(broker.id))],
                        value: .number(value(broker)))
                }
            }
        }
        return [
            Metric(
                "millrace_kafka_broker_up", .gauge, "Whether the client is connected (1) or not.",
                samples: perBroker { $0.isUp ? 1 : 0 }),
            Metric(
                "millrace_kafka_broker_rtt_seconds", .gauge,
                "Mean time from a request to its answer, a fetch's wait for records included.",
                samples: perBroker { Double($0.roundTripAverageUs) / 1e6 }),
            Metric(
                "millrace_kafka_broker_rtt_p99_seconds", .gauge,
                "99th percentile of that time.",
                samples: perBroker { Double($0.roundTripP99Us) / 1e6 }),
            Metric(
                "millrace_kafka_broker_throttle_seconds", .gauge,
                "Mean time that the broker made the client wait because of a quota.",
                samples: perBroker { Double($0.throttleAverageMs) / 1e3 }),
            Metric(
                "millrace_kafka_broker_waiting_requests", .gauge,
                "Requests that wait to be sent.",
                samples: perBroker { Double($0.requestsWaiting) }),
            Metric(
                "millrace_kafka_broker_unanswered_requests", .gauge,
                "Requests that are sent and not answered.",
                samples: perBroker { Double($0.requestsUnanswered) }),
            Metric(
                "millrace_kafka_queue_records", .gauge,
                "Records in the client: fetched and not taken, or not acknowledged.",
                samples: perClient { $0.queuedRecords }),
            Metric(
                "millrace_kafka_queue_bytes", .gauge, "Bytes of those records.",
                samples: perClient { $0.queuedBytes }),
        ]
    }
}
