internal import MillraceConfig
internal import MillraceCore
internal import MillraceKafka

/// What only the brokers know of a pipeline: `check --connect`.
enum ConnectCheck {
    /// Topics, partition numbers, rights, group. A broker that does not answer is a complaint too,
    /// beside what the others have said. `tell` gets what the brokers say that is no complaint.
    static func complaints(
        about file: PipelineFile, timeoutMs: Int32 = 10_000, tell: (String) -> Void
    ) -> [Complaint] {
        var found: [Complaint] = []
        func add(_ problem: TopicReport.Problem) {
            found.append(
                file.complaint(
                    at: place(of: problem, in: file), problem.message,
                    severity: problem.isError ? .error : .warning))
        }
        do throws(ServiceError) {
            let kafka = KafkaSettings(file)
            let report = try kafka.checkTopics(timeoutMs: timeoutMs, log: .none)
            self.tell(report, of: file, tell)
            var problems = report.problems
            defer { for problem in problems { add(problem) } }
            if !problems.contains(where: { $0.subject == .group }),
                let problem = try kafka.checkGroup(timeoutMs: timeoutMs, log: .none)
            {
                // In the order of the pipeline's parts.
                let place = problems.firstIndex { $0.subject != .source } ?? problems.endIndex
                problems.insert(problem, at: place)
            }
            // A missing right to write keeps the producer from starting, too.
            if !problems.contains(where: { $0.subject == .sink || $0.subject == .deadLetter }),
                let problem = try kafka.checkIdempotence(timeoutMs: timeoutMs, log: .none)
            {
                problems.append(problem)
            }
        } catch {
            found.append(
                file.complaint(
                    at: file.source.topicPlace, file.kafka.redacting(error.description)))
        }
        return found
    }

    private static func tell(
        _ report: TopicReport, of file: PipelineFile, _ tell: (String) -> Void
    ) {
        if let count = report.source {
            tell(
                "\(file.path): topic '\(file.source.topic)' has \(count)"
                    + " partition\(count == 1 ? "" : "s"): as many instances have work")
        }
        if !report.rightsNotChecked.isEmpty {
            let reasons = report.rightsNotChecked.joined(separator: "; ")
            tell("\(file.path): rights were not checked: \(reasons)")
        }
    }

    private static func place(of problem: TopicReport.Problem, in file: PipelineFile) -> Place {
        switch problem.subject {
        case .source, .group: file.source.topicPlace
        case .sink: file.sink.topicPlace
        case .deadLetter: file.deadLetter?.topicPlace ?? file.sink.topicPlace
        }
    }
}
