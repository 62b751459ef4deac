internal import MillraceConfig
internal import MillraceCore
internal import MillraceKafka

/// What only the brokers know of a pipeline: `check --connect`.
enum ConnectCheck {
    private static let timeoutMs: Int32 = 10_000

    /// Topics, partition numbers, group. A broker that does not answer is a complaint too. `tell`
    /// gets what the brokers say that is no complaint.
    static func complaints(
        about file: PipelineFile, tell: (String) -> Void
    ) -> [Complaint] {
        let kafka = KafkaSettings(file)
        do throws(ServiceError) {
            let report = try kafka.checkTopics(timeoutMs: timeoutMs, log: .none)
            if let count = report.source {
                tell(
                    "\(file.path): topic '\(file.source.topic)' has \(count)"
                        + " partition\(count == 1 ? "" : "s"): as many instances have work")
            }
            var problems = report.problems
            if let problem = try kafka.checkGroup(timeoutMs: timeoutMs, log: .none) {
                problems.append(problem)
            }
            return problems.map { file.complaint(at: place(of: $0, in: file), $0.message) }
        } catch {
            return [file.complaint(at: file.source.topicPlace, error.description)]
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
