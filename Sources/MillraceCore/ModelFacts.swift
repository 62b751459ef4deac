/// What a model's file says about itself, for people; nothing is decided by it. Texts come from the
/// file: show them escaped.
package struct ModelFacts: Sendable, Equatable {
    /// One version of a set of operators that the model was written for.
    package struct OperatorSet: Sendable, Equatable {
        /// Empty is the format's own set.
        package let domain: String
        package let version: UInt64

        package init(domain: String, version: UInt64) {
            self.domain = domain
            self.version = version
        }
    }

    /// One entry of the model's own notes.
    package struct Note: Sendable, Equatable {
        package let key: String
        package let value: String

        package init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    /// Name and version of the file format.
    package var format: String
    /// The tool that wrote the file, with its version; empty where it does not say.
    package var producer = ""
    package var operatorSets: [OperatorSet] = []
    package var notes: [Note] = []

    package init(format: String) { self.format = format }
}
