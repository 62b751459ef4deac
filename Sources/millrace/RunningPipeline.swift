internal import Glibc
internal import MillraceConfig
internal import MillraceCore
internal import MillraceKafka
internal import MillraceOps
internal import MillraceWorker
internal import Synchronization

/// A checked pipeline with its worker and its HTTP endpoints: what `run` and `demo` share.
final class RunningPipeline: Sendable {
    let worker: Worker
    private let pipeline: CheckedPipeline
    private let log: Log
    private let stopFlag: StopFlag
    private let source: KafkaSource
    private let sink: KafkaSink
    private let logins: LoginWatch
    private let notifier = ServiceNotifier(environment: Environment.variables)

    /// Reads and checks the file; complaints go to stderr.
    static func open(
        path: String, environment: [String: String], log: Log
    ) throws(CommandError) -> CheckedPipeline {
        let (pipeline, complaints) = CheckedPipeline.check(
            path: path, environment: environment, log: log)
        for complaint in complaints { Output.complain(complaint.description) }
        guard let pipeline else {
            throw CommandError(.badData, "\(path) is not usable; see the complaints above")
        }
        return pipeline
    }

    /// Makes clients, lanes and endpoints; nothing runs yet. `consumer` has properties of
    /// the source's client, which the file's own (`kafka.consumer`) win over.
    init(
        _ pipeline: CheckedPipeline, untilEnd: Bool, consumer: KafkaSettings.Properties = [],
        log: Log
    ) throws(CommandError) {
        self.pipeline = pipeline
        let redaction = Redaction(pipeline.file.kafka)
        let log = redaction.over(log)
        self.log = log
        let stopFlag = StopFlag()
        self.stopFlag = stopFlag
        let file = pipeline.file
        var kafka = KafkaSettings(file)
        kafka.consumer = consumer + kafka.consumer
        kafka.modelHeader = pipeline.modelHeader
        kafka.addsModelHeader = file.sink.hasModelHeader
        kafka.untilEnd = untilEnd
        kafka.statisticsIntervalMs = file.http == nil ? 0 : 5_000
        let journal = try Self.journal(file, log: log)
        do throws(ServiceError) {
            if let bad = kafka.knownBadPair() { throw bad }
            let source = try KafkaSource(kafka, log: log)
            let sink = try KafkaSink(kafka, log: log)
            let start = StartState()
            var settings = Self.settings(file, untilEnd: untilEnd)
            settings.tellsRights = { start.tellsRights.load(ordering: .acquiring) }
            let transactions = Self.transactionPolicy(file).map {
                Transactions(source: source, sink: sink, policy: $0)
            }
            self.source = source
            self.sink = sink
            let logins = LoginWatch(
                kafka, file.kafka, source: source, sink: sink, redaction: redaction, log: log)
            self.logins = logins
            worker = try Self.makeWorker(
                pipeline, settings: settings, source: source,
                sink: sink, transactions: transactions, journal: journal,
                verifyTopics: { () throws(ServiceError) in
                    do throws(ServiceError) {
                        let settings = logins.currentSettings()
                        try Self.verifyTopics(settings, start, stopFlag, log: log)
                    } catch {
                        throw error.redacted(by: redaction)
                    }
                },
                troubles: { logins.troubles }, log: log)
        } catch {
            throw CommandError(
                error.isRetriable ? .unavailable : .badData, file.kafka.redacting(error.description)
            )
        }
    }

    /// Opens the journal that the file names, and says what the last run has left in it.
    private static func journal(
        _ file: PipelineFile, log: Log
    ) throws(CommandError) -> CrashJournal? {
        guard let path = file.crashJournal else { return nil }
        let journal = try CrashJournal(path: path, topic: file.source.topic)
        if !journal.suspects.isEmpty {
            log(
                .warning,
                "runs before have ended while the model scored; those records are tried"
                    + " alone",
                [("records", String(journal.suspects.count)), ("crash_journal", path)])
        }
        for record in journal.suspects.condemned {
            log(
                .error, "a record has ended the process again and again; it becomes a dead letter",
                [
                    ("partition", String(record.partition)), ("offset", String(record.offset)),
                ])
        }
        return journal
    }

