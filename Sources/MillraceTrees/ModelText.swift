import Glibc
package import MillraceCore

/// Texts in messages about model files.
package enum ModelText {
    /// A file that cannot be read.
    package static func unreadable(_ path: String, _ what: String) -> ModelError {
        ModelError(.unreadable, "\(path): \(what)")
    }

    /// The text of errno, lower case as our messages are.
    package static func systemMessage() -> String {
        guard let text = unsafe strerror(errno) else { return "error \(errno)" }
        return unsafe String(cString: text).lowercased()
    }

    /// Text from a model or a library, fit for one line of a message.
    package static func printable(_ text: String, limit: Int = 400) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(limit) {
            let isControl = scalar.properties.generalCategory == .control
            result.unicodeScalars.append(isControl ? " " : scalar)
        }
        return result
    }
}
