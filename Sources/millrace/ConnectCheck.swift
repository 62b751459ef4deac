internal import MillraceConfig
internal import MillraceCore
internal import MillraceKafka

/// What only the brokers know of a pipeline: `check --connect`.
enum ConnectCheck {
    private static let timeoutMs: Int32 = 10_000

    /// Topics, partition numbers, rights, group. A broker that does not answer is a complaint too.
    /// `tell` gets what the brokers say that is no complaint.
    static func complaints(
        about file: PipelineFile, tell: (String) -> Void
    ) -> [Complaint] {
        do throws(ServiceError) {
            return try problems(of: file, tell: tell).map {
                file.complaint(
                    at: place(of: $0, in: file), $0.message,
                    severity: $0.isError ? .error : .warning)
            }
        } catch {
            return [file.complaint(at: file.source.topicPlace, error.description)]
        }
    }

    private static func problems(
        of file: PipelineFile, tell: (String) -> Void
    ) throws(ServiceError) -> [TopicReport.Problem] {
        let kafka = KafkaSettings(file)
        let report = try kafka.checkTopics(timeoutMs: timeoutMs, log: .none)
        if let count = report.source {
            tell(
                "\(file.path): topic '\(file.source.topic)' has \(count)"
                    + " partition\(count == 1 ? "" : "s"): as many instances have work")
        }
        if !report.rightsNotChecked.isEmpty {
            let reasons = report.rightsNotChecked.joined(separator: "; ")
            tell("\(file.path): rights were not checked: \(reasons)")
        }
        var problems = report.problems
        if !problems.contains(where: { $0.subject == .group }),
            let problem = try kafka.checkGroup(timeoutMs: timeoutMs, log: .none)
        {
            problems.append(problem)
        }
        // A missing right to write keeps the producer from starting, too.
        if !problems.contains(where: { $0.subject == .sink || $0.subject == .deadLetter }),
            let problem = try kafka.checkIdempotence(timeoutMs: timeoutMs, log: .none)
        {
            problems.append(problem)
        }
        return problems
    }

    private static func place(of problem: TopicReport.Problem, in file: PipelineFile) -> Place {
        switch problem.subject {
        case .source, .group: file.source.topicPlace
        case .sink: file.sink.topicPlace
        case .deadLetter: file.deadLetter?.topicPlace ?? file.sink.topicPlace
        }
    }
}
