internal import CRdkafka
package import MillraceCore

/// What the brokers know of a pipeline's topics, and of the rights on them and on the group.
package struct TopicReport: Sendable, Equatable {
    /// Something that must be changed before the pipeline can run, or that somebody should know.
    package struct Problem: Sendable, Equatable {
        /// What of the pipeline it is about.
        package enum Subject: Sendable, CaseIterable { case source, group, sink, deadLetter }
        /// What kind of change it needs.
        package enum Cause: Sendable { case missingTopic, missingRight, other }

        package let subject: Subject
        /// One line, without secrets.
        package let message: String
        package let cause: Cause
        /// Otherwise a warning.
        package let isError: Bool

        init(
            _ subject: Subject, _ message: String, _ cause: Cause = .other, isError: Bool = true
        ) {
            self.subject = subject
            self.message = message
            self.cause = cause
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
    package private(set) var problems: [Problem] = []
    /// Why some or all rights could not be asked for, each reason once; empty where all were.
    package private(set) var rightsNotChecked: [String] = []

    mutating func add(
        _ subject: Problem.Subject, _ message: String, _ cause: Problem.Cause = .other
    ) {
        problems.append(Problem(subject, message, cause))
    }

    mutating func addMissing(_ subject: Problem.Subject, _ topic: String) {
        add(subject, TopicMetadata.missing(topic).message, .missingTopic)
    }

    mutating func noteNotChecked(_ reason: String) {
        if !rightsNotChecked.contains(reason) { rightsNotChecked.append(reason) }
    }

    /// The problems in the order of the pipeline's parts, whatever was asked for first.
    mutating func sort() {
        problems = Problem.Subject.allCases.flatMap { subject in
            problems.filter { $0.subject == subject }
        }
    }
}

extension KafkaSettings {
    /// Asks the brokers for the topics, and for the rights on them and on the group, with each
    /// client's own access rights; creates none. Throws `knownBadPair`, and a retriable error when
    /// no broker tells of the topics in time or, within about a second, when `isCancelled` says
    /// that nobody waits any more. Rights that no broker tells of are not checked.
    package func checkTopics(
        timeoutMs: Int32, isCancelled: () -> Bool = { false }, log: Log
    ) throws(ServiceError) -> TopicReport {
        if let bad = knownBadPair() { throw bad }
        do throws(KafkaError) {
            let deadline = Deadline(afterMs: timeoutMs)
            var report = TopicReport()
            let consumer = try ClientHandle(.consumer, properties(of: .consumer), log: log)
            let producer = try ClientHandle(.producer, properties(of: .producer), log: log)
            var topics = [unsafe Topic(.source, topic, .read, consumer.raw)]
            if let name = sinkTopic {
                topics.append(unsafe Topic(.sink, name, .write, producer.raw))
            }
            if let name = deadLetterTopic {
                topics.append(unsafe Topic(.deadLetter, name, .write, producer.raw))
            }
            var seen: [(topic: Topic, answer: TopicMetadata.Answer)] = []
            for topic in topics {
                guard let answer = try report.ask(about: topic, deadline, isCancelled)
                else { continue }
                seen.append((topic, answer))
            }
            // Only then: a right that nobody tells of takes its time.
            for (topic, answer) in seen { try report.askRights(topic, answer, isCancelled) }
            try unsafe report.askGroup(group, topic: topic, client: consumer.raw, isCancelled)
            withExtendedLifetime(producer) {}
            comparePartitions(&report)
            report.sort()
            return report
        } catch {
            throw error.serviceError
        }
    }

    private func comparePartitions(_ report: inout TopicReport) {
        guard partitioning == .preserve, let name = sinkTopic, let source = report.source,
            let sink = report.sink, source != sink
        else { return }
        report.add(
            .sink,
            "topic '\(name)' has \(sink) partitions and '\(topic)' has \(source): "
                + "sink.partitioning preserve needs equal numbers, or set it to key")
    }
}
