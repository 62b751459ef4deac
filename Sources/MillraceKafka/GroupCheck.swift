internal import CRdkafka
internal import Glibc
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
            var verdict = GroupVerdict.fine
            for attempt in 0..<Self.groupTries {
                if attempt > 0 { usleep(Self.groupPauseUs) }
                verdict = try unsafe judgeGroup(client.raw, deadline)
                guard case .doubtful = verdict else { break }
            }
            return verdict.problem
        } catch {
            throw error.serviceError
        }
    }

    /// So often a doubtful answer is asked for: brokers that start, or a group that is just being
    /// deleted, give others a moment later.
    private static let groupTries = 3
    private static let groupPauseUs: UInt32 = 200_000

    private func judgeGroup(
        _ client: OpaquePointer, _ deadline: Deadline
    ) throws(KafkaError) -> GroupVerdict {
        var list: UnsafePointer<rd_kafka_group_list>?
        let error = unsafe rd_kafka_list_groups(client, group, &list, deadline.remainingMs)
        guard let found = unsafe list else {
            throw KafkaError(error, "no broker answers for group '\(group)'")
        }
        defer { unsafe rd_kafka_group_list_destroy(found) }
        let about = unsafe millrace_group(client, group, deadline.remainingMs)
        if about.rights.is_told != 0, !Operation.read.isAllowed(by: about.rights) {
            return .certain(
                .init(.group, TopicReport.missingRight(.group, "group '\(group)'", .read)))
        }
        guard unsafe found.pointee.group_cnt > 0 else { return .fine }
        let raw = unsafe found.pointee.groups[0]
        let listed = unsafe ListedGroup(
            error: raw.err, state: text(raw.state), kind: text(raw.protocol_type),
            memberCount: Int(raw.member_cnt))
        return verdict(of: listed, about)
    }

    func verdict(of listed: ListedGroup, _ about: millrace_group_t) -> GroupVerdict {
        if listed.isUnknown {
            if about.protocol == MILLRACE_GROUP_CONSUMER.rawValue {
                return .certain(usesConsumerGroupProtocol ? nil : otherProtocol("consumer", about))
            }
            // Before librdkafka 2.10 the protocol of KIP-848 looks the same, which would be fine.
            // Other errors than these say nothing of the group.
            let isTold =
                about.rights.error == RD_KAFKA_RESP_ERR_NO_ERROR.rawValue
                || about.rights.error == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND.rawValue
            guard isTold, about.protocol != MILLRACE_GROUP_UNKNOWN.rawValue else { return .fine }
            return .doubtful(
                .init(
                    .group,
                    "group '\(group)' is none of consumers but of another kind, such as a share"
                        + " group; choose another name"))
        }
        guard listed.error == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let reason = unsafe oneLine(String(cString: rd_kafka_err2str(listed.error)))
            let problem = TopicReport.Problem(
                .group, "group '\(group)' cannot be used: \(reason)")
            return KafkaError(listed.error).isRetriable ? .doubtful(problem) : .certain(problem)
        }
        // Without members a group takes any kind.
        guard listed.memberCount > 0, !listed.kind.isEmpty else { return .fine }
        if listed.kind != "consumer" {
            return .certain(
                .init(
                    .group,
                    "group '\(group)' is in use by clients of the kind '\(listed.kind)'; choose"
                        + " another name"))
        }
        return .certain(usesConsumerGroupProtocol ? otherProtocol("classic", about) : nil)
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

/// What the classic protocol's requests say of a group that exists: nothing of groups of other
/// protocols, but that they do.
struct ListedGroup {
    var error: rd_kafka_resp_err_t
    var state = ""
    var kind = ""
    var memberCount = 0

    /// Whether the coordinator knows no such group of this protocol. Older requests say so by the
    /// state alone; beside another error the state means nothing.
    var isUnknown: Bool {
        error == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND
            || error == RD_KAFKA_RESP_ERR_NO_ERROR && state == "Dead"
    }
}

/// What one look at a group says.
enum GroupVerdict: Equatable {
    case certain(TopicReport.Problem?)
    /// To be asked for again: it may be that of a moment.
    case doubtful(TopicReport.Problem)

    static var fine: GroupVerdict { .certain(nil) }

    /// What is wrong, where anything is.
    var problem: TopicReport.Problem? {
        switch self {
        case .certain(let problem): problem
        case .doubtful(let problem): problem
        }
    }
}
