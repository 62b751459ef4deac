internal import MillraceCore
internal import MillraceOps
internal import MillraceWorker

extension Verb {
    /// `millrace run FILE`
    static let run = Verb(
        name: "run", operands: "FILE",
        summary: "Run the pipeline: read, score, append, write, until SIGTERM or SIGINT.\nThe"
            + " first signal finishes what is open and exits 0; a second one exits 75 at once.",
        options: [
            Option(
                name: "until-end", value: nil,
                summary: "stop at the offsets where the partitions end now, print a summary"),
            Option(
                name: "log-level", value: "LEVEL",
                summary: "debug, info (default), warning or error",
                choices: ["debug", "info", "warning", "error"]),
            Option(
                name: "log-format", value: "FORMAT",
                summary: "text (default on a terminal) or json (default elsewhere)",
                choices: ["text", "json"]),
        ],
        run: { arguments throws(CommandError) in
            guard arguments.operands.count == 1 else {
                throw CommandError(.usage, "run needs one pipeline file")
            }
            Signals.block()
            let summary = RunSummary()
            let writer = LogWriter(
                form: try arguments.logForm(), threshold: try arguments.logLevel())
            defer { writer.flush() }
            let untilEnd = arguments.isSet("until-end")
            let checked = try RunningPipeline.open(
                path: arguments.operands[0], environment: Environment.variables, log: writer.log)
            let running = try RunningPipeline(checked, untilEnd: untilEnd, log: writer.log)
            Signals.onStop { running.requestStop() }
            let code = try running.run()
            if untilEnd {
                Output.print(summary.line(running.worker.counters, running.worker.latency))
            }
            return code
        })
}

extension Verb.Arguments {
    /// The value of `--log-format`.
    func logForm() throws(CommandError) -> LogForm {
        switch values["log-format"] {
        case nil: return Output.isTerminal ? .text : .json
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
