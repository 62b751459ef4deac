internal import MillraceConfig
internal import MillraceCore
internal import MillraceLines
internal import MillraceWorker

/// One run of a checked pipeline over lines: the same worker as `run` has, with lines in the place
/// of topics.
struct LineRun {
    let worker: Worker

    /// What differs from what the pipeline file says.
    struct Choices {
        /// Inference threads; nil: what the file says, or all processors, as no client needs one.
        var lanes: Int?
        /// Dead letters do not end the run and do not hold it, whatever the file says.
        var collectsDeadLetters = false
        var form = LineSource.Form()
    }

    init(
        _ pipeline: CheckedPipeline, _ input: LineInput, sink: any Sink, _ choices: Choices,
        log: Log
    ) throws(CommandError) {
        let file = pipeline.file
        var settings = RunningPipeline.settings(file, untilEnd: true)
        let fallback = file.lanes > 0 ? file.lanes : Processors.count
        settings.lanes = choices.lanes ?? fallback
        // The reader of the output may take its time.
        settings.drainBudgetNs = .max / 4
        // There is no page to show them.
        settings.samples = 0
        settings.placeName = { _, offset in "line \(offset &+ 1)" }
        if choices.collectsDeadLetters {
            settings.maxDeadRatio = 1
            if settings.onError == .stop { settings.onError = .deadLetter }
        }
        let source: LineSource
        do throws(ServiceError) {
            source = try LineSource(
                input, form: choices.form, maxLineBytes: file.value.maxBytes)
        } catch {
            throw CommandError(.unavailable, error.description)
        }
        let watchdog = LoadWatchdog(file.model)
        defer { watchdog.end() }
        let watch = InferenceWatch(limitNs: file.inferenceTimeoutNs)
        settings.engineProblem = { watch.problem }
        do throws(ModelError) {
            worker = try Worker(
                Worker.Parts(
                    source: source, sink: sink, format: Registry.format(file.value),
                    model: watch.watched(pipeline.model), features: pipeline.features,
                    append: pipeline.append,
                    verifyTopics: { () throws(ServiceError) in }),
                settings: settings, log: log)
        } catch {
            throw CommandError(.badData, error.message)
        }
    }

    /// Runs to the end of the input.
    func run() throws(CommandError) {
        do {
            try worker.start()
        } catch {
            throw CommandError(.unavailable, error.description)
        }
        switch worker.join() {
        case .finished: return
        case .recordRefused(let reason), .refused(let reason):
            throw CommandError(.badData, reason)
        case .unavailable(let reason): throw CommandError(.unavailable, reason)
        case .deadlineExceeded: throw CommandError(.tryAgain, "stopped before the end")
        }
    }
}
