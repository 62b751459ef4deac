internal import CRdkafka
package import MillraceCore

/// What the brokers know of a pipeline's topics, and of the rights on them and on the group.
package struct TopicReport: Sendable, Equatable {
    /// Something that must be changed before the pipeline can run, or that somebody should know.
    package struct Problem: Sendable, Equatable {
        /// What of the pipeline it is about.
        package enum Subject: Sendable { case source, group, sink, deadLetter }

        package let subject: Subject
        /// One line, without secrets.
        package let message: String
        /// Otherwise a warning.
        package let isError: Bool

        init(_ subject: Subject, _ message: String, isError: Bool = true) {
            self.subject = subject
            self.message = message
            self.isError = isError
        }
    }

    /// Partitions; nil where the topic does not exist or nothing of it may be known.
    package var source: Int32?
    /// As `source`; nil also where the pipeline names no output topic.
    package var sink: Int32?
    /// As `source`; nil also where the pipeline names no dead-letter topic.
    package var deadLetter: Int32?
    /// Empty when the pipeline can run.
    package var problems: [Problem] = []
    /// Only topics are missing: they may come.
    package var mayMend: Bool { !problems.isEmpty && problems.count == missingCount }
    /// Why some or all rights could not be asked for; nil where all were.
    package var rightsNotChecked: String?

    private var missingCount = 0

    mutating func add(_ subject: Problem.Subject, _ message: String) {
        problems.append(Problem(subject, message))
    }

    mutating func addMissing(_ subject: Problem.Subject, _ topic: String) {
        missingCount += 1
        add(subject, TopicMetadata.missing(topic).message)
    }
}

extension KafkaSettings {
    /// Asks the brokers for the topics, and for the rights on them and on the group, with each
    /// client's own access rights; creates none. Throws `knownBadPair`, and a retriable error when
    /// no broker answers in time or, within about a second, when `isCancelled` says that nobody
    /// waits any more.
    package func checkTopics(
        timeoutMs: Int32, isCancelled: () -> Bool = { false }, log: Log
    ) throws(ServiceError) -> TopicReport {
        if let bad = knownBadPair() { throw bad }
        do throws(KafkaError) {
            let deadline = Deadline(afterMs: timeoutMs)
            var report = TopicReport()
            let consumer = try ClientHandle(.consumer, properties(of: .consumer), log: log)
            report.source = try unsafe report.ask(
                .source, topic, .read, client: consumer.raw, deadline, isCancelled)
            try unsafe report.askGroup(group, client: consumer.raw, deadline, isCancelled)
            let producer = try ClientHandle(.producer, properties(of: .producer), log: log)
            if let name = sinkTopic {
                report.sink = try unsafe report.ask(
                    .sink, name, .write, client: producer.raw, deadline, isCancelled)
            }
            if let name = deadLetterTopic {
                report.deadLetter = try unsafe report.ask(
                    .deadLetter, name, .write, client: producer.raw, deadline, isCancelled)
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
}
