package import MillraceCore
internal import Synchronization

/// The running pipeline: one intake thread, the lanes, one delivery thread, over the contracts of
/// the core. Made of parts that the command chose; the same for Kafka, the demo and tests.
package final class Worker: Sendable {
    let shared: WorkerShared
    let verifyTopics: @Sendable () throws(ServiceError) -> Void
    let recheck: TopicRecheck
    private let troubles: @Sendable () -> [String]
    let lanes: [Lane]
    private let threads = Mutex<Threads?>(nil)

    private struct Threads {
        let lanes: [WorkerThread]
        let deliveries: WorkerThread
        let intake: WorkerThread
    }

    /// The parts of one pipeline.
    package struct Parts: Sendable {
        package let source: any Source
        package let sink: any Sink
        /// The same source and sink where they work in transactions; nil: at least once.
        package let transactions: Transactions?
        package let format: any Format
        package let model: any Model
        package let features: FeaturePlan
        package let append: AppendPlan
        /// Throws while the topics are not as they must be; retriable errors are tried again.
        package let verifyTopics: @Sendable () throws(ServiceError) -> Void
        /// What else keeps a worker that has started from its work, a line each.
        package let troubles: @Sendable () -> [String]

        package init(
            source: any Source, sink: any Sink, transactions: Transactions? = nil,
            format: any Format, model: any Model, features: FeaturePlan, append: AppendPlan,
            verifyTopics: @escaping @Sendable () throws(ServiceError) -> Void,
            troubles: @escaping @Sendable () -> [String] = { [] }
        ) {
            self.source = source
            self.sink = sink
            self.transactions = transactions
            self.format = format
            self.model = model
            self.features = features
            self.append = append
            self.verifyTopics = verifyTopics
            self.troubles = troubles
        }
    }

    /// Makes the lanes, each with its own session and codec.
    package init(
        _ parts: Parts, settings: WorkerSettings, clock: WorkerClock = .system, log: Log
    ) throws(ModelError) {
        shared = WorkerShared(
            source: parts.source, sink: parts.sink, transactions: parts.transactions,
            settings: settings, clock: clock, log: log)
        verifyTopics = parts.verifyTopics
        recheck = TopicRecheck(parts.verifyTopics)
        troubles = parts.troubles
        var lanes: [Lane] = []
        for index in 0..<max(1, settings.lanes) {
            lanes.append(try Self.makeLane(index, parts, shared))
        }
        self.lanes = lanes
    }

    private static func makeLane(
        _ index: Int, _ parts: Parts, _ shared: WorkerShared
    ) throws(ModelError) -> Lane {
        let rows = shared.settings.batch.maxRecords
        let features = try FeatureColumns(parts.features, capacityRows: rows)
        let codec = try parts.format.makeCodec(
            features: parts.features, append: parts.append, into: features, headers: parts.source)
        let session = try parts.model.makeSession(outputs: parts.append.outputs, maxRows: rows)
        return Lane(
            index: index, shared: shared, codec: codec, session: session, features: features)
    }

    /// Starts the threads. Once only.
    package func start() throws(ServiceError) {
        let noThread = ServiceError(
            code: "", message: "the system has no thread left", isFatal: true, isRetriable: false)
        var laneThreads: [WorkerThread] = []
        for (index, lane) in lanes.enumerated() {
            guard let thread = WorkerThread(name: "lane-\(index)", { lane.run() }) else {
                throw noThread
            }
            laneThreads.append(thread)
        }
        let shared = shared
        guard
            let deliveries = WorkerThread(
                name: "delivery", { Deliveries(shared: shared).run() })
        else { throw noThread }
        guard let intake = WorkerThread(name: "intake", { [self] in runIntake() }) else {
            throw noThread
        }
        threads.withLock {
            $0 = Threads(lanes: laneThreads, deliveries: deliveries, intake: intake)
        }
    }

    private func runIntake() {
        let intake = Intake(shared: shared, verifyTopics: verifyTopics, recheck: recheck)
        intakeIsOver(isDrained: intake.run())
    }

    func intakeIsOver(isDrained: Bool) {
        if isDrained { shared.end(.finished) } else { shared.exceedDeadline() }
        shared.status.withLock { $0.hasEnded = true }
    }

    /// Asks for an orderly stop: drain, commit, leave the group. Any thread.
    package func requestStop() { shared.requestStop() }

    /// Waits for the end. After `.deadlineExceeded` threads may still hang in a service's call:
    /// the process has to exit. Otherwise all is closed when this returns.
    package func join() -> WorkerOutcome {
        guard let threads = threads.withLock({ $0.take() }) else { return .finished }
        threads.intake.join()
        let outcome = shared.endReason ?? .finished
        if outcome == .deadlineExceeded { return outcome }
        letLanesEnd()
        for thread in threads.lanes { thread.join() }
        letDeliveriesEnd()
        if closeInTime(threads.deliveries) { return outcome }
        shared.exceedDeadline()
        return .deadlineExceeded
    }

    /// librdkafka may never return from closing (seen with 2.0.2, whose topic had been deleted and
    /// made again) or from throwing a transaction away. What is not committed by then comes twice.
    private static let closeBudgetNs: Int64 = 10_000_000_000

    /// False where the delivery thread or the clients do not end in their time; a thread hangs in
    /// them then.
    private func closeInTime(_ deliveries: WorkerThread) -> Bool {
        let isClosed = Monitor(false)
        let end = { @Sendable [self] in
            deliveries.join()
            recheck.join()
            close()
        }
        let closing = WorkerThread(name: "closing") {
            end()
            isClosed.withLock { $0 = true }
            isClosed.signal(.room)
        }
        guard closing != nil else {
            end()
            return true
        }
        let deadlineNs = shared.now() &+ Self.closeBudgetNs
        let found = isClosed.look(for: .room, waits: true) { isClosed -> Monitor<Bool>.Look<Bool> in
            isClosed || shared.now() >= deadlineNs ? .found(isClosed) : .wait(untilNs: deadlineNs)
        }
        guard case .found(true) = found else {
            shared.log(.error, "the clients do not close: left as they are")
            return false
        }
        return true
    }

    func letLanesEnd() {
        var waiting = unsafe shared.flow.withLock { unsafe $0.stop() }
        unsafe shared.release(&waiting)
        shared.flow.broadcast(.work)
    }

    func letDeliveriesEnd() {
        shared.isDeliveryOver.store(true, ordering: .releasing)
        shared.sink.wake()
    }

    func close() {
        shared.closeSource()
        shared.sink.close()
    }

    // MARK: What the outside may know

    /// Whether the worker does its job; see `Health`.
    package var health: Health {
        let troubles = troubles()
        return shared.status.withLock { status in
            var missing: [String] = []
            if let problem = status.startProblem { missing.append(problem) }
            if status.hasEnded || shared.isStopRequested.load(ordering: .acquiring) {
                missing.append("stopping")
            } else if status.startProblem == nil, status.rebalances == 0 {
                missing.append("waiting for partitions from the consumer group")
            }
            if let problem = status.sourceProblem { missing.append("input: \(problem)") }
            if let problem = status.sinkProblem { missing.append("output: \(problem)") }
            if let ns = shared.unansweredNs {
                missing.append("output: no answer to a transaction for \(ns / 1_000_000_000) s")
            }
            // The start's own problem says the same.
            if status.startProblem == nil { missing += troubles }
            if let problem = shared.settings.engineProblem() { missing.append(problem) }
            // Lanes hold for the same reason most of the time.
            for reason in Set(status.holds.values).sorted() {
                missing.append("holding: \(reason)")
            }
            return Health(isLive: !status.hasEnded, missing: missing)
        }
    }

    /// Totals so far.
    package var counters: FlowCounters { shared.flow.withLock { $0.counters } }

    /// End-to-end latency so far: record timestamp to acknowledged, in microseconds.
    package var latency: LatencyHistogram { shared.timings.withLock { $0.endToEnd } }

    /// The last enriched records, the oldest first; `WorkerSettings.samples` of them at most.
    package var samples: [RecordSample] { shared.samples.all }

    /// A moment's view for metrics.
    package var snapshot: WorkerSnapshot {
        let (counters, chargedBytes, frontiers) = shared.flow.withLock {
            ($0.counters, $0.chargedBytes, $0.ledger.frontiers)
        }
        let timings = shared.timings.withLock { $0 }
        let settings = shared.settings
        return shared.status.withLock { status in
            WorkerSnapshot(
                counters: counters, timings: timings, frontiers: frontiers,
                chargedBytes: chargedBytes, boundBytes: settings.boundBytes, lanes: lanes.count,
                maxRecords: settings.batch.maxRecords, assigned: status.assigned,
                rebalances: status.rebalances, positionsGone: status.positionsGone,
                isPaused: status.isPaused, pauses: status.pauses, ends: status.ends,
                readToEnd: status.readToEnd)
        }
    }
}
