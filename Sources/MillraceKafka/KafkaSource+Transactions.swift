internal import CRdkafka
package import MillraceCore

/// What transactions of a producer need to know of the consumer.
extension KafkaSource: TransactionalSource {
    /// A client that the group has thrown out has no member id until it has joined again, and the
    /// brokers take offsets that come without one unasked, as those of producers from before
    /// KIP-447. So there has to be an id, and the same one before and after the look.
    package func membership() throws(ServiceError) -> any Membership {
        let id = memberId
        let raw = unsafe rd_kafka_consumer_group_metadata(client)
        let member = unsafe raw.map { unsafe KafkaMembership(taking: $0) }
        guard let member, let id, !id.isEmpty, id == memberId else {
            throw ServiceError(
                code: "", message: "the consumer is in no group", isFatal: false, isRetriable: true)
        }
        return member
    }

    private var memberId: String? {
        guard let text = unsafe rd_kafka_memberid(client) else { return nil }
        defer { unsafe rd_kafka_mem_free(client, text) }
        return unsafe String(cString: text)
    }

    package func committedOffsets(
        of partitions: [Int32], timeoutMs: Int32
    ) throws(ServiceError) -> [Int32: Int64] {
        let list = PartitionList(topic: settings.topic, partitions: partitions)
        let error = unsafe rd_kafka_committed(client, list.raw, timeoutMs)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(error, "cannot ask for the group's offsets").serviceError
        }
        var offsets: [Int32: Int64] = [:]
        for index in partitions.indices {
            let entry = unsafe list.raw.pointee.elems[index]
            let (code, offset) = unsafe (entry.err, entry.offset)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR else {
                let place = "cannot ask for the group's offset in \(settings.topic)"
                throw KafkaError(code, "\(place)[\(partitions[index])]").serviceError
            }
            // Negative: none was ever committed.
            if offset >= 0 { offsets[partitions[index]] = offset }
        }
        return offsets
    }
}

/// A member of the consumer group as the broker knows it.
@safe final class KafkaMembership: Membership, @unchecked Sendable {  // sound: never written
    /// Freed with this object; librdkafka copies it where it needs it for longer.
    let raw: OpaquePointer

    /// Takes over the object.
    init(taking raw: OpaquePointer) { unsafe self.raw = raw }

    deinit { unsafe rd_kafka_consumer_group_metadata_destroy(raw) }
}
