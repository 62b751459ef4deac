internal import CRdkafka
package import MillraceCore

/// A record as demo and tests write and read it. Nil key or value is Kafka's null.
package struct PlainRecord: Sendable, Equatable {
    /// A header; nil is a null value.
    package struct Header: Sendable, Equatable {
        /// UTF-8; may occur more than once in a record.
        package var name: String
        /// Nil is a null value, which differs from an empty one.
        package var value: [UInt8]?

        package init(_ name: String, _ value: [UInt8]?) {
            self.name = name
            self.value = value
        }
    }

    /// Nil is a null key, which differs from an empty one.
    package var key: [UInt8]?
    /// Nil is a tombstone, which differs from an empty value.
    package var value: [UInt8]?
    /// In their order, duplicates kept.
    package var headers: [Header]
    /// Milliseconds since 1970; 0 for now.
    package var timestampMs: Int64
    /// -1 for the partitioner's choice.
    package var partition: Int32
    /// Set by the reader.
    package var offset: Int64 = -1

    package init(
        key: [UInt8]? = nil, value: [UInt8]?, headers: [Header] = [], timestampMs: Int64 = 0,
        partition: Int32 = -1
    ) {
        self.key = key
        self.value = value
        self.headers = headers
        self.timestampMs = timestampMs
        self.partition = partition
    }
}

/// A small producer for demo and tests: one record a call, copied. One thread at a time.
@safe package final class KafkaFeeder {
    private let producer: ProducerOwner

    /// Connects by itself; `properties` needs `bootstrap.servers`.
    package init(
        topic: String, properties: KafkaSettings.Properties, log: Log = .none
    ) throws(ServiceError) {
        var settings = KafkaSettings(topic: topic, group: "none")
        settings.common = properties
        settings.sinkTopic = topic
        do throws(KafkaError) {
            producer = try ProducerOwner(settings, log: log)
        } catch {
            throw error.serviceError
        }
    }

    /// Enqueues the record; waits while the queue is full.
    package func send(_ record: PlainRecord) throws(ServiceError) {
        while true {
            let error = enqueue(record)
            if error == RD_KAFKA_RESP_ERR_NO_ERROR { return }
            guard error == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
                throw KafkaError(error).serviceError
            }
            _ = try serveAnswers(timeoutMs: 100)
        }
    }

    /// Waits until every record is acknowledged; throws what the broker refused, or when time is
    /// up.
    package func flush(timeoutMs: Int32) throws(ServiceError) {
        let deadline = Deadline(afterMs: timeoutMs)
        while unsafe rd_kafka_outq_len(producer.handle.raw) > 0 {
            let wait = deadline.remainingMs
            guard wait > 1 else { throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT).serviceError }
            try serveAnswers(timeoutMs: min(wait, 100))
        }
    }

    private func serveAnswers(timeoutMs: Int32) throws(ServiceError) {
        guard let event = unsafe rd_kafka_queue_poll(producer.queue, timeoutMs) else { return }
        defer { unsafe rd_kafka_event_destroy(event) }
        while let message = unsafe rd_kafka_event_message_next(event) {
            let error = unsafe message.pointee.err
            guard error == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(error).serviceError }
        }
    }

    private func enqueue(_ record: PlainRecord) -> rd_kafka_resp_err_t {
        let block = HeaderBlock(record.headers)
        return unsafe withBytes(record.key) { key, keyCount in
            unsafe withBytes(record.value) { value, valueCount in
                var entry = unsafe millrace_outgoing_t(
                    value: value, value_count: valueCount, key: key, key_count: keyCount,
                    timestamp_ms: record.timestampMs, opaque: 0, headers_of: nil,
                    added: block.headers, added_count: UInt32(clamping: block.count),
                    partition: record.partition, copy_value: 1)
                var error = RD_KAFKA_RESP_ERR_NO_ERROR
                let topic = unsafe producer.topic
                _ = unsafe millrace_produce(producer.handle.raw, topic, &entry, 1, &error)
                return error
            }
        }
    }

    /// Lends the bytes; a null value is a nil pointer, an empty one is not.
    private func withBytes<R>(
        _ bytes: [UInt8]?, _ body: (UnsafeRawPointer?, Int) -> R
    ) -> R {
        guard let bytes else { return body(nil, 0) }
        return unsafe (bytes + [0]).withUnsafeBytes { unsafe body($0.baseAddress, bytes.count) }
    }
}

/// Headers with their bytes at fixed places.
@safe private final class HeaderBlock {
    let headers: UnsafeMutablePointer<millrace_header_t>
    let count: Int
    private let bytes: UnsafeMutablePointer<UInt8>

    init(_ list: [PlainRecord.Header]) {
        let total = list.reduce(1) { $0 + $1.name.utf8.count + ($1.value?.count ?? 0) }
        unsafe bytes = .allocate(capacity: total)
        unsafe headers = .allocate(capacity: max(1, list.count))
        count = list.count
        var place = unsafe bytes
        for (index, header) in list.enumerated() {
            let name = Array(header.name.utf8)
            let value = header.value ?? []
            unsafe place.initialize(from: name, count: name.count)
            let valuePlace = unsafe place + name.count
            unsafe valuePlace.initialize(from: value, count: value.count)
            unsafe (headers + index).initialize(
                to: millrace_header_t(
                    name: UnsafeRawPointer(place).assumingMemoryBound(to: CChar.self),
                    name_count: name.count, value: header.value == nil ? nil : valuePlace,
                    value_count: value.count))
            unsafe place = valuePlace + value.count
        }
    }

    deinit {
        unsafe headers.deallocate()
        unsafe bytes.deallocate()
    }
}
