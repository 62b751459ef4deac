import Testing

@testable import MillraceKafka
@testable import millrace

struct StartPatienceTests {
    /// What each of that many tries is told, where all find these problems.
    private static func tries(
        _ count: Int, _ causes: TopicReport.Problem.Cause...
    ) -> [Bool] {
        var report = TopicReport()
        for cause in causes { report.add(.sink, "text", cause) }
        var patience = StartPatience()
        var told: [Bool] = []
        for _ in 0..<count { told.append(patience.mayMend(report)) }
        return told
    }

    @Test func aMissingTopicIsWaitedFor() {
        #expect(Self.tries(100, .missingTopic).allSatisfy { $0 })
    }

    @Test func aMissingRightIsFinalAfterAFewTries() {
        #expect(Self.tries(4, .missingRight, .missingTopic) == [true, true, true, false])
    }

    @Test func whatOnlyAPersonCanMendIsFinalAtOnce() {
        #expect(Self.tries(1, .missingRight, .other) == [false])
        #expect(Self.tries(1, .missingTopic, .other) == [false])
    }
}
