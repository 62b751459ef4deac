/// Runs models of one kind. Registered in the command's Registry.swift.
package protocol Engine: Sendable {
    /// The name in settings, logs and metrics.
    var name: String { get }

    /// Whether the file's first bytes (up to 4096) look like a model of this engine; `path` may
    /// serve as a hint where content cannot decide.
    func recognizes(head: [UInt8], path: String) -> Bool

    /// Reads and checks the file. Called once per pipeline, before any session. Throws
    /// `ModelError.Kind.declined` where a later engine of the registry may run the file.
    func load(path: String) throws(ModelError) -> any Model
}

/// A loaded model: facts about it, and the maker of sessions.
package protocol Model: Sendable {
    var signature: Signature { get }

    /// A session for one lane that answers the named outputs, in that order.
    ///
    /// - Parameter maxRows: the most rows that one `predict` will ask for.
    func makeSession(outputs: [String], maxRows: Int) throws(ModelError) -> any Session

    /// Version of the library that runs the model, for logs and metrics.
    var engineVersion: String { get }

    /// What the file says about itself.
    var facts: ModelFacts { get }
}

/// One lane's way to score. Used by one thread at a time; buffers are its own and reused.
package protocol Session: AnyObject {
    /// The columns that `predict` points at its results.
    var predictions: PredictionColumns { get }

    /// Scores the given rows of `features`. On success `predictions.rowCount == rows.count` and
    /// its columns hold until the next call. On failure nothing is said about single rows: the
    /// caller splits the batch to find the culprit.
    func predict(_ features: FeatureColumns, rows: Range<Int>) throws(ModelError)
}
