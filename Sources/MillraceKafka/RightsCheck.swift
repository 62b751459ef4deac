internal import CRdkafka
package import MillraceCore

/// What a client does with a topic or group, by Kafka's name of the right to it.
enum Operation: String {
    case read = "Read"
    case write = "Write"

    /// Whether it is among the operations of an answer of the brokers.
    func isAllowed(by rights: millrace_rights_t) -> Bool {
        let operation = self == .read ? RD_KAFKA_ACL_OPERATION_READ : RD_KAFKA_ACL_OPERATION_WRITE
        return rights.allowed & (1 << operation.rawValue) != 0
    }
}

extension TopicReport {
    /// The longest single wait in librdkafka, which nothing can interrupt; asked again after it.
    private static let sliceMs: Int32 = 1_000

    /// Notes what is wrong with the topic and the rights on it; its partitions, nil where there are
    /// none to be seen. Throws what keeps the brokers from answering.
    mutating func ask(
        _ subject: Problem.Subject, _ topic: String, _ operation: Operation, client: OpaquePointer,
        _ deadline: Deadline, _ isCancelled: () -> Bool
    ) throws(KafkaError) -> Int32? {
        let answer: TopicMetadata.Answer
        do throws(KafkaError) {
            answer = try unsafe TopicMetadata.ask(
                about: topic, client: client, until: deadline, isCancelled: isCancelled)
        } catch {
            guard error.code == "TOPIC_AUTHORIZATION_FAILED" else { throw error }
            addMissingRight(subject, "topic '\(topic)'", operation)
            return nil
        }
        guard let count = answer.partitionCount else {
            addMissing(subject, topic)
            return nil
        }
        guard millrace_knows_rights() != 0 else {
            rightsNotChecked = Self.libraryIsOld
            return count
        }
        // The controller is asked, and librdkafka would wait for it until the end of the time where
        // brokers name none, or one that is not there, as the mock does.
        guard unsafe answer.brokers.contains(rd_kafka_controllerid(client, 0)) else {
            rightsNotChecked = "the brokers name no controller"
            return count
        }
        let rights = try Self.repeated(until: deadline, isCancelled) { sliceMs in
            unsafe millrace_topic_rights(client, topic, sliceMs)
        }
        judge(rights, subject, "topic '\(topic)'", operation)
        return count
    }

    /// Notes whether the right to use the group is missing.
    mutating func askGroup(
        _ group: String, client: OpaquePointer, _ deadline: Deadline, _ isCancelled: () -> Bool
    ) throws(KafkaError) {
        let rights = try Self.repeated(until: deadline, isCancelled) { sliceMs in
            unsafe millrace_group(client, group, sliceMs).rights
        }
        // Of a group of other clients than consumers nothing is told; `checkGroup` names it.
        if rights.error == RD_KAFKA_RESP_ERR__INVALID_ARG.rawValue { return }
        judge(rights, .group, "group '\(group)'", .read)
    }

    private mutating func judge(
        _ rights: millrace_rights_t, _ subject: Problem.Subject, _ what: String,
        _ operation: Operation
    ) {
        switch rights.error {
        case RD_KAFKA_RESP_ERR_NO_ERROR.rawValue:
            if millrace_knows_rights() == 0 {
                rightsNotChecked = Self.libraryIsOld
            } else if rights.is_told == 0 {
                rightsNotChecked = "the brokers do not tell them"
            } else if !operation.isAllowed(by: rights) {
                addMissingRight(subject, what, operation)
            }
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED.rawValue,
            RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED.rawValue:
            addMissingRight(subject, what, operation)
        default:
            // The brokers have answered for the topics: old ones do not know this question.
            let error = KafkaError(rd_kafka_resp_err_t(rawValue: rights.error))
            rightsNotChecked = "of \(what): \(error)"
        }
    }

    private mutating func addMissingRight(
        _ subject: Problem.Subject, _ what: String, _ operation: Operation
    ) {
        let isConsumers = subject == .source || subject == .group
        let verb = subject == .group ? "use" : operation.rawValue.lowercased()
        add(
            subject,
            "no right to \(verb) \(what): the \(isConsumers ? "consumer" : "producer")'s user"
                + " needs the operation \(operation.rawValue) on it")
    }

    private static var libraryIsOld: String {
        "librdkafka \(LibraryVersion.current) cannot ask for them, 2.3.0 or newer can"
    }

    /// Asks again while nobody answers. Throws when nobody waits any more.
    private static func repeated(
        until deadline: Deadline, _ isCancelled: () -> Bool,
        _ ask: (_ sliceMs: Int32) -> millrace_rights_t
    ) throws(KafkaError) -> millrace_rights_t {
        while true {
            let rights = ask(min(deadline.remainingMs, sliceMs))
            let isSilence = rights.error == RD_KAFKA_RESP_ERR__TIMED_OUT.rawValue
            guard isSilence, deadline.remainingMs > 1 else { return rights }
            if isCancelled() { throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT) }
        }
    }
}

extension KafkaSettings {
    /// How often librdkafka tells the state of the producer while it is waited for.
    private static let statisticsMs = 50

    /// Whether the brokers let the producer write idempotently: those before Kafka 2.8 want a right
    /// of its own for it. Nil where they do. Errors as of `checkTopics`.
    package func checkIdempotence(
        timeoutMs: Int32, log: Log
    ) throws(ServiceError) -> TopicReport.Problem? {
        do throws(KafkaError) {
            let deadline = Deadline(afterMs: timeoutMs)
            let often = [("statistics.interval.ms", String(Self.statisticsMs))]
            let producer = try unsafe ClientHandle(
                .producer, properties(of: .producer) + often, log: log
            ) { conf in
                unsafe rd_kafka_conf_set_stats_cb(conf, noteStatistics)
            }
            // It asks for its id by itself; only the statistics tell that it got one.
            while deadline.remainingMs > 1 {
                _ = unsafe rd_kafka_poll(producer.raw, Int32(Self.statisticsMs))
                if let error = producer.fatalError { return idempotenceProblem(error) }
                let statistics = producer.context.statistics.latest(topic: topic)
                if statistics?.hasProducerId == true { return nil }
            }
            throw KafkaError(RD_KAFKA_RESP_ERR__TIMED_OUT, "no broker gives the producer an id")
        } catch {
            throw error.serviceError
        }
    }

    private func idempotenceProblem(_ error: KafkaError) -> TopicReport.Problem {
        guard error.code == "CLUSTER_AUTHORIZATION_FAILED" else {
            return .init(.sink, "the producer cannot start: \(error)")
        }
        return .init(
            .sink,
            "no right to write idempotently: the producer's user needs the operation"
                + " IdempotentWrite on the cluster, or from Kafka 2.8 on Write on a topic")
    }
}
