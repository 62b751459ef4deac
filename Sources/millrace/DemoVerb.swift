internal import Glibc
internal import MillraceConfig
internal import MillraceCore
internal import MillraceKafka
internal import MillraceOps
internal import MillraceWorker
internal import Synchronization

extension Verb {
    /// `millrace demo`
    static let demo = Verb(
        name: "demo", operands: "",
        summary: "Run pipelines/fraud.yaml on an embedded broker with generated payments and show"
            + " the enriched records.\nStops on Ctrl-C or after --records.",
        options: [
            Option(name: "records", value: "N", summary: "stop after N payments"),
            Option(name: "rate", value: "N", summary: "payments a second (default 200)"),
            Option(name: "seed", value: "N", summary: "seed of the payments (default 1)"),
        ],
        run: { arguments throws(CommandError) in
            guard arguments.operands.isEmpty else {
                throw CommandError(.usage, "demo takes no file")
            }
            return try Demo(
                limit: try arguments.number("records", atLeast: 1),
                rate: try arguments.number("rate", atLeast: 1) ?? 200,
                seed: try arguments.number("seed", atLeast: 0) ?? 1
            ).run()
        })
}

/// The demo: librdkafka's mock broker in this process, a thread that feeds payments, a thread that
/// shows what comes out, and between them the same worker as `run` has.
private final class Demo: Sendable {
    private let limit: Int?
    private let rate: Int
    private let seed: Int
    private let isOver = Atomic<Bool>(false)

    /// Records shown in a second; the rest is only counted.
    private static let shownPerSecond = 8
    private static let partitions = 4
    /// A broker answers a waiting fetch as soon as records come; an embedded one lets the whole
    /// wait pass, and records would lie there for half of 100 ms.
    private static let consumer: KafkaSettings.Properties = [("fetch.wait.max.ms", "5")]

    init(limit: Int?, rate: Int, seed: Int) {
        self.limit = limit
        self.rate = rate
        self.seed = seed
    }

    func run() throws(CommandError) -> ExitCode {
        Signals.block()
        let summary = RunSummary()
        let writer = LogWriter(to: Output.errors, form: .text, threshold: .warning)
        defer { writer.flush() }
        let cluster = try embedded { () throws(ServiceError) in try MockCluster(brokerCount: 1) }
        let checked = try open(brokers: cluster.bootstrapServers, log: writer.log)
        let topics = [
            checked.file.source.topic, checked.file.sink.topic, checked.file.deadLetter?.topic,
        ].compactMap { $0 }
        for topic in topics {
            try embedded { () throws(ServiceError) in
                try cluster.createTopic(topic, partitions: Self.partitions)
            }
        }
        let running = try RunningPipeline(
            checked, untilEnd: false, consumer: Self.consumer, log: writer.log)
        Signals.onStop { [self] in
            isOver.store(true, ordering: .releasing)
            running.requestStop()
        }
        let brokers = [(name: "bootstrap.servers", value: cluster.bootstrapServers)]
        let feeder = WorkerThread(name: "feeder") { [self] in feed(topics[0], brokers) }
        let display = WorkerThread(name: "display") { [self] in
            show(Array(topics[1...]), brokers, running)
        }
        let code = try running.run()
        isOver.store(true, ordering: .releasing)
        feeder?.join()
        display?.join()
        extendLifetime(cluster)  // the broker must outlive its clients
        Output.print(summary.line(running.worker.counters, running.worker.latency))
        return code
    }

    private func embedded<Result>(
        _ body: () throws(ServiceError) -> Result
    ) throws(CommandError) -> Result {
        do {
            return try body()
        } catch {
            throw CommandError(.bug, "the embedded broker failed: \(error)")
        }
    }

    private func open(brokers: String, log: Log) throws(CommandError) -> CheckedPipeline {
        guard let path = Installation.exampleFile("fraud.yaml") else {
            throw CommandError(
                .badData, "pipelines/fraud.yaml is not here; start in the folder of the sources")
        }
        var environment = Environment.variables
        environment["KAFKA_BROKERS"] = brokers
        environment["MILLRACE_HTTP"] = environment["MILLRACE_HTTP"] ?? "127.0.0.1:0"
        Output.print("millrace demo: \(path) on an embedded broker; Ctrl-C stops")
        return try RunningPipeline.open(path: path, environment: environment, log: log)
    }

    // MARK: Feeder

    /// Puts payments into the topic at the asked rate until the limit or the end.
    private func feed(_ topic: String, _ brokers: KafkaSettings.Properties) {
        var generator = PaymentGenerator(seed: UInt64(seed))
        let clock = WorkerClock.system
        let startNs = clock.monotonicNs()
        var sent = 0
        do throws(ServiceError) {
            let feeder = try KafkaFeeder(topic: topic, properties: brokers)
            while !isOver.load(ordering: .acquiring), sent < limit ?? .max {
                let elapsedNs = clock.monotonicNs() - startNs
                let due = Int(Double(elapsedNs) / 1e9 * Double(rate)) + 1
                while sent < min(due, limit ?? .max) {
                    let nowMs = clock.wallUs() / 1_000
                    let payment = generator.next(nowMs: nowMs)
                    try feeder.send(
                        PlainRecord(
                            key: Array(payment.key.utf8), value: Array(payment.value.utf8),
                            timestampMs: nowMs))
                    sent += 1
                }
                usleep(5_000)
            }
            try feeder.flush(timeoutMs: 10_000)
        } catch {
            Output.complain("millrace: the demo's feeder failed: \(error)")
        }
    }

    // MARK: Display

    /// Shows enriched records and dead letters as they come, a summary each second, and asks for
    /// the stop when the limit is reached.
    private func show(
        _ topics: [String], _ brokers: KafkaSettings.Properties,
        _ running: RunningPipeline
    ) {
        let worker = running.worker
        let readers = topics.compactMap { try? KafkaReader(topic: $0, properties: brokers) }
        var shown = 0
        var second: Int64 = 0
        while !isOver.load(ordering: .acquiring) {
            for reader in readers {
                while let record = reader.next(timeoutMs: 20) {
                    guard shown < Self.shownPerSecond else { break }
                    Output.print(Self.text(of: record))
                    shown += 1
                }
            }
            let now = WorkerClock.system.monotonicNs() / 1_000_000_000
            if now != second {
                if second > 0, worker.counters.finished > 0 { Output.print(Self.state(of: worker)) }
                second = now
                shown = 0
            }
            if let limit, worker.counters.finished >= limit { break }
            if Output.isClosed { break }  // nobody watches any more
        }
        // A short run may be over before the readers have seen anything.
        for reader in readers where !Output.isClosed {
            while shown < Self.shownPerSecond, let record = reader.next(timeoutMs: 500) {
                Output.print(Self.text(of: record))
                shown += 1
            }
        }
        running.requestStop()
    }

    private static func text(of record: PlainRecord) -> String {
        let value = String(decoding: record.value ?? [], as: UTF8.self)
        let reason = record.headers.first { $0.name == "millrace-error-message" }?.value
        guard let reason else { return value }
        return "dead letter (\(String(decoding: reason, as: UTF8.self))): \(value)"
    }

    private static func state(of worker: Worker) -> String {
        let counters = worker.counters
        let latency = worker.latency
        func milliseconds(_ quantile: Double) -> String {
            latency.quantile(quantile).map { String($0 / 1_000) } ?? "-"
        }
        return "-- \(counters.scored) scored, \(counters.deadTotal) dead letters,"
            + " p50 \(milliseconds(0.5)) ms, p99 \(milliseconds(0.99)) ms"
    }
}
