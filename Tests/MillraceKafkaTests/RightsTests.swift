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
        #expect(report.rightsNotChecked != nil)
        #expect(start.duration(to: .now) < .seconds(30))
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
