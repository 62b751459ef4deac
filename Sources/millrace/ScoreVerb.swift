internal import Glibc
internal import MillraceConfig
internal import MillraceCore
internal import MillraceLines
internal import MillraceOps
internal import MillraceWorker

extension Verb {
    /// `millrace score PIPELINE [FILE]`
    static let score = Verb(
        name: "score", operands: "PIPELINE [FILE]",
        summary: "Score lines without Kafka: one JSON value a line, from FILE or stdin to stdout."
            + "\nWhat comes out is what run would write, byte for byte and in order; dead letters"
            + " are JSON lines on stderr.",
        options: [
            Option(name: "dead", value: "FILE", summary: "dead letters go into this file"),
            Option(name: "strict", value: nil, summary: "exit 65 where there are dead letters"),
            Option(
                name: "lanes", value: "N",
                summary: "inference threads (default: the file's lanes, or all processors)"),
            .logLevel(usual: "warning"), .logFormat,
        ],
        run: { arguments throws(CommandError) in
            guard (1...2).contains(arguments.operands.count) else {
                throw CommandError(.usage, "score needs a pipeline file, and at most one of lines")
            }
            let lanes = try arguments.number("lanes", atLeast: 1)
            if let lanes, lanes > 256 {
                throw CommandError(.usage, "--lanes takes at most 256, not '\(lanes)'")
            }
            let form = try arguments.logForm()
            let writer = LogWriter(
                to: Output.errors, form: form,
                threshold: try arguments.logLevel(default: "warning"))
            defer { writer.flush() }
            // Lines on the terminal would mix with it.
            let mayShowProgress = ProgressDisplay.isWanted(form) && isatty(STDOUT_FILENO) == 0
            if mayShowProgress {
                Signals.block()
                Signals.beforeEnd { Output.errors.endProgressIfFree() }
            }
            let summary = RunSummary()
            let pipeline = try RunningPipeline.open(
                path: arguments.operands[0], environment: Environment.variables, log: writer.log)
            let files = try ScoreFiles(
                input: arguments.operands.dropFirst().first, deadLetters: arguments.values["dead"])
            defer { files.close() }
            let scoring = try Scoring(
                pipeline, files, lanes: lanes, isStrict: arguments.isSet("strict"), log: writer.log)
            // What a person types shows on the terminal as well.
            if mayShowProgress, isatty(files.input) == 0 { scoring.showProgress(of: files.input) }
            defer { Output.errors.endProgress() }
            return try scoring.run(summary)
        })
}

/// One run of `score`.
private struct Scoring {
    private let sink: LineSink
    private let lineRun: LineRun
    private let isStrict: Bool

    init(
        _ pipeline: CheckedPipeline, _ files: ScoreFiles, lanes: Int?, isStrict: Bool, log: Log
    ) throws(CommandError) {
        self.isStrict = isStrict
        let isOnTerminal = isatty(files.deadLetters) == 1
        do throws(ServiceError) {
            sink = try LineSink(
                LineSink.Outputs(
                    values: STDOUT_FILENO, deadLetters: files.deadLetters,
                    aroundDeadLetters: { write in
                        if isOnTerminal { Output.errors.lend(write) } else { write() }
                    }),
                maxLineBytes: pipeline.file.value.maxBytes)
        } catch {
            throw CommandError(.unavailable, error.description)
        }
        var choices = LineRun.Choices()
        choices.lanes = lanes
        lineRun = try LineRun(
            pipeline, .descriptor(files.input), sink: sink, choices, log: log)
        let worker = lineRun.worker
        sink.onFailure { worker.requestStop() }
    }

    /// `input` is a descriptor; where it is a file, its position tells how far the run is.
    func showProgress(of input: Int32) {
        let worker = lineRun.worker
        let start = lseek(input, 0, SEEK_CUR)
        let total = ScoreFiles.byteCount(of: input).map { $0 &- start }
        ProgressDisplay.begin {
            let position = lseek(input, 0, SEEK_CUR)
            return Progress(
                worker, worker.snapshot,
                .lines(doneBytes: position &- start, totalBytes: position < 0 ? nil : total))
        }
    }

