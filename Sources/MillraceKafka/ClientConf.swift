internal import CRdkafka

/// Which of the two clients a configuration is for.
enum ClientKind {
    case consumer, producer

    var raw: rd_kafka_type_t { self == .consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER }
}

/// A librdkafka configuration; freed unless a client takes it.
@safe struct ClientConf: ~Copyable {
    /// Why a property was refused.
    enum Refusal {
        case unknown(String)
        case invalid(String)
    }

    private let raw: OpaquePointer

    init() { unsafe raw = rd_kafka_conf_new() }

    deinit { unsafe rd_kafka_conf_destroy(raw) }

    /// Sets a property; nil when it was taken. The text may have the value in it.
    borrowing func set(_ name: String, _ value: String) -> Refusal? {
        let (result, text) = unsafe readText { text, count in
            unsafe rd_kafka_conf_set(raw, name, value, text, count)
        }
        if result == RD_KAFKA_CONF_OK { return nil }
        return result == RD_KAFKA_CONF_UNKNOWN ? .unknown(text) : .invalid(text)
    }

    /// Lends the pointer, for the setters of callbacks.
    borrowing func withRaw(_ body: (OpaquePointer) -> Void) { unsafe body(raw) }

    /// Makes the client, which takes the configuration.
    consuming func makeClient(_ kind: ClientKind) throws(KafkaError) -> OpaquePointer {
        let conf = unsafe raw
        let (client, text) = unsafe readText { text, count in
            unsafe rd_kafka_new(kind.raw, conf, text, count)
        }
        guard let client = unsafe client else {
            // Refused: the configuration is still ours, its deinit frees it.
            _ = consume self
            throw KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, text)
        }
        discard self
        return unsafe client
    }
}

extension KafkaSettings {
    /// The properties of a client in the order in which they are set: our defaults, the user's
    /// `common`, the user's own of that client, and what must not be changed.
    func properties(of kind: ClientKind, library: LibraryVersion = .current) -> Properties {
        switch kind {
        case .consumer: consumerDefaults(library) + common + consumer + consumerMusts
        case .producer: producerDefaults + common + producer + producerMusts
        }
    }

    private func consumerDefaults(_ library: LibraryVersion) -> Properties {
        var properties: Properties = [
            ("client.id", clientName),
            ("statistics.interval.ms", String(max(0, statisticsIntervalMs))),
            // An eighth of `memory` for what is fetched ahead, as the limit does not count what the
            // library keeps beside each record's bytes. Before 2.2.0 a full queue stops fetching
            // for a whole second, so it gets a quarter and no limit on the number of records.
            (
                "queued.max.messages.kbytes",
                String(clamp(memoryBytes / (library.hasFetchQueueBackoff ? 8 : 4) / 1024, 1024))
            ),
            // One answer of a broker may overshoot the queue: keep it small beside `memory`. More
            // than librdkafka's default of 50 MiB gains nothing.
            ("fetch.max.bytes", String(max(min(memoryBytes / 16, 50 << 20), messageMaxBytes))),
            // How long an idle broker holds a fetch; new records end it at once.
            ("fetch.wait.max.ms", "100"),
            // Small requests must not wait for each other (the default from 2.10).
            ("socket.nagle.disable", "true"),
            // Members learn of a rebalance by the next heartbeat, and partitions that move stand
            // still meanwhile: a third of librdkafka's default (see operations.md, Scaling).
            ("heartbeat.interval.ms", "1000"),
            // Default `range` until cooperative rebalancing can be trusted.
            (
                "partition.assignment.strategy",
                library.hasSafeCooperativeAssignor ? "cooperative-sticky" : "range"
            ),
        ]
        if usesConsumerGroupProtocol {
            // The broker decides; librdkafka refuses these beside it.
            properties.removeAll { KafkaPropertyRules.classicOnly.contains($0.name) }
        }
        if library.hasFetchQueueBackoff {
            // A full queue is looked at again after 10 ms instead of 1000.
            properties.append(("fetch.queue.backoff.ms", "10"))
        } else {
            properties.append(("queued.min.messages", "10000000"))
        }
        return properties
    }

