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
            .logLevel(usual: "info"), .logFormat,
        ],
        run: { arguments throws(CommandError) in
            guard arguments.operands.count == 1 else {
                throw CommandError(.usage, "run needs one pipeline file")
            }
            CrashRemains.forbid()
            Signals.block()
            let summary = RunSummary()
            let form = try arguments.logForm()
            let writer = LogWriter(
                to: Output.errors, form: form, threshold: try arguments.logLevel())
            defer { writer.flush() }
            let untilEnd = arguments.isSet("until-end")
            let checked = try RunningPipeline.open(
                path: arguments.operands[0], environment: Environment.variables, log: writer.log)
            let running = try RunningPipeline(checked, untilEnd: untilEnd, log: writer.log)
            Signals.onStop { running.requestStop() }
            if ProgressDisplay.isWanted(form) {
                ProgressDisplay.begin { running.progress(untilEnd: untilEnd) }
            }
            defer { Output.errors.endProgress() }
            let code = try running.run()
            Output.errors.endProgress()
            if untilEnd {
                Output.print(summary.line(running.worker.counters, running.worker.latency))
            }
            return code
        })
}
