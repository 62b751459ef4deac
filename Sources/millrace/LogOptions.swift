internal import MillraceCore
internal import MillraceOps

extension Verb.Option {
    private static let levels = ["debug", "info", "warning", "error"]

    /// `--log-level LEVEL`, one of them the verb's usual one.
    static func logLevel(usual: String) -> Self {
        let shown = levels.map { $0 == usual ? "\($0) (default)" : $0 }
        return Self(
            name: "log-level", value: "LEVEL",
            summary: shown.dropLast().joined(separator: ", ") + " or " + (shown.last ?? ""),
            choices: levels)
    }

    /// `--log-format FORMAT`
    static let logFormat = Self(
        name: "log-format", value: "FORMAT",
        summary: "text (default on a terminal, with a progress line) or json (elsewhere)",
        choices: ["text", "json"])
}

extension Verb.Arguments {
    /// The value of `--log-format`.
    func logForm() throws(CommandError) -> LogForm {
        switch values["log-format"] {
        case nil: return Output.errors.isTerminal ? .text : .json
        case "text": return .text
        case "json": return .json
        case let other?:
            throw CommandError(.usage, "--log-format takes text or json, not '\(other)'")
        }
    }

    /// The value of `--log-level`.
    func logLevel(default usual: String = "info") throws(CommandError) -> Log.Level {
        switch values["log-level"] ?? usual {
        case "debug": return .debug
        case "info": return .info
        case "warning": return .warning
        case "error": return .error
        case let other:
            throw CommandError(
                .usage, "--log-level takes debug, info, warning or error, not '\(other)'")
        }
    }
}
