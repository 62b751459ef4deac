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
    /// The first row that the engine is known to have scored.
    private var proven: ProvenRow?
    /// When the part of the work before ended, on the monotonic clock.
    private var stepEndNs: Int64 = 0
    private var task = Task.take
    /// How often the current batch was held, and how long it waits next.
    private var tries = 0
    private var backoff = Backoff(firstNs: 1_000_000_000)

    /// What the next step does.
    private enum Task {
        case take
        case score(Batch)
        case hold(Batch, untilNs: Int64)
        /// Give it in and write what is next in order.
        case hand(Batch)
    }

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
    func run() { while step(waits: true) != .over {} }

    /// The next piece of work; waits for it only where it may.
    func step(waits: Bool) -> LoopStep {
        switch task {
        case .take: return take(waits: waits)
        case .score(let batch): process(batch)
        case .hold(let batch, let untilNs): return waitToRetry(batch, untilNs, waits: waits)
        case .hand(let batch):
            task = .take
            shared.flow.withLock { $0.deposit(batch) }
            shared.writeReady()
        }
        return .done
    }

    private func take(waits: Bool) -> LoopStep {
        var dropped = unsafe ContiguousArray<RecordView>()
        var wantsRecords = false
        let found = shared.flow.look(for: .work, waits: waits) {
            flow -> Monitor<Flow>.Look<Flow.Take> in
            let take = unsafe flow.takeBatch(
                nowNs: shared.now(),
                isDraining: shared.isStopRequested.load(ordering: .acquiring), dropped: &dropped)
            wantsRecords = flow.wantsRecords
            guard case .wait(let untilNs) = take, unsafe dropped.isEmpty else {
                return .found(take)
            }
            return .wait(untilNs: untilNs)
        }
        unsafe shared.release(&dropped)
        switch found {
        case .found(.batch(let batch)):
            // There may be enough for another lane.
            if shared.settings.lanes > 1 { shared.flow.signal(.work) }
            if wantsRecords { shared.flow.signal(.room) }
            task = .score(batch)
            return .done
        case .found(.wait): return .done
        case .found(.end): return .over
        case .wait(let untilNs): return .idle(untilNs: untilNs)
        }
    }

    // MARK: Scoring

    /// Scores the batch; holds it back while the failure policy says so.
    private func process(_ batch: Batch) {
        score(batch)
        guard case .hold(let reason) = judge(batch) else { return conclude(batch) }
        let untilNs = hold(for: backoff.next(), reason)
        tries += 1
        task = .hold(batch, untilNs: untilNs)
    }

    private func conclude(_ batch: Batch) {
        endHold(saysSo: !batch.isAbandoned)
        settleErrors(of: batch)
        task = .hand(batch)
    }

    private func endHold(saysSo: Bool) {
        guard tries > 0 else { return }
        tries = 0
        backoff.reset()
        shared.status.withLock { $0.holds[index] = nil }
        if saysSo { shared.log(.info, "holding ended") }
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
            if proven == nil { proven = ProvenRow(rows.lowerBound, of: features) }
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
        let engine = engineOf(batch)
        return shared.failures.withLock { policy in
            policy.judge(
                records: batch.count, scored: features.rowCount, refused: refused.count,
                dead: dead, engine: engine)
        }
    }

    /// Tries the engine where it has refused all it got. Not the first time that it was more than a
    /// record: a failure of a moment then costs a second and no record.
    private func engineOf(_ batch: Batch) -> FailurePolicy.Engine {
        guard features.rowCount > 0, refused.count == features.rowCount,
            refused.count == 1 || tries > 0,
            let row = proven ?? (refused.count == 1 ? ProvenRow(blankFor: features) : nil)
        else { return .isUnknown }
        do {
            try session.predict(row.features, rows: 0..<1)
            proven = row
            return .works
        } catch {
            // A model need not like a row of zeros.
            return proven == nil ? .isUnknown : .isBroken
        }
    }

    /// Says that the batch is held; returns until when.
    private func hold(for waitNs: Int64, _ reason: String) -> Int64 {
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
        return shared.now() &+ waitNs
    }

    /// The time has to pass, or the stop to come; records that come in meanwhile wake it too.
    private func waitToRetry(_ batch: Batch, _ untilNs: Int64, waits: Bool) -> LoopStep {
        let found = shared.flow.look(for: .work, waits: waits) { _ -> Monitor<Flow>.Look<Void> in
            shared.isStopRequested.load(ordering: .acquiring) || shared.now() >= untilNs
                ? .found(()) : .wait(untilNs: untilNs)
        }
        guard case .found = found else { return .idle(untilNs: untilNs) }
        if shared.isStopRequested.load(ordering: .acquiring) {
            batch.isAbandoned = true
            conclude(batch)
        } else if shared.flow.withLock({ $0.isObsolete(batch) }) {
            // Others have its partitions now: what they do with it is not known here.
            endHold(saysSo: true)
            task = .hand(batch)
        } else {
            batch.startOver()
            task = .score(batch)
        }
        return .done
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
