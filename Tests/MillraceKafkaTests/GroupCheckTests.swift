import CRdkafka
import Testing

@testable import MillraceKafka

@Suite struct GroupCheckTests {
    private static func verdict(
        _ error: rd_kafka_resp_err_t, state: String,
        _ kind: millrace_group_protocol_t = MILLRACE_GROUP_CLASSIC,
        answer: rd_kafka_resp_err_t = RD_KAFKA_RESP_ERR_NO_ERROR
    ) -> GroupVerdict {
        var about = millrace_group_t()
        about.protocol = Int32(kind.rawValue)
        about.rights.error = answer.rawValue
        return KafkaSettings(topic: "in", group: "g").verdict(
            of: ListedGroup(error: error, state: state), about)
    }

    private static func isDoubtful(_ verdict: GroupVerdict, _ text: String) -> Bool {
        if case .doubtful(let problem) = verdict { problem.message.contains(text) } else { false }
    }

    /// A group that has just been deleted looks the same: it is asked for again.
    @Test func aGroupOfAnotherKindIsDoubtfulAtFirst() {
        let dead = Self.verdict(RD_KAFKA_RESP_ERR_NO_ERROR, state: "Dead")
        #expect(Self.isDoubtful(dead, "share group"))
        let unknown = Self.verdict(RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND, state: "")
        #expect(Self.isDoubtful(unknown, "share group"))
    }

    @Test func withoutAnAnswerOfItsKindNothingIsSaid() {
        #expect(
            Self.verdict(RD_KAFKA_RESP_ERR_NO_ERROR, state: "Dead", MILLRACE_GROUP_UNKNOWN)
                == .fine)
        #expect(
            Self.verdict(
                RD_KAFKA_RESP_ERR_NO_ERROR, state: "Dead",
                answer: RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS) == .fine)
    }

    /// The state beside an error says nothing.
    @Test func anotherErrorIsNoOtherKind() {
        let loading = Self.verdict(
            RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, state: "Dead")
        #expect(Self.isDoubtful(loading, "cannot be used"))
        #expect(!Self.isDoubtful(loading, "share group"))
    }
}
