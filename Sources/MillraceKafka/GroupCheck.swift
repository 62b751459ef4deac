internal import CRdkafka
package import MillraceCore

extension KafkaSettings {
    /// Whether the group's name is free for this pipeline, or in use by another kind of client; nil
    /// where all is well, nothing may be known or the group does not exist yet. Errors as of
    /// `checkTopics`.
    package func checkGroup(
        timeoutMs: Int32, log: Log
    ) throws(ServiceError) -> TopicReport.Problem? {
        do throws(KafkaError) {
            let deadline = Deadline(afterMs: timeoutMs)
            let client = try ClientHandle(.consumer, properties(of: .consumer), log: log)
            var list: UnsafePointer<rd_kafka_group_list>?
            let error = unsafe rd_kafka_list_groups(
                client.raw, group, &list, deadline.remainingMs)
            guard let found = unsafe list else {
                throw KafkaError(error, "no broker answers for group '\(group)'")
            }
            defer { unsafe rd_kafka_group_list_destroy(found) }
            guard unsafe found.pointee.group_cnt > 0 else { return nil }
            let listed = unsafe found.pointee.groups[0]
            let about = unsafe millrace_group(client.raw, group, deadline.remainingMs)
            return unsafe problem(of: listed, about)
        } catch {
            throw error.serviceError
        }
    }

    /// `listed` is what the classic protocol's requests say: nothing of groups of other protocols,
    /// but that they exist.
    private func problem(
        of listed: rd_kafka_group_info, _ about: millrace_group_t
    ) -> TopicReport.Problem? {
        let isUnknown =
            unsafe listed.err == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND
            || text(listed.state) == "Dead"
        if isUnknown {
            if about.protocol == MILLRACE_GROUP_CONSUMER.rawValue {
                return usesConsumerGroupProtocol ? nil : otherProtocol("consumer", about)
            }
            // Before librdkafka 2.10 the protocol of KIP-848 looks the same, which would be fine.
            guard about.protocol != MILLRACE_GROUP_UNKNOWN.rawValue else { return nil }
            return .init(
                .group,
                "group '\(group)' is none of consumers but of another kind, such as a share group;"
                    + " choose another name")
        }
        guard unsafe listed.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let reason = unsafe oneLine(String(cString: rd_kafka_err2str(listed.err)))
            return .init(.group, "group '\(group)' cannot be used: \(reason)")
        }
        let kind = unsafe text(listed.protocol_type)
        // Without members a group takes any kind.
        guard unsafe listed.member_cnt > 0, !kind.isEmpty else { return nil }
        if kind != "consumer" {
            return .init(
                .group,
                "group '\(group)' is in use by clients of the kind '\(kind)'; choose another name")
        }
        return usesConsumerGroupProtocol ? otherProtocol("classic", about) : nil
    }

    /// The brokers turn a group of one protocol into one of the other, where they are set up so.
    private func otherProtocol(
        _ name: String, _ about: millrace_group_t
    ) -> TopicReport.Problem? {
        guard about.member_count > 0 else { return nil }
        let own = usesConsumerGroupProtocol ? "consumer" : "classic"
        return .init(
            .group,
            "group '\(group)' has members of the \(name) protocol, group.protocol here is \(own):"
                + " it comes in only where the brokers' group.consumer.migration.policy lets groups"
                + " change",
            isError: false)
    }

    private func text(_ bytes: UnsafePointer<CChar>?) -> String {
        unsafe bytes.map { unsafe String(cString: $0) } ?? ""
    }
}
