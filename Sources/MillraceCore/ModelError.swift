/// Why a model cannot be loaded, or refuses a whole batch.
package struct ModelError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The classes of failures.
    package enum Kind: String, Sendable {
        /// The engine's shared library is not on this machine.
        case libraryMissing
        /// The library lacks a function that we need.
        case symbolMissing
        /// The library is older than the oldest that we support.
        case libraryTooOld
        /// The model file cannot be read (missing, a folder, no rights, too large).
        case unreadable
        /// The file is not a model of this engine, is truncated, or is refused by the engine.
        case invalid
        /// The model is valid but uses something that Millrace cannot feed or read.
        case unsupported
        /// The file is sound, but nothing that this engine runs: the next one may.
        case declined
        /// The engine failed while it scored.
        case inference
    }

    package let kind: Kind
    /// What is wrong and what to do, one line, lower case.
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}
