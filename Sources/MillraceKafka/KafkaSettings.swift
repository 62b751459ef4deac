/// Everything that source and sink need to know.
package struct KafkaSettings: Sendable {
    /// librdkafka properties as the user wrote them.
    package typealias Properties = [(name: String, value: String)]

    /// Where a group without a committed offset begins.
    package enum Start: String, Sendable, CaseIterable {
        case earliest, latest, error
    }

    /// How the output partition is chosen.
    package enum Partitioning: String, Sendable, CaseIterable {
        /// The input's partition number.
        case preserve
        /// By the key with murmur2, as Java's clients do.
        case key
    }

    /// For both clients; has `bootstrap.servers`.
    package var common: Properties = []
    /// For the consumer only; wins over `common`.
    package var consumer: Properties = []
    /// For the producer only; wins over `common`.
    package var producer: Properties = []
    /// The source topic.
    package var topic: String
    /// The consumer group.
    package var group: String
    /// For partitions without a committed offset.
    package var start: Start = .earliest
    /// The output topic; nil for a source alone.
    package var sinkTopic: String?
    /// For enriched records; dead letters go by key.
    package var partitioning: Partitioning = .preserve
    /// Nil: there is nowhere to put dead letters, a dead record fails the write.
    package var deadLetterTopic: String?
    /// Value of the header `millrace-model` of scored records, e.g. `fraud@0123456789ab`; nil:
    /// none.
    package var modelHeader: String?
    /// Whether scored records get `modelHeader`; dead letters tell it in any case.
    package var addsModelHeader = true
    /// The pipeline's `memory`; the clients' own queues are cut out of it.
    package var memoryBytes: Int = 256 << 20
    /// How often stored offsets are committed.
    package var commitIntervalMs: Int = 1000
    /// Exactly once: the producer writes in transactions under this id, which also commit the
    /// offsets. Nil: at least once.
    package var transactionalId: String?
    /// The operator chose the instance's name in that id, so that a second worker with the same one
    /// is a mistake.
    package var isInstanceNamed = false
    /// Report where partitions end (`SourceEvent.reachedEnd`).
    package var untilEnd = false
    /// How often librdkafka tells its statistics; 0: never, which saves it the counting.
    package var statisticsIntervalMs = 0
    /// Requests are filled up to so many bytes at most, whatever `batch.size` says: what the sink
    /// has found out about the broker's limit.
    var requestBytesLimit: Int?
    /// `client.id`, as brokers log it.
    package var clientName = "millrace"

    package init(topic: String, group: String) {
        self.topic = topic
        self.group = group
    }
}
