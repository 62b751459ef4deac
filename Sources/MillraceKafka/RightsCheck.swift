internal import CRdkafka
package import MillraceCore

/// What a client does with a topic or group, by Kafka's name of the right to it.
enum Operation: String {
    case read = "Read"
    case write = "Write"

    /// Whether it is among the operations of an answer of the brokers.
    func isAllowed(by rights: millrace_rights_t) -> Bool {
        let operation = self == .read ? RD_KAFKA_ACL_OPERATION_READ : RD_KAFKA_ACL_OPERATION_WRITE
        let all = RD_KAFKA_ACL_OPERATION_ALL
        return rights.allowed & (1 << operation.rawValue | 1 << all.rawValue) != 0
    }

    /// The same of an answer in Kafka's own numbers; nil where it tells nothing.
    func isAllowed(among operations: [UInt32]) -> Bool? {
        var rights = millrace_rights_t()
        let raw = operations.map { rd_kafka_AclOperation_t(rawValue: $0) }
        unsafe millrace_note_rights(&rights, raw, raw.count)
        return rights.is_told == 0 ? nil : isAllowed(by: rights)
    }
}

/// A topic that is asked about, by the client that will use it.
@safe struct Topic {
    let subject: TopicReport.Problem.Subject
    let name: String
    let operation: Operation
    let client: OpaquePointer

    init(
        _ subject: TopicReport.Problem.Subject, _ name: String, _ operation: Operation,
        _ client: OpaquePointer
    ) {
        self.subject = subject
        self.name = name
        self.operation = operation
        unsafe self.client = client
    }

    /// Whether the brokers name a controller that is there, which the mock's do not. It is asked
    /// for rights, and librdkafka would wait for it until the end of the time.
    func hasController(_ answer: TopicMetadata.Answer) -> Bool {
        unsafe answer.brokers.contains(rd_kafka_controllerid(client, 0))
    }
}

extension TopicReport {
    /// The longest single wait in librdkafka, which nothing can interrupt; asked again after it.
    private static let sliceMs: Int32 = 1_000
    /// How long one question about rights may take: the pipeline runs without its answer as well.
    static let rightsMs: Int32 = 2_000

    /// Notes the topic's partitions and what is wrong with it. Nil where nothing may be known of it
    /// or it does not exist. Throws what keeps the brokers from answering.
    mutating func ask(
        about topic: Topic, _ deadline: Deadline, _ isCancelled: () -> Bool
    ) throws(KafkaError) -> TopicMetadata.Answer? {
        let answer: TopicMetadata.Answer
        do throws(KafkaError) {
            answer = try unsafe TopicMetadata.ask(
                about: topic.name, client: topic.client, until: deadline, isCancelled: isCancelled
            ) {
                unsafe Self.connectionError(of: topic.client)
            }
        } catch {
            guard error.code == "TOPIC_AUTHORIZATION_FAILED" else { throw error }
            addMissingRight(topic.subject, "topic '\(topic.name)'", topic.operation)
            return nil
        }
        guard let count = answer.partitionCount else {
            addMissing(topic.subject, topic.name)
            return nil
        }
        switch topic.subject {
        case .source: source = count
        case .sink: sink = count
        case .deadLetter: deadLetter = count
        case .group: break
        }
        return answer
    }

    /// What keeps the brokers from answering a client that nobody polls otherwise.
    private static func connectionError(of client: OpaquePointer) -> KafkaError? {
        _ = unsafe rd_kafka_poll(client, 0)
        return unsafe ClientContext.of(rd_kafka_opaque(client))?.connectionError
    }

    /// Notes whether the right to use the topic is missing, of which the brokers told `answer`.
    mutating func askRights(
        _ topic: Topic, _ answer: TopicMetadata.Answer, _ isCancelled: () -> Bool
    ) throws(KafkaError) {
        guard millrace_knows_rights() != 0 else {
            noteNotChecked(Self.libraryIsOld)
            return
        }
        guard topic.hasController(answer) else {
            noteNotChecked("the brokers name no controller")
            return
        }
        let rights = try Self.repeated(isCancelled) { sliceMs in
            unsafe millrace_topic_rights(topic.client, topic.name, sliceMs)
        }
        judge(rights, topic.subject, "topic '\(topic.name)'", topic.operation)
    }

