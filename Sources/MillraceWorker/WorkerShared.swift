internal import MillraceCore
internal import Synchronization

/// What the worker's threads share beside the flow.
final class WorkerShared: Sendable {
    let flow: Monitor<Flow>
    let source: any Source
    let sink: any Sink
    /// Exactly once; nil: at least once.
    let transactions: Transactions?
    let settings: WorkerSettings
    let clock: WorkerClock
    let log: Log
    let failures: Mutex<FailurePolicy>
    let timings = Mutex(WorkerTimings())
    let samples: RecordSamples
    let status = Mutex(Status())
    /// The stop was asked for; the intake thread carries it out.
    let isStopRequested = Atomic<Bool>(false)
    /// Since when the delivery thread waits in a call about a transaction; 0: it does not.
    let transactionCallSinceNs = Atomic<Int64>(0)
    /// No answer of the broker is awaited any more.
    let isDeliveryOver = Atomic<Bool>(false)
    private let outcome = Mutex<WorkerOutcome?>(nil)
    /// Guards `wake`, which may come from any thread, against the source's end.
    private let isSourceOpen = Mutex(true)

    /// What the outside may know.
    struct Status {
        var assigned: [Int32] = []
        var rebalances: UInt64 = 0
        var positionsGone: UInt64 = 0
        var isPaused = false
        var pauses: UInt64 = 0
        /// `untilEnd`: see `WorkerSnapshot`.
        var ends: [Int32: Int64] = [:]
        var readToEnd: Set<Int32> = []
        /// Why lanes hold, by lane.
        var holds: [Int: String] = [:]
        /// Why the start has not come through yet.
        var startProblem: String? = "starting"
        var sinkProblem: String?
        /// Why nothing can be read.
        var sourceProblem: String?
        var hasEnded = false
    }

    init(
        source: any Source, sink: any Sink, transactions: Transactions?, settings: WorkerSettings,
        clock: WorkerClock, log: Log
    ) {
        self.flow = Monitor(
            Flow(
                policy: settings.batch, boundBytes: settings.boundBytes,
                transactions: transactions?.policy))
        self.source = source
        self.sink = sink
        self.transactions = transactions
        self.settings = settings
        self.clock = clock
        self.log = log
        self.failures = Mutex(FailurePolicy(maxRatio: settings.maxDeadRatio))
        self.samples = RecordSamples(limit: settings.samples)
    }

    /// Asks for an orderly stop. Any thread, any number of times.
    func requestStop() {
        isStopRequested.store(true, ordering: .releasing)
        isSourceOpen.withLock { if $0 { source.wake() } }
        // Who has looked for the stop under the lock is asleep when we have had the lock, so that
        // no wake-up is lost.
        flow.withLock { _ in }
        flow.broadcast(.room)
        flow.broadcast(.work)
    }

    /// Ends the worker for this reason; the first one stays.
    func end(_ reason: WorkerOutcome) {
        outcome.withLock { if $0 == nil { $0 = reason } }
        requestStop()
    }

    /// The drain or the closing took too long: whatever the worker ends for, the process has to
    /// exit, because threads may hang.
    func exceedDeadline() {
        let earlier = outcome.withLock { outcome in
            defer { outcome = .deadlineExceeded }
            return outcome
        }
        if let earlier, earlier != .finished {
            log(.error, "the end took too long; the worker ended: \(earlier)")
        }
    }

    /// Closes the source; no thread of the worker uses it any more.
    func closeSource() {
        isSourceOpen.withLock { $0 = false }
        source.close()
    }

    /// Ends the worker for the sake of one record.
    func refuse(_ record: Int, of batch: Batch, _ error: RecordError) {
        let origin = unsafe batch.records[record]
        let place = unsafe settings.placeName(origin.partition, origin.offset)
        end(.recordRefused("record at \(place): \(error.message)"))
    }

    /// How long the delivery thread waits for the answer to a transaction, where that is longer
    /// than a commit should take: a third of the patience with it.
    var unansweredNs: Int64? {
        let sinceNs = transactionCallSinceNs.load(ordering: .acquiring)
        guard let transactions, sinceNs != 0 else { return nil }
        let ns = now() &- sinceNs
        return ns > transactions.policy.patienceNs / 3 ? ns : nil
    }

    var endReason: WorkerOutcome? { outcome.withLock { $0 } }

    func now() -> Int64 { clock.monotonicNs() }

    func release(_ records: inout ContiguousArray<RecordView>) {
        guard unsafe !records.isEmpty else { return }
        unsafe records.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress {
                unsafe source.release(base, count: buffer.count)
            }
        }
        unsafe records.removeAll(keepingCapacity: true)
    }

    /// Counts what became of a finished batch, measures its times and its records' latency, frees
    /// it.
    func recycle(_ batch: Batch) {
        var tally = BatchTally()
        // The batch is ours alone now.
        for run in batch.failedRuns { batch.runs[run].isDiscarded = true }
        let nowUs = clock.wallUs()
        samples.offer(batch, nowUs: nowUs)
        timings.withLock { timings in
            timings.add(batch)
            // Neighbours often share their millisecond.
            var (sharedMs, sharing) = (Int64(0), 0)
            for index in 0..<batch.count {
                let result = unsafe batch.results[index]
                let run = batch.runs[Int(result.run)]
                if run.isDiscarded {
                    tally.discarded += 1
                    continue
                }
                let timestampMs = unsafe batch.records[index].timestampMs
                if timestampMs != sharedMs {
                    timings.endToEnd.record(us: nowUs &- sharedMs &* 1_000, count: sharing)
                    (sharedMs, sharing) = (timestampMs, 0)
                }
                if timestampMs > 0 { sharing += 1 }
                switch result.state {
                case .scored:
                    tally.scored += 1
                    tally.outputBytes &+= result.outputCount
                case .passed:
                    tally.passed += 1
                    tally.outputBytes &+= unsafe batch.records[index].valueCount
                case .dead, .taken: break
                }
            }
            timings.endToEnd.record(us: nowUs &- sharedMs &* 1_000, count: sharing)
        }
        for (record, error) in batch.errors {
            let run = batch.runs[Int(unsafe batch.results[record].run)]
            guard !run.isDiscarded else { continue }
            tally.dead[error.kind.ordinal] += 1
        }
        let wantsRecords = flow.withLock { flow in
            flow.recycle(batch, tally: tally)
            return flow.wantsRecords
        }
        flow.signal(.work)
        if wantsRecords { flow.signal(.room) }
    }
}