    func run(_ summary: RunSummary) throws(CommandError) -> ExitCode {
        do throws(CommandError) {
            try lineRun.run()
        } catch {
            if let failure = sink.outputFailure { return try end(failure) }
            throw error
        }
        if let failure = sink.outputFailure { return try end(failure) }
        Output.errors.endProgress()
        let counters = lineRun.worker.counters
        Output.complain(summary.line(counters, lineRun.worker.latency))
        return isStrict && counters.deadTotal > 0 ? .badData : .done
    }

    /// A reader that wants no more (`| head`) is no error.
    private func end(_ failure: OutputFailure) throws(CommandError) -> ExitCode {
        if failure.isValues, failure.isReaderGone { return .done }
        let output = failure.isValues ? "the output" : "dead letters"
        throw CommandError(.unavailable, "cannot write \(output): \(failure.message)")
    }
}

/// The files that `score` reads and writes, beside stdout.
private struct ScoreFiles {
    let input: Int32
    let deadLetters: Int32

    /// Opens them; `-` and nil are stdin, nil for the dead letters is stderr.
    init(input inputPath: String?, deadLetters deadPath: String?) throws(CommandError) {
        input = try Self.openInput(inputPath)
        guard !Self.isSameFile(input, STDOUT_FILENO) else {
            throw CommandError(.usage, "the file that is read is the output as well")
        }
        guard let deadPath else {
            deadLetters = STDERR_FILENO
            return
        }
        // Emptied only when it is not the input.
        let descriptor = unsafe Glibc.open(deadPath, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw Self.failure("write", deadPath) }
        guard !Self.isSameFile(input, descriptor) else {
            throw CommandError(.usage, "--dead names the file that is read")
        }
        // A file of ours under another name (/dev/stdout): it has one position for both.
        if let open = [STDOUT_FILENO, STDERR_FILENO].first(where: {
            Self.isSameFile($0, descriptor)
        }) {
            _ = Glibc.close(descriptor)
            deadLetters = open
            return
        }
        if Self.kind(of: descriptor) == S_IFREG, ftruncate(descriptor, 0) != 0 {
            throw Self.failure("write", deadPath)
        }
        deadLetters = descriptor
    }

    private static func openInput(_ path: String?) throws(CommandError) -> Int32 {
        guard let path, path != "-" else {
            if kind(of: STDIN_FILENO) == S_IFDIR {
                throw CommandError(.badData, "cannot read stdin: it is a folder")
            }
            return STDIN_FILENO
        }
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("read", path) }
        guard kind(of: descriptor) != S_IFDIR else {
            throw CommandError(.badData, "cannot read '\(path)': it is a folder")
        }
        return descriptor
    }

    private static func failure(_ verb: String, _ path: String) -> CommandError {
        let reason = unsafe String(cString: strerror(errno)).lowercased()
        return CommandError(.badData, "cannot \(verb) '\(path)': \(reason)")
    }

    private static func kind(of descriptor: Int32) -> mode_t {
        status(of: descriptor).map { $0.st_mode & S_IFMT } ?? 0
    }

    private static func isSameFile(_ one: Int32, _ other: Int32) -> Bool {
        guard let one = status(of: one), let other = status(of: other) else { return false }
        return one.st_mode & S_IFMT == S_IFREG && one.st_dev == other.st_dev
            && one.st_ino == other.st_ino
    }

    /// The size of a file; nil for pipes and the like.
    static func byteCount(of descriptor: Int32) -> Int? {
        guard let status = status(of: descriptor), status.st_mode & S_IFMT == S_IFREG else {
            return nil
        }
        return Int(status.st_size)
    }

    private static func status(of descriptor: Int32) -> stat? {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 ? status : nil
    }

    func close() {
        if input != STDIN_FILENO { _ = Glibc.close(input) }
        if deadLetters > STDERR_FILENO { _ = Glibc.close(deadLetters) }
    }
}
