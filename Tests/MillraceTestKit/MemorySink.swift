package import MillraceCore

/// An output topic and its dead letters in memory. It answers when the test lets it; a scored
/// record's bytes are read when it is answered, as a real producer does, and compared with what
/// they were when it was enqueued.
@safe package final class MemorySink: Sink, @unchecked Sendable {
    // Sound: all state is guarded; a batch's arena stands still until its records are answered.

    /// One record as the broker got it.
    package struct Written: Sendable, Equatable {
        package let partition: Int32
        package let offset: Int64
        package let key: String?
        /// Nil: a tombstone.
        package let value: String?
        package let state: RecordResult.State
        /// Reason of a dead letter.
        package let reason: RecordError?
    }

    /// What the broker says of a record.
    package enum Answer: Sendable {
        case acknowledge
        case fail(DeliveryFailure)
        /// Not now; the partition's later records wait too.
        case later
    }

    private struct Pending {
        let batch: Batch
        let index: Int
        let run: Int
        let written: Written
    }

    private struct State {
        var pending: [Pending] = []
        var topic: [Written] = []
        var acknowledged: [Int32: Set<Int64>] = [:]
        var answer: @Sendable (Written) -> Answer = { _ in .acknowledge }
        var refuseWrite: @Sendable (Written) -> ServiceError? = { _ in nil }
        var isTooLarge: @Sendable (Written) -> Bool = { _ in false }
        var hasDeadLetters = true
        var capacity = Int.max
        /// Something may have to be answered; a rule is asked once a record until it changes.
        var isDue = false
        var isBroken = false
        var isPurging = false
        var writesRunning = 0
        var restarts = 0
        var commits = 0
        var restartFailures = 0
        var isClosed = false
        var violations: [String] = []
        var fullCount = 0
    }

    private let state = Guarded(State())
    /// Holds commits of transactions up while it is closed.
    package let committing = Gate()
    /// Holds `restart` up while it is closed.
    package let restarting = Gate()

    package init() {}

    // MARK: For the test

    /// How records are answered from now on.
    package func answer(_ rule: @escaping @Sendable (Written) -> Answer) {
        state.change {
            $0.answer = rule
            $0.isDue = true
        }
    }

    /// Nothing is answered until another rule is set.
    package func hold() { answer { _ in .later } }

    package func acknowledgeAll() { answer { _ in .acknowledge } }

    /// Records for which `write` fails at once.
    package func refuseWrites(_ rule: @escaping @Sendable (Written) -> ServiceError?) {
        state.change { $0.refuseWrite = rule }
    }

    /// Enriched records that are too large to be enqueued: they become dead letters in `write`.
    package func findTooLarge(_ rule: @escaping @Sendable (Written) -> Bool) {
        state.change { $0.isTooLarge = rule }
    }

    /// Dead letters cannot be enqueued.
    package func takeDeadLettersAway() { state.change { $0.hasDeadLetters = false } }

    /// Most unanswered records.
    package func setCapacity(_ capacity: Int) { state.change { $0.capacity = capacity } }

    /// The client is of no more use: writes and unanswered records fail until `restart`.
    package func breakFatally() { state.change { $0.isBroken = true } }

    /// Asks the rule again for all that it left unanswered.
    package func askAgain() { state.change { $0.isDue = true } }

    package func failRestarts(_ count: Int) { state.change { $0.restartFailures = count } }

    /// All acknowledged records and dead letters, in the order of acknowledgement.
    package var topic: [Written] { state.read { $0.topic } }

    /// Those of one partition that are not dead.
    package func values(_ partition: Int32) -> [String?] {
        topic.filter { $0.partition == partition && $0.state != .dead }.map(\.value)
    }

    package func offsets(_ partition: Int32) -> [Int64] {
        topic.filter { $0.partition == partition }.map(\.offset)
    }

    package var deadLetters: [Written] { topic.filter { $0.state == .dead } }

    package var pendingCount: Int { state.read { $0.pending.count } }

    package var restarts: Int { state.read { $0.restarts } }

    /// Commits of transactions that were asked for.
    package var commits: Int { state.read { $0.commits } }

    func noteCommit() { state.change { $0.commits += 1 } }

    /// How often `write` found the queue full.
    package var fullCount: Int { state.read { $0.fullCount } }

    /// Broken rules of the contract, by the worker.
    package var violations: [String] { state.read { $0.violations } }

    package func isAcknowledged(_ partition: Int32, _ offset: Int64) -> Bool {
        state.read { $0.acknowledged[partition]?.contains(offset) ?? false }
    }

    // MARK: Sink

    package func write(_ batch: Batch, positions: Range<Int>) -> WriteProgress {
        state.change { state in
            if state.writesRunning > 0 { state.violations.append("two writes at once") }
            if state.isClosed { state.violations.append("write after close") }
            state.writesRunning += 1
        }
        defer { state.change { $0.writesRunning -= 1 } }
        for position in positions {
            let count = position - positions.lowerBound
            let index = unsafe Int(batch.order[position])
            let result = unsafe batch.results[index]
            var written = Self.written(batch, index)
            if written.state == .scored, state.read({ $0.isTooLarge(written) }) {
                batch.markDead(index, RecordError(.tooLarge, "too large on purpose"))
                written = Self.written(batch, index)
            }
            let progress: WriteProgress? = state.change { state in
                if result.state == .taken {
                    state.violations.append("a record was not decided")
                }
                if state.isBroken { return .failed(written: count, Self.fatal) }
                if written.state == .dead, !state.hasDeadLetters {
                    return .failed(written: count, Self.noDeadLetters)
                }
                if let error = state.refuseWrite(written) {
                    return .failed(written: count, error)
                }
                if state.pending.count >= state.capacity {
                    state.fullCount += 1
                    return .full(written: count)
                }
                state.pending.append(
                    Pending(batch: batch, index: index, run: Int(result.run), written: written))
                state.isDue = true
                return nil
            }
            if let progress { return progress }
        }
        return .done
    }

    private static func written(_ batch: Batch, _ index: Int) -> Written {
        let record = unsafe batch.records[index]
        let result = unsafe batch.results[index]
        var value = unsafe text(record.value, record.valueCount)
        if result.state == .scored {
            value = unsafe text(batch.arena.base + result.outputStart, result.outputCount)
        }
        return unsafe Written(
            partition: record.partition, offset: record.offset,
            key: text(record.key, record.keyCount), value: value, state: result.state,
            reason: result.state == .dead ? batch.error(of: index) : nil)
    }

    private static func text(_ start: UnsafeRawPointer?, _ count: Int) -> String? {
        guard let start = unsafe start else { return nil }
        let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
        return unsafe String(decoding: bytes, as: UTF8.self)
    }

    package func poll(into deliveries: inout [Delivery], timeoutMs: Int32) {
        let answers = state.whenReady(timeoutMs: Int(timeoutMs)) { state in
            state.isDue
        } _: { state in
            Self.takeAnswers(&state)
        }
        deliveries.append(contentsOf: answers)
    }

    private static func takeAnswers(_ state: inout State) -> [Delivery] {
        state.isDue = false
        var answers: [Delivery] = []
        var kept: [Pending] = []
        var waiting: Set<Int32> = []
        for pending in state.pending {
            var answer = state.answer(pending.written)
            if state.isPurging {
                let error = state.isBroken ? fatal : purged
                answer = .fail(DeliveryFailure(error: error, isRecordsFault: false))
            } else if waiting.contains(pending.written.partition) {
                answer = .later
            }
            switch answer {
            case .later:
                waiting.insert(pending.written.partition)
                kept.append(pending)
            case .fail(let failure):
                if failure.error.isFatal { state.isBroken = true }
                answers.append(
                    Delivery(
                        slot: pending.batch.slot, run: pending.run, record: pending.index,
                        count: 1, failure: failure))
            case .acknowledge:
                acknowledge(pending, &state)
                add(pending, to: &answers)
            }
        }
        state.pending = kept
        state.isPurging = false
        return answers
    }

    private static func acknowledge(_ pending: Pending, _ state: inout State) {
        let written = pending.written
        if written.state == .scored,
            Self.written(pending.batch, pending.index).value
                != written.value
        {
            state.violations.append("a value changed before it was answered")
        }
        state.topic.append(written)
        state.acknowledged[written.partition, default: []].insert(written.offset)
    }

    /// Successes of one run come together, as librdkafka's do.
    private static func add(_ pending: Pending, to answers: inout [Delivery]) {
        if let last = answers.last, last.slot == pending.batch.slot, last.run == pending.run,
            last.failure == nil
        {
            answers[answers.count - 1] = Delivery(
                slot: last.slot, run: last.run, record: last.record, count: last.count + 1,
                failure: nil)
            return
        }
        answers.append(
            Delivery(
                slot: pending.batch.slot, run: pending.run, record: pending.index, count: 1,
                failure: nil))
    }

    package func wake() { state.change { $0.isDue = true } }

    package func purge() {
        state.change {
            $0.isPurging = true
            $0.isDue = true
        }
    }

    package func restart() throws(ServiceError) {
        restarting.pass()
        let fails = state.change { state in
            if !state.pending.isEmpty { state.violations.append("restart with open records") }
            if state.writesRunning > 0 { state.violations.append("restart during a write") }
            if state.restartFailures > 0 {
                state.restartFailures -= 1
                return true
            }
            state.restarts += 1
            state.isBroken = false
            return false
        }
        if fails { throw Self.noClient }
    }

    package func close() {
        state.change { state in
            if state.writesRunning > 0 { state.violations.append("close during a write") }
            state.isClosed = true
        }
    }

    private static let fatal = ServiceError(
        code: "_FATAL", message: "broken on purpose", isFatal: true, isRetriable: false)
    private static let purged = ServiceError(
        code: "_PURGE_QUEUE", message: "purged", isFatal: false, isRetriable: false)
    private static let noDeadLetters = ServiceError(
        code: "TEST", message: "no dead-letter topic", isFatal: false, isRetriable: false)
    private static let noClient = ServiceError(
        code: "TEST", message: "no client on purpose", isFatal: false, isRetriable: true)
}
