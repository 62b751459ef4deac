internal import MillraceCore
internal import Synchronization

/// One inference thread: takes batches, reads, scores, appends, and writes what is next in order.
/// Codec, session and columns are its own.
@safe final class Lane: @unchecked Sendable {  // sound: only the lane's own thread runs it
    private let index: Int
    private let shared: WorkerShared
    private let codec: any BatchCodec
    private let session: any Session
    private let features: FeatureColumns
    /// Rows of the current batch that the engine refused, with its words.
    private var refused: [(row: Int, message: String)] = []
    /// When the step before ended, on the monotonic clock.
    private var stepEndNs: Int64 = 0

    init(
        index: Int, shared: WorkerShared, codec: any BatchCodec, session: any Session,
        features: FeatureColumns
    ) {
        self.index = index
        self.shared = shared
        self.codec = codec
        self.session = session
        self.features = features
    }

    /// Works until the flow ends.
    func run() {
        while let batch = nextBatch() {
            process(batch)
            shared.flow.withLock { $0.deposit(batch) }
            shared.writeReady()
        }
    }

    private func nextBatch() -> Batch? {
        var dropped = unsafe ContiguousArray<RecordView>()
        var wantsRecords = false
        while true {
            let take = shared.flow.wait(for: .work) { flow -> Monitor<Flow>.Look<Flow.Take> in
                let take = unsafe flow.takeBatch(
                    nowNs: shared.now(),
                    isDraining: shared.isStopRequested.load(ordering: .acquiring),
                    dropped: &dropped)
                wantsRecords = flow.wantsRecords
                guard case .wait(let untilNs) = take, unsafe dropped.isEmpty else {
                    return .found(take)
                }
                return .wait(untilNs: untilNs)
            }
            unsafe shared.release(&dropped)
            switch take {
            case .batch(let batch):
                // There may be enough for another lane.
                if shared.settings.lanes > 1 { shared.flow.signal(.work) }
                if wantsRecords { shared.flow.signal(.room) }
                return batch
            case .wait: continue
            case .end: return nil
            }
        }
    }

    // MARK: Scoring

    /// Scores the batch; holds it back, trying again, while the failure policy says so.
    private func process(_ batch: Batch) {
        var backoff = Backoff(firstNs: 1_000_000_000)
        var tries = 0
        while true {
            score(batch)
            let verdict = judge(batch)
            guard case .hold(let reason) = verdict else { break }
            hold(for: backoff.next(), tries: tries, reason)
            tries += 1
            if shared.isStopRequested.load(ordering: .acquiring) {
                batch.isAbandoned = true
                break
            }
            batch.startOver()
        }
        if tries > 0 {
            shared.status.withLock { $0.holds[index] = nil }
            if !batch.isAbandoned { shared.log(.info, "holding ended") }
        }
        settleErrors(of: batch)
    }

    private func score(_ batch: Batch) {
        refused.removeAll(keepingCapacity: true)
        batch.times.startOver()
        stepEndNs = shared.now()
        codec.read(batch)
        shared.source.noteHeaders(of: batch)
        batch.times.decodeNs = stepNs()
        if features.rowCount > 0 { predict(0..<features.rowCount, of: batch) }
        for (row, message) in refused {
            batch.markDead(Int(features.recordOfRow[row]), RecordError(.inference, message))
        }
    }

    /// Scores the rows; what the engine refuses as a whole is halved until the bad row is found.
    /// The depth is the logarithm of the batch's size.
    private func predict(_ rows: Range<Int>, of batch: Batch) {
        do {
            try session.predict(features, rows: rows)
            batch.times.inferenceNs = (batch.times.inferenceNs ?? 0) &+ stepNs()
            codec.append(session.predictions, rows: rows, to: batch)
            batch.times.appendNs = (batch.times.appendNs ?? 0) &+ stepNs()
        } catch {
            batch.times.inferenceNs = (batch.times.inferenceNs ?? 0) &+ stepNs()
            guard rows.count > 1 else {
                refused.append((rows.lowerBound, error.message))
                return
            }
            let middle = rows.lowerBound + rows.count / 2
            predict(rows.lowerBound..<middle, of: batch)
            predict(middle..<rows.upperBound, of: batch)
        }
    }

    /// Nanoseconds since the step before.
    private func stepNs() -> Int64 {
        let nowNs = shared.now()
        defer { stepEndNs = nowNs }
        return nowNs &- stepEndNs
    }

    private func judge(_ batch: Batch) -> FailurePolicy.Verdict {
        let dead = shared.settings.onError == .deadLetter ? batch.errors.count : 0
        return shared.failures.withLock { policy in
            policy.judge(
                records: batch.count, scored: features.rowCount, refused: refused.count,
                dead: dead)
        }
    }

    private func hold(for waitNs: Int64, tries: Int, _ reason: String) {
        // The engine's words may quote a value, which whoever sees the status need not know
        // (`http.hide`): those are for the log.
        shared.status.withLock { $0.holds[index] = reason }
        let why = refused.first.map { "\(reason): \($0.message)" } ?? reason
        shared.log(
            .error, "holding: \(why)",
            [("try", String(tries + 1)), ("next_try_s", String(waitNs / 1_000_000_000))])
        if shared.settings.untilEnd, tries >= 2 {
            shared.end(.unavailable("gave up: \(why)"))
        }
        let deadline = shared.now() &+ waitNs
        // Waits for the time to pass or the stop; records that come in meanwhile wake it too.
        shared.flow.wait(for: .work) { _ -> Monitor<Flow>.Look<Void> in
            shared.isStopRequested.load(ordering: .acquiring) || shared.now() >= deadline
                ? .found(()) : .wait(untilNs: deadline)
        }
    }

    private func settleErrors(of batch: Batch) {
        guard !batch.errors.isEmpty, !batch.isAbandoned else { return }
        switch shared.settings.onError {
        case .deadLetter: break
        case .pass: _ = batch.passDeadRecords()
        case .stop:
            let (record, error) = batch.errors[0]
            batch.isAbandoned = true
            shared.refuse(record, of: batch, error)
        }
    }
}