    /// Throws what the brokers complain of.
    private static func verifyTopics(
        _ kafka: KafkaSettings, _ start: StartState, _ stopFlag: StopFlag,
        log: Log
    ) throws(ServiceError) {
        let report = try kafka.checkTopics(
            timeoutMs: 10_000, isCancelled: { stopFlag.isSet.load(ordering: .acquiring) },
            log: log)
        start.tellsRights.store(report.rightsNotChecked.isEmpty, ordering: .releasing)
        guard report.problems.isEmpty else {
            throw ServiceError(
                code: "", message: report.problems.map(\.message).joined(separator: "; "),
                isFatal: false, isRetriable: start.patience.withLock { $0.mayMend(report) })
        }
        if !report.rightsNotChecked.isEmpty {
            log(
                .info, "rights were not checked",
                [("reason", report.rightsNotChecked.joined(separator: "; "))])
        }
    }

    private static func makeWorker(
        _ pipeline: CheckedPipeline, settings: WorkerSettings, source: any Source,
        sink: any Sink, transactions: Transactions?, journal: CrashJournal?,
        verifyTopics: @escaping @Sendable () throws(ServiceError) -> Void,
        troubles: @escaping @Sendable () -> [String], log: Log
    ) throws(ServiceError) -> Worker {
        let watchdog = LoadWatchdog(pipeline.file.model)
        defer { watchdog.end() }
        let watch = InferenceWatch(limitNs: pipeline.file.inferenceTimeoutNs)
        var settings = settings
        settings.engineProblem = { watch.problem }
        var parts = (Registry.format(pipeline.file.value), watch.watched(pipeline.model))
        if let journal { parts = journal.journaled(parts.0, parts.1) }
        do {
            return try Worker(
                Worker.Parts(
                    source: source, sink: sink, transactions: transactions,
                    format: parts.0, model: parts.1,
                    features: pipeline.features, append: pipeline.append,
                    verifyTopics: verifyTopics, troubles: troubles),
                settings: settings, log: log)
        } catch {
            throw ServiceError(
                code: "", message: error.message, isFatal: true, isRetriable: false)
        }
    }

    /// What the file says of the worker.
    static func settings(_ file: PipelineFile, untilEnd: Bool) -> WorkerSettings {
        var settings = WorkerSettings()
        settings.lanes = file.lanes > 0 ? file.lanes : max(1, Processors.count - 1)
        // A quarter of the memory is for what is taken in and unfinished, as short records hold
        // about twice of what they are charged; the clients' queues and the allocator's slack share
        // the rest (KafkaSettings.memoryBytes).
        settings.boundBytes = file.memory / 4
        settings.batch = BatchPolicy(
            maxRecords: file.batch.maxRecords,
            maxBytes: file.batch.maxBytes ?? max(1 << 20, file.memory / 16),
            maxWaitNs: file.batch.maxWaitNs)
        settings.onError = RecordErrorAction(rawValue: file.onError.rawValue) ?? .stop
        settings.maxDeadRatio = file.deadLetter?.maxRatio ?? 1
        settings.drainBudgetNs = file.shutdownTimeoutNs
        settings.untilEnd = untilEnd
        settings.samples = file.http?.samples ?? 0
        return settings
    }

    /// How transactions are cut; nil: at least once. A quarter of what may be in flight leaves room
    /// to score the next one while the last is committed.
    static func transactionPolicy(_ file: PipelineFile) -> TransactionPolicy? {
        guard file.delivery == .exactlyOnce else { return nil }
        return TransactionPolicy(
            intervalNs: file.commitIntervalNs, maxRecords: 100_000, maxBytes: file.memory / 16,
            // Sending the offsets and the commit may take transaction.timeout.ms each.
            patienceNs: 3_000_000 * Int64(KafkaSettings(file).transactionTimeoutMs))
    }

    /// Asks for an orderly stop. Any thread.
    func requestStop() {
        stopFlag.isSet.store(true, ordering: .releasing)
        worker.requestStop()
        notifier.stopping()
    }

    /// Starts the worker, serves HTTP and waits for the end. A drain that hangs in a service's
    /// call ends the process itself.
    func run() throws(CommandError) -> ExitCode {
        let server = try serve()
        logStart()
        do {
            try worker.start()
        } catch {
            throw CommandError(.unavailable, error.description)
        }
        notifier.begin(worker)
        logins.begin()
        let outcome = worker.join()
        logins.end()
        notifier.end()
        server?.close()
        return try end(outcome)
    }

