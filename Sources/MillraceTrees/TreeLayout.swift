/// Why an ensemble cannot be scored; a loader adds the file and what its tool calls the place.
package struct TreeError: Error, Sendable, Equatable {
    /// What is wrong, one line, lower case.
    package let message: String

    package init(_ message: String) { self.message = message }
}

/// A checked ensemble, laid out for scoring; immutable, shared by the scorers of all lanes.
package final class TreeLayout: Sendable {
    package let ensemble: TreeEnsemble

    /// Refuses cycles, nodes with two parents or none, indices out of range.
    package init(_ ensemble: TreeEnsemble) throws(TreeError) {
        self.ensemble = ensemble
    }
}
