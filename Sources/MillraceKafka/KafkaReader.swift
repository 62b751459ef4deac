internal import CRdkafka
package import MillraceCore

/// A small consumer for demo and tests: reads all partitions of a topic from their beginning,
/// without a group. One thread at a time.
@safe package final class KafkaReader {
    private let handle: ClientHandle

    /// The topic must exist.
    package init(
        topic: String, properties: KafkaSettings.Properties, timeoutMs: Int32 = 10_000,
        log: Log = .none
    ) throws(ServiceError) {
        let own: KafkaSettings.Properties = [
            // Demanded by librdkafka, but nothing is ever joined or committed.
            ("group.id", "millrace-reader"), ("enable.auto.commit", "false"),
            ("fetch.wait.max.ms", "50"), ("allow.auto.create.topics", "false"),
        ]
        do throws(KafkaError) {
            let handle = try ClientHandle(.consumer, own + properties, log: log)
            unsafe rd_kafka_poll_set_consumer(handle.raw)
            let count = try unsafe TopicMetadata.partitionCount(
                of: topic, client: handle.raw, until: Deadline(afterMs: timeoutMs))
            guard let count else { throw TopicMetadata.missing(topic) }
            let list = PartitionList(topic: topic, partitions: Array(0..<count))
            for index in 0..<Int(count) {
                unsafe list.raw.pointee.elems[index].offset = Int64(RD_KAFKA_OFFSET_BEGINNING)
            }
            let error = unsafe rd_kafka_assign(handle.raw, list.raw)
            guard error == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(error) }
            self.handle = handle
        } catch {
            throw error.serviceError
        }
    }

    /// The next record of any partition; nil when none came in time.
    package func next(timeoutMs: Int32) -> PlainRecord? {
        let deadline = Deadline(afterMs: timeoutMs)
        var isFirst = true
        while isFirst || deadline.remainingMs > 1 {
            isFirst = false
            guard let message = unsafe rd_kafka_consumer_poll(handle.raw, deadline.remainingMs)
            else { continue }
            defer { unsafe rd_kafka_message_destroy(message) }
            if unsafe message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                return unsafe Self.copy(message)
            }
        }
        return nil
    }

    /// Reads until that many records have come or none came for `timeoutMs`.
    package func read(_ count: Int, timeoutMs: Int32) -> [PlainRecord] {
        var records: [PlainRecord] = []
        while records.count < count, let record = next(timeoutMs: timeoutMs) {
            records.append(record)
        }
        return records
    }

    private static func copy(_ message: UnsafeMutablePointer<rd_kafka_message_t>) -> PlainRecord {
        var record = unsafe PlainRecord(
            key: bytes(message.pointee.key, message.pointee.key_len),
            value: bytes(message.pointee.payload, message.pointee.len),
            timestampMs: rd_kafka_message_timestamp(message, nil),
            partition: message.pointee.partition)
        record.offset = unsafe message.pointee.offset
        var headers: OpaquePointer?
        guard unsafe rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR
        else { return record }
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var (index, count) = (0, 0)
        while unsafe rd_kafka_header_get_all(headers, index, &name, &value, &count)
            == RD_KAFKA_RESP_ERR_NO_ERROR
        {
            let text = unsafe name.map { unsafe String(cString: $0) } ?? ""
            unsafe record.headers.append(.init(text, bytes(value, count)))
            index += 1
        }
        return record
    }

    private static func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
        guard let start = unsafe start else { return nil }
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }
}
