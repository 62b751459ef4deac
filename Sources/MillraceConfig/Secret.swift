/// Text that must not be shown. Every way to print it gives `[redacted]`.
package struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    package static let redacted = "[redacted]"

    private let text: String

    package init(_ text: String) { self.text = text }

    /// The text itself: only for the call that needs it, never for a log or an error.
    package var revealed: String { text }

    package var description: String { Self.redacted }
    package var debugDescription: String { Self.redacted }
    package var customMirror: Mirror { Mirror(self, children: [:]) }

    /// What the name of a property with a secret holds.
    static let marks = ["password", "secret", "token", "credential", "oauthbearer", ".pem"]

    /// Whether a librdkafka property of that name holds a secret.
    package static func isName(_ property: String) -> Bool {
        let name = property.lowercased()
        return marks.contains { name.contains($0) }
    }
}
