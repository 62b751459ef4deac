internal import MillraceKafka

/// Whether a start that lacks something is tried again. A missing topic may come at any time;
/// brokers learn of a right some time after the command that grants it has ended.
struct StartPatience {
    /// So often in a row rights may be missing; with the worker's waits between, about 4 s.
    static let rightsTries = 4

    private var tries = 0

    /// Whether what the report complains of may mend itself before the next try.
    mutating func mayMend(_ report: TopicReport) -> Bool {
        guard report.problems.contains(where: { $0.cause == .missingRight }) else {
            tries = 0
            return report.problems.allSatisfy { $0.cause == .missingTopic }
        }
        tries += 1
        return tries < Self.rightsTries && report.problems.allSatisfy { $0.cause != .other }
    }
}
