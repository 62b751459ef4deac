/// The tests of one pipeline, as its test file has them.
package struct PipelineTests: Sendable {
    /// The path of the test file, as the user gave it.
    package let path: String
    /// The pipeline file that is tested.
    package let pipeline: String
    package let cases: [Case]

    /// Records that go in, and what is to come out.
    package struct Case: Sendable {
        package let name: String
        package let place: Place
        /// Values of the records.
        package let records: [[UInt8]]
        /// What comes out, in order, dead letters left out; nil: not looked at.
        package let outputs: [Expectation]?
        /// The dead letters, in order; nil: none may come up.
        package let deadLetters: [DeadLetter]?
        /// How far a number may be off: absolutely up to 1, beyond it as a share of the number.
        package let tolerance: Double
    }

    /// What one record is to become.
    package enum Expectation: Sendable, Equatable {
        /// It has these fields with these values, and may have others.
        case fields([JSONValue.Field])
        /// It is this value, with all of its fields and no others.
        case whole(JSONValue)
    }

    /// What is to be said of one dead letter.
    package struct DeadLetter: Sendable, Equatable {
        /// The class of the reason; nil: any.
        package let reason: String?
        /// A part of the message; nil: any.
        package let message: String?
    }

    /// The tolerance where a file names none: what float32 arithmetic of other processors changes.
    package static let usualTolerance = 1e-6

    /// The pipeline file that a test file is for by its name: `fraud_test.yaml` tests `fraud.yaml`.
    static func pipelinePath(of path: String) -> String? {
        for suffix in [".yaml", ".yml"] where path.hasSuffix("_test" + suffix) {
            return path.dropLast("_test".count + suffix.count) + suffix
        }
        return nil
    }
}