    private var consumerMusts: Properties {
        [
            ("group.id", group),
            // Committed by librdkafka's timer, but only what was stored after delivery; or by the
            // producer's transactions.
            ("enable.auto.commit", transactionalId == nil ? "true" : "false"),
            ("auto.commit.interval.ms", String(max(1, commitIntervalMs))),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", start.rawValue),
            ("enable.partition.eof", untilEnd ? "true" : "false"),
            // A wrong name must fail, not make a topic.
            ("allow.auto.create.topics", "false"),
        ]
    }

    private var producerDefaults: Properties {
        [
            ("client.id", clientName),
            ("statistics.interval.ms", String(max(0, statisticsIntervalMs))),
            // Values lie in the batches' arenas and are counted there already; this bound only
            // keeps the queue from being the larger part of `memory`.
            ("queue.buffering.max.kbytes", String(clamp(memoryBytes / 2 / 1024, 1024))),
            // About 400 bytes of bookkeeping a message.
            (
                "queue.buffering.max.messages",
                String(min(clamp(memoryBytes / 1024, 1000), 1_000_000))
            ),
            // The worker hands over a partition's records in groups, each when the one before is
            // acknowledged; the wait only has to cover the handing over of most of a group (some
            // 0.2 us a record). Every record waits so long: 1 ms here was 1 ms more latency.
            ("linger.ms", "0.3"),
            // As Java's clients place keys.
            ("partitioner", "murmur2_random"),
            ("socket.nagle.disable", "true"),
        ]
    }

    private var producerMusts: Properties {
        let request = requestBytesLimit.map { [("batch.size", String($0))] } ?? []
        let always = [
            // No duplicates and no reordering by retries; implies at most 5 requests in flight.
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("allow.auto.create.topics", "false"),
        ]
        if let transactionalId {
            // librdkafka gives a record up when its transaction's time is over: it is thrown away
            // as a whole and written again.
            return request + always + [
                ("transactional.id", transactionalId),
                ("transaction.timeout.ms", String(transactionTimeoutMs)),
            ]
        }
        // Infinite: an outage is waited out; giving a record up would leave a gap behind which
        // later records of the partition are already written.
        return request + always + [("message.timeout.ms", "0")]
    }

    /// How long the broker keeps a transaction of a worker that is gone open, which readers of
    /// committed records wait for: the user's `transaction.timeout.ms`, or 10 s (librdkafka: 60 s).
    package var transactionTimeoutMs: Int {
        let written = (common + producer).last { $0.name == "transaction.timeout.ms" }
        return written.flatMap { Int($0.value) } ?? 10_000
    }

    /// Properties of a producer that asks for its id by itself, as one with transactions does not.
    var idempotentProperties: Properties {
        var own = self
        own.transactionalId = nil
        return own.properties(of: .producer)
    }

    /// The user's `message.max.bytes`, or librdkafka's default of it.
    private var messageMaxBytes: Int {
        let written = (common + consumer).last { $0.name == "message.max.bytes" }
        return written.flatMap { Int($0.value) } ?? 1_000_000
    }

    /// What a request to a partition is filled up to; a larger record goes in one of its own.
    var requestBytes: Int {
        func written(_ name: String) -> Int {
            (common + producer).last { $0.name == name }.flatMap { Int($0.value) } ?? 1_000_000
        }
        return min(written("batch.size"), written("message.max.bytes"), requestBytesLimit ?? .max)
    }

    /// Whether the user asks for KIP-848.
    var usesConsumerGroupProtocol: Bool {
        (common + consumer).last { $0.name == "group.protocol" }?.value.lowercased() == "consumer"
    }

    /// librdkafka's limits are 32-bit.
    private func clamp(_ value: Int, _ least: Int) -> Int { min(max(value, least), 2_000_000) }
}
