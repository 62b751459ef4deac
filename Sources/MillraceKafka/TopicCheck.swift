internal import CRdkafka
package import MillraceCore

/// What the brokers know of a pipeline's topics.
package struct TopicReport: Sendable, Equatable {
    /// Partitions; nil where the topic does not exist.
    package var source: Int32?
    /// As `source`; nil also where the pipeline names no output topic.
    package var sink: Int32?
    /// As `source`; nil also where the pipeline names no dead-letter topic.
    package var deadLetter: Int32?
    /// What must be changed before the pipeline can run, one line each; empty when it can.
    package var problems: [String] = []
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
            if report.source == nil { report.problems.append(missingText(topic)) }
            let producer = try ClientHandle(.producer, properties(of: .producer), log: log)
            if let name = sinkTopic {
                report.sink = try unsafe TopicMetadata.partitionCount(
                    of: name, client: producer.raw, until: deadline, isCancelled: isCancelled)
                if report.sink == nil { report.problems.append(missingText(name)) }
            }
            if let name = deadLetterTopic {
                report.deadLetter = try unsafe TopicMetadata.partitionCount(
                    of: name, client: producer.raw, until: deadline, isCancelled: isCancelled)
                if report.deadLetter == nil { report.problems.append(missingText(name)) }
            }
            if partitioning == .preserve, let name = sinkTopic, let source = report.source,
                let sink = report.sink, source != sink
            {
                report.problems.append(
                    "topic '\(name)' has \(sink) partitions and '\(topic)' has \(source): "
                        + "sink.partitioning preserve needs equal numbers, or set it to key")
            }
            return report
        } catch {
            throw error.serviceError
        }
    }

    private func missingText(_ name: String) -> String { TopicMetadata.missing(name).message }
}
