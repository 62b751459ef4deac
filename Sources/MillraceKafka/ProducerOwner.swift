internal import CRdkafka
internal import MillraceCore

/// The producer client, the queue of its events and its topics.
@safe struct ProducerOwner: ~Copyable {
    let handle: ClientHandle
    let queue: OpaquePointer
    let topic: OpaquePointer?
    let deadLetterTopic: OpaquePointer?

    init(_ settings: KafkaSettings, log: Log) throws(KafkaError) {
        let handle = try unsafe ClientHandle(
            .producer, settings.properties(of: .producer), log: log
        ) { conf in
            unsafe rd_kafka_conf_set_events(
                conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS)
        }
        guard let queue = unsafe rd_kafka_queue_get_main(handle.raw) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__FAIL, "the producer has no event queue")
        }
        unsafe self.queue = queue
        unsafe topic = settings.sinkTopic.flatMap { unsafe rd_kafka_topic_new(handle.raw, $0, nil) }
        unsafe deadLetterTopic = settings.deadLetterTopic.flatMap {
            unsafe rd_kafka_topic_new(handle.raw, $0, nil)
        }
        self.handle = handle
    }

    // The body runs before `handle` dies, which must come last. What is still enqueued is given up.
    deinit {
        let everything =
            RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING
        _ = unsafe rd_kafka_purge(handle.raw, everything)
        if let topic = unsafe topic { unsafe rd_kafka_topic_destroy(topic) }
        if let topic = unsafe deadLetterTopic { unsafe rd_kafka_topic_destroy(topic) }
        unsafe rd_kafka_queue_destroy(queue)
    }
}

/// Records on their way to one call of the wall.
@safe struct OutgoingBuffer: ~Copyable {
    let base: UnsafeMutablePointer<millrace_outgoing_t>
    private(set) var count = 0

    /// 96 bytes each: stays within the second-level cache.
    private static let capacity = 1024

    init() { unsafe base = .allocate(capacity: Self.capacity) }

    deinit { unsafe base.deallocate() }

    var isFull: Bool { count == Self.capacity }

    mutating func removeAll() { count = 0 }

    /// Only when it is not full.
    mutating func append(_ record: millrace_outgoing_t) {
        guard !isFull else { return }
        unsafe (base + count).initialize(to: record)
        count += 1
    }
}

/// A header that is added to many records: its text lies at one place.
@safe final class HeaderText {
    let header: UnsafeMutablePointer<millrace_header_t>
    private let text: UnsafeMutablePointer<UInt8>

    init(_ name: String, _ value: String) {
        let bytes = Array(name.utf8) + Array(value.utf8)
        unsafe text = .allocate(capacity: max(1, bytes.count))
        unsafe text.initialize(from: bytes, count: bytes.count)
        unsafe header = .allocate(capacity: 1)
        unsafe header.initialize(
            to: millrace_header_t(
                name: UnsafeRawPointer(text).assumingMemoryBound(to: CChar.self),
                name_count: name.utf8.count, value: text + name.utf8.count,
                value_count: value.utf8.count))
    }

    deinit {
        unsafe header.deallocate()
        unsafe text.deallocate()
    }
}
