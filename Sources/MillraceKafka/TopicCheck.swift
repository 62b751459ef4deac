internal import CRdkafka
package import MillraceCore

/// What the brokers know of a pipeline's topics.
package struct TopicReport: Sendable, Equatable {
    /// Something that must be changed before the pipeline can run.
    package struct Problem: Sendable, Equatable {
        /// What of the pipeline it is about.
        package enum Subject: Sendable { case source, group, sink, deadLetter }

        package let subject: Subject
        /// One line, without secrets.
        package let message: String
    }

    /// Partitions; nil where the topic does not exist.
    package var source: Int32?
    /// As `source`; nil also where the pipeline names no output topic.
    package var sink: Int32?
    /// As `source`; nil also where the pipeline names no dead-letter topic.
    package var deadLetter: Int32?
    /// Empty when the pipeline can run.
    package var problems: [Problem] = []

    fileprivate mutating func add(_ subject: Problem.Subject, _ message: String) {
        problems.append(Problem(subject: subject, message: message))
    }
}

extension KafkaSettings {
    /// Asks the brokers for the topics, with each client's own access rights; creates none. Throws
    /// `knownBadPair`, and a retriable error when no broker answers in time or, within about a
    /// second, when `isCancelled` says that nobody waits any more.
    package func checkTopics(
        timeoutMs: Int32, isCancelled: () -> Bool = { false }, log: Log
    ) throws(ServiceError) -> TopicReport {
        if let bad = knownBadPair() { throw bad }
        do throws(KafkaError) {
            let deadline = Deadline(afterMs: timeoutMs)
            var report = TopicReport()
            let consumer = try ClientHandle(.consumer, properties(of: .consumer), log: log)
            report.source = try unsafe TopicMetadata.partitionCount(
                of: topic, client: consumer.raw, until: deadline, isCancelled: isCancelled)
            if report.source == nil { report.add(.source, missingText(topic)) }
            let producer = try ClientHandle(.producer, properties(of: .producer), log: log)
            if let name = sinkTopic {
                report.sink = try unsafe TopicMetadata.partitionCount(
                    of: name, client: producer.raw, until: deadline, isCancelled: isCancelled)
                if report.sink == nil { report.add(.sink, missingText(name)) }
            }
            if let name = deadLetterTopic {
                report.deadLetter = try unsafe TopicMetadata.partitionCount(
                    of: name, client: producer.raw, until: deadline, isCancelled: isCancelled)
                if report.deadLetter == nil { report.add(.deadLetter, missingText(name)) }
            }
            if partitioning == .preserve, let name = sinkTopic, let source = report.source,
                let sink = report.sink, source != sink
            {
                report.add(
                    .sink,
                    "topic '\(name)' has \(sink) partitions and '\(topic)' has \(source): "
                        + "sink.partitioning preserve needs equal numbers, or set it to key")
            }
            return report
        } catch {
            throw error.serviceError
        }
    }

    /// Whether the brokers let us into the group, and no other kind of client uses its name; nil
    /// where all is well or the group does not exist yet. Errors as of `checkTopics`.
    package func checkGroup(
        timeoutMs: Int32, log: Log
    ) throws(ServiceError) -> TopicReport.Problem? {
        do throws(KafkaError) {
            let client = try ClientHandle(.consumer, properties(of: .consumer), log: log)
            var list: UnsafePointer<rd_kafka_group_list>?
            let error = unsafe rd_kafka_list_groups(client.raw, group, &list, timeoutMs)
            if let found = unsafe list {
                defer { unsafe rd_kafka_group_list_destroy(found) }
                return unsafe problem(ofGroups: found.pointee)
            }
            guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw KafkaError(error, "no broker answers for group '\(group)'")
            }
            return nil
        } catch {
            throw error.serviceError
        }
    }

    private func problem(ofGroups list: rd_kafka_group_list) -> TopicReport.Problem? {
        for index in unsafe 0..<Int(list.group_cnt) {
            let found = unsafe list.groups[index]
            let isUnknown =
                unsafe found.err == RD_KAFKA_RESP_ERR_NO_ERROR
                || found.err == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND
            guard isUnknown else {
                let reason = unsafe String(cString: rd_kafka_err2str(found.err))
                return .init(
                    subject: .group, message: "group '\(group)' cannot be used: \(oneLine(reason))")
            }
            let kind = unsafe found.protocol_type.map { unsafe String(cString: $0) } ?? ""
            if !kind.isEmpty, kind != "consumer" {
                return .init(
                    subject: .group,
                    message: "group '\(group)' is in use by clients of the kind '\(kind)'; choose"
                        + " another name")
            }
        }
        return nil
    }

    private func missingText(_ name: String) -> String { TopicMetadata.missing(name).message }
}
