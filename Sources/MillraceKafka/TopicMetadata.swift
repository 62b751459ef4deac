internal import CRdkafka

/// Questions about topics, asked in ways that never create one.
enum TopicMetadata {
    /// The longest single wait in librdkafka, which nothing can interrupt: far above a round trip,
    /// and short enough for someone who waits for the process to end.
    private static let sliceMs: Int32 = 1_000

    /// What brokers answer about a topic.
    struct Answer {
        /// Nil where it does not exist.
        var partitionCount: Int32?
        /// The cluster's.
        var brokers: [Int32] = []
    }

    /// Partitions of the topic; nil where it does not exist. As `ask`.
    static func partitionCount(
        of topic: String, client: OpaquePointer, until deadline: Deadline
    ) throws(KafkaError) -> Int32? {
        try unsafe ask(about: topic, client: client, until: deadline) { false }.partitionCount
    }

    /// `client` may be of either kind. Gives up at the deadline, or soon after `isCancelled` says
    /// so or `reason` tells that the brokers do not let the client in.
    static func ask(
        about topic: String, client: OpaquePointer, until deadline: Deadline,
        isCancelled: () -> Bool, reason: () -> KafkaError? = { nil }
    ) throws(KafkaError) -> Answer {
        guard let handle = unsafe rd_kafka_topic_new(client, topic, nil) else {
            throw KafkaError(rd_kafka_last_error(), "cannot use topic '\(topic)'")
        }
        defer { unsafe rd_kafka_topic_destroy(handle) }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        var error = RD_KAFKA_RESP_ERR__TIMED_OUT
        var refusal: KafkaError?
        repeat {
            let sliceMs = min(deadline.remainingMs, Self.sliceMs)
            error = unsafe rd_kafka_metadata(client, 0, handle, &metadata, sliceMs)
            if isSilence(error) { refusal = reason() }
        } while isSilence(error) && refusal?.isLogins != true && deadline.remainingMs > 1
            && !isCancelled()
        if let refusal, isSilence(error) {
            throw KafkaError.silence(" for topic '\(topic)'", refusal)
        }
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let found = unsafe metadata else {
            throw KafkaError(error, "no broker answers for topic '\(topic)'")
        }
        defer { unsafe rd_kafka_metadata_destroy(found) }
        var answer = Answer()
        for index in unsafe 0..<Int(found.pointee.broker_cnt) {
            unsafe answer.brokers.append(found.pointee.brokers[index].id)
        }
        guard unsafe found.pointee.topic_cnt > 0 else { return answer }
        let first = unsafe found.pointee.topics[0]
        switch unsafe first.err {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
            answer.partitionCount = unsafe first.partition_cnt
            return answer
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
            return answer
        default: throw unsafe KafkaError(first.err, "cannot read about topic '\(topic)'")
        }
    }

    /// Whether no broker was there, or none answered, within the wait.
    private static func isSilence(_ error: rd_kafka_resp_err_t) -> Bool {
        error == RD_KAFKA_RESP_ERR__TIMED_OUT || error == RD_KAFKA_RESP_ERR__TRANSPORT
    }

    /// The error of a topic that is not there.
    static func missing(_ topic: String) -> KafkaError {
        KafkaError(
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            "topic '\(topic)' does not exist; create it or correct its name")
    }
}

/// A point in time up to which calls share one timeout.
struct Deadline {
    private let end: ContinuousClock.Instant

    init(afterMs: Int32) { end = .now + .milliseconds(Int64(afterMs)) }

    /// Milliseconds left, at least 1.
    var remainingMs: Int32 {
        let left = end - .now
        let milliseconds =
            left.components.seconds * 1000
            + left.components.attoseconds / 1_000_000_000_000_000
        return Int32(clamping: max(1, milliseconds))
    }
}