    /// Notes whether the right to use the group is missing. Who has none is not told its offsets
    /// either; who may describe it only is found by `checkGroup`, which `run` does without: the
    /// question for rights ends the process where its connection is lost meanwhile (librdkafka's
    /// issue 4605, seen with 2.16).
    mutating func askGroup(
        _ group: String, topic: String, client: OpaquePointer, _ isCancelled: () -> Bool
    ) throws(KafkaError) {
        // There is none of that number: an offset that is in a transaction would be waited for.
        let list = PartitionList(topic: topic, partitions: [.max])
        let rights = try Self.repeated(isCancelled) { sliceMs in
            var rights = millrace_rights_t()
            rights.error = unsafe rd_kafka_committed(client, list.raw, sliceMs).rawValue
            // Who may not even describe it is not told its coordinator: an error of the consumer's.
            if unsafe Self.isRefused(client) {
                rights.error = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED.rawValue
            }
            return rights
        }
        switch rights.error {
        case RD_KAFKA_RESP_ERR_NO_ERROR.rawValue: break
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED.rawValue:
            addMissingRight(.group, "group '\(group)'", .read)
        default:
            let error = KafkaError(rd_kafka_resp_err_t(rawValue: rights.error))
            noteNotChecked("of group '\(group)': \(error)")
        }
    }

    /// Whether a consumer that reads nothing was told that it may not use its group.
    private static func isRefused(_ consumer: OpaquePointer) -> Bool {
        var isRefused = false
        for _ in 0..<16 {
            guard let message = unsafe rd_kafka_consumer_poll(consumer, 0) else { break }
            if unsafe message.pointee.err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED {
                isRefused = true
            }
            unsafe rd_kafka_message_destroy(message)
        }
        return isRefused
    }

    private mutating func judge(
        _ rights: millrace_rights_t, _ subject: Problem.Subject, _ what: String,
        _ operation: Operation
    ) {
        switch rights.error {
        case RD_KAFKA_RESP_ERR_NO_ERROR.rawValue:
            if rights.is_told == 0 {
                noteNotChecked("the brokers do not tell them")
            } else if !operation.isAllowed(by: rights) {
                addMissingRight(subject, what, operation)
            }
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED.rawValue:
            addMissingRight(subject, what, operation)
        default:
            // The brokers have answered for the topics: old ones do not know this question.
            let error = KafkaError(rd_kafka_resp_err_t(rawValue: rights.error))
            noteNotChecked("of \(what): \(error)")
        }
    }

    private mutating func addMissingRight(
        _ subject: Problem.Subject, _ what: String, _ operation: Operation
    ) {
        add(subject, Self.missingRight(subject, what, operation), .missingRight)
    }

    /// Says what right is missing and whom it should be given.
    static func missingRight(
        _ subject: Problem.Subject, _ what: String, _ operation: Operation
    ) -> String {
        let isConsumers = subject == .source || subject == .group
        let verb = subject == .group ? "use" : operation.rawValue.lowercased()
        return "no right to \(verb) \(what): the \(isConsumers ? "consumer" : "producer")'s user"
            + " needs the operation \(operation.rawValue) on it"
    }

    private static var libraryIsOld: String {
        "librdkafka \(LibraryVersion.current) cannot ask for them, 2.3.0 or newer can"
    }

    /// Asks again while nobody answers, for `rightsMs`. Throws when nobody waits any more.
    static func repeated(
        _ isCancelled: () -> Bool, _ ask: (_ sliceMs: Int32) -> millrace_rights_t
    ) throws(KafkaError) -> millrace_rights_t {
        let deadline = Deadline(afterMs: rightsMs)
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
                .producer, idempotentProperties + often, log: log
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
