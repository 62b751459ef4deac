internal import CRdkafka
package import MillraceCore

/// What transactions of a producer need to know of the consumer.
extension KafkaSource: TransactionalSource {
    package func membership() throws(ServiceError) -> any Membership {
        guard let raw = unsafe rd_kafka_consumer_group_metadata(client) else {
            throw ServiceError(
                code: "", message: "the consumer is in no group", isFatal: false, isRetriable: true)
        }
        return unsafe KafkaMembership(taking: raw)
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
