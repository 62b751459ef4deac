import MillraceCore
import Testing

@testable import MillraceKafka

@Suite struct RightsTests {
    @Test func theProducerGetsItsId() throws {
        let stage = try Stage()
        let problem = try stage.settings.checkIdempotence(timeoutMs: 10_000, log: .none)
        #expect(problem == nil)
    }

    /// Brokers before Kafka 2.8 have a right of its own for it.
    @Test func aMissingRightToWriteIdempotentlyIsNamed() throws {
        let stage = try Stage()
        stage.cluster.pushErrors(
            api: .initProducerId, Array(repeating: .clusterAuthorizationFailed, count: 8))
        let problem = try stage.settings.checkIdempotence(timeoutMs: 10_000, log: .none)
        #expect(problem?.subject == .sink)
        #expect(problem?.message.contains("IdempotentWrite on the cluster") == true)
    }

    /// The mock knows no rights: that is said, and waited for by nobody.
    @Test func whereNoRightsAreKnownThatIsSaid() throws {
        let stage = try Stage()
        let start = ContinuousClock.now
        let report = try stage.settings.checkTopics(timeoutMs: 60_000, log: .none)
        #expect(report.problems == [])
        #expect(!report.rightsNotChecked.isEmpty)
        #expect(start.duration(to: .now) < .seconds(30))
    }

    /// The group's coordinator is away, whom alone its rights can be asked for.
    @Test(.enabled(if: LibraryVersion.current >= LibraryVersion(2, 3, 0), "asks for no rights"))
    func rightsThatNobodyTellsOfAreNotChecked() throws {
        let stage = try Stage(brokers: 2)
        try stage.cluster.setCoordinator(group: "g", broker: 2)
        try stage.cluster.setDown(broker: 2)
        let report = try stage.settings.checkTopics(timeoutMs: 2_000, log: .none)
        #expect(report.problems == [])
        #expect([report.source, report.sink, report.deadLetter] == [2, 2, 2])
        #expect(report.rightsNotChecked.contains { $0.hasPrefix("of group 'g': ") })
    }

    /// Numbers of Kafka's AclOperation: 2 All, 3 Read, 4 Write, 5 Create, 8 Describe.
    @Test(
        arguments: [
            ([3, 8], true), ([4, 8], false), ([2], true), ([8], false),
            // No answer: nothing, no right to describe, all bits of -1.
            ([], nil), ([3], nil), (Array(3...12), nil),
        ] as [([UInt32], Bool?)])
    func whatAnAnswerSaysOfTheRightToRead(operations: [UInt32], isAllowed: Bool?) {
        #expect(Operation.read.isAllowed(among: operations) == isAllowed)
    }

    @Test func eachReasonIsKeptOnce() {
        var report = TopicReport()
        for reason in ["a", "b", "a"] { report.noteNotChecked(reason) }
        #expect(report.rightsNotChecked == ["a", "b"])
    }

    @Test func aSilentBrokerIsATemporaryError() throws {
        let stage = try Stage()
        try stage.cluster.setDown(broker: 1)
        let error = #expect(throws: ServiceError.self) {
            try stage.settings.checkIdempotence(timeoutMs: 300, log: .none)
        }
        #expect(error?.isRetriable == true)
    }
}