    private func end(_ outcome: WorkerOutcome) throws(CommandError) -> ExitCode {
        switch outcome {
        case .finished:
            log(.info, "stopped")
            return .done
        case .deadlineExceeded:
            Output.errors.endProgress()
            Output.complain(
                "millrace: stopped before everything was acknowledged; some records will come twice"
            )
            _exit(ExitCode.tryAgain.rawValue)
        case .recordRefused(let reason):
            throw CommandError(.badData, reason)
        case .refused(let reason):
            throw CommandError(.badData, pipeline.file.kafka.redacting(reason))
        case .unavailable(let reason):
            throw CommandError(.unavailable, pipeline.file.kafka.redacting(reason))
        }
    }

    private func serve() throws(CommandError) -> HttpEndpoint? {
        guard let http = pipeline.file.http else { return nil }
        let worker = worker
        let report = statusReport()
        let routes = Endpoints.routes(
            health: { worker.health }, metrics: { [self] in metrics() },
            status: { report.text() })
        do {
            let endpoint = try HttpEndpoint(
                listen: http.listen.description, routes: routes,
                token: http.token.flatMap { HttpToken($0.revealed) })
            log(.info, "serving health and metrics", [("http", endpoint.address)])
            return endpoint
        } catch {
            throw CommandError(.unavailable, error.description)
        }
    }

    private var info: WorkerMetrics.Info {
        WorkerMetrics.Info(
            version: Installation.version, pipeline: pipeline.file.name,
            model: pipeline.modelHeader, engine: pipeline.engineName,
            engineVersion: pipeline.model.engineVersion,
            kafkaVersion: LibraryVersion.current.description)
    }

    private func metrics() -> [Metric] {
        let snapshot = worker.snapshot
        return WorkerMetrics.all(snapshot, isReady: worker.health.isReady, info: info)
            + KafkaMetrics.partitions(Self.progress(snapshot, source))
            + KafkaMetrics.clients(consumer: source.statistics, producer: sink.statistics)
    }

    /// What the progress line shows. Any thread.
    func progress(untilEnd: Bool) -> Progress {
        let snapshot = worker.snapshot
        if untilEnd { return Progress(worker, snapshot, .untilEnd(left: snapshot.offsetsLeft)) }
        let lags = Self.progress(snapshot, source).compactMap(\.lag)
        return Progress(
            worker, snapshot,
            .service(
                lag: lags.isEmpty ? nil : lags.reduce(0, &+),
                inFlightBytes: snapshot.chargedBytes, boundBytes: snapshot.boundBytes))
    }

    private static func progress(
        _ snapshot: WorkerSnapshot, _ source: KafkaSource
    ) -> [PartitionProgress] {
        PartitionProgress.all(
            snapshot.assigned, frontiers: snapshot.frontiers,
            ends: source.knownEnds(of: snapshot.assigned),
            committed: source.statistics?.committed ?? [:])
    }

    private func statusReport() -> StatusReport {
        let (worker, source) = (worker, source)
        return StatusReport(
            StatusReport.Parts(
                file: pipeline.file, append: pipeline.append, info: info, health: { worker.health },
                snapshot: { worker.snapshot }, samples: { worker.samples },
                partitions: { Self.progress($0, source) }))
    }

    private func logStart() {
        let file = pipeline.file
        log(
            .info, "started",
            [
                ("millrace", Installation.version), ("pipeline", file.name),
                ("model", pipeline.modelHeader),
                ("engine", "\(pipeline.engineName) \(pipeline.model.engineVersion)"),
                ("librdkafka", LibraryVersion.current.description),
                ("from", file.source.topic), ("to", file.sink.topic),
                ("group", file.source.group),
                ("lanes", String(Self.settings(file, untilEnd: false).lanes)),
                ("memory_mib", String(file.memory >> 20)),
            ])
    }
}

/// What is kept from one try to start to the next.
private final class StartState: Sendable {
    let patience = Mutex(StartPatience())
    /// Of the last look at the topics.
    let tellsRights = Atomic<Bool>(true)
}

/// Tells a wait for brokers, which begins before the worker reads, that a stop was asked for.
private final class StopFlag: Sendable {
    let isSet = Atomic<Bool>(false)
}

/// The HTTP server with a fixed set of paths, as an object that can be kept while it runs.
private final class HttpEndpoint {
    private var server: HttpServer?
    let address: String

    init(listen: String, routes: [HttpRoute], token: HttpToken?) throws(ServiceError) {
        let server = try HttpServer(listen: listen, routes: routes, token: token)
        address = server.address
        self.server = consume server
    }

    func close() { server = nil }
}
