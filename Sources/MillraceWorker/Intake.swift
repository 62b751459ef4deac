internal import MillraceCore
internal import Synchronization

/// The intake thread: reads records, admits them, serves rebalances, pauses and rewinds. It never
/// blocks longer than one poll, so that the group keeps us whatever the lanes and the sink do.
@safe final class Intake {
    private let shared: WorkerShared
    private var source: any Source { shared.source }
    /// Checks topics before the start; throws what is wrong.
    private let verifyTopics: @Sendable () throws(ServiceError) -> Void
    /// Checks them while nothing can be read.
    private let recheck: TopicRecheck

    private var assigned: [Int32] = []
    /// False until the group has told us our share, and again while an eager rebalance has taken
    /// all of it away: having nothing to read then is not the end.
    private var isShareKnown = false
    /// Epoch of each partition by its number; 0 where it is not ours.
    private var epochs: [UInt32] = []
    private var arrived = unsafe ContiguousArray<RecordView>()
    private var revoke: Revoke?
    private var isPaused = false
    /// Partitions that the client keeps paused; also while they are not ours.
    private var paused: Set<Int32> = []
    /// Since when the line has had no room, on the monotonic clock.
    private var fullSinceNs: Int64?
    private var end: EndTracker?
    /// When the topics are looked at again because nothing can be read, as `Status.sourceProblem`
    /// says: of one that nobody writes to no record would show that it can be read again.
    private var recheckAtNs: Int64?
    /// What keeps us from reading is a right that is missing.
    private var isRightMissing = false

    private var phase = Phase.starting
    private var startBackoff = Backoff(firstNs: 500_000_000)
    /// When the start was tried first, and when it is tried next.
    private var firstTryNs: Int64?
    private var nextTryNs: Int64 = .min
    /// Whether the drain came through in its time.
    private(set) var isDrained = true

    private enum Phase {
        case starting
        case reading
        case draining(deadlineNs: Int64)
        case over
    }

    private struct Revoke {
        var partitions: [Int32]
        let deadlineNs: Int64
    }

    /// While the line is full the records wait in the client's own queue. Only when that lasts, the
    /// partitions are paused, so that polling can go on for the group's sake: pausing throws away
    /// what is prefetched. Far below the shortest sensible max.poll.interval.ms (10 s).
    private static let pauseAfterNs: Int64 = 500_000_000

    /// Each look makes clients of its own.
    private static let recheckNs: Int64 = 5_000_000_000

    /// A run with an end does not wait for its topics for ever, as a service does.
    private static let patienceNs: Int64 = 60_000_000_000

    init(
        shared: WorkerShared, verifyTopics: @escaping @Sendable () throws(ServiceError) -> Void,
        recheck: TopicRecheck
    ) {
        self.shared = shared
        self.verifyTopics = verifyTopics
        self.recheck = recheck
    }

    /// Reads until the stop is asked for, the end is reached or the worker fails; then drains.
    /// Returns whether the drain came through in its time.
    func run() -> Bool {
        while step(waits: true) != .over {}
        return isDrained
    }

    /// Once around the loop; waits for room only where it may, and else in the source only.
    func step(waits: Bool) -> LoopStep {
        if case .over = phase { return .over }
        if hangsInTransaction {
            isDrained = false
            phase = .over
            return .over
        }
        switch phase {
        case .starting: return start(waits: waits)
        case .reading:
            if shared.isStopRequested.load(ordering: .acquiring) { return beginDrain() }
            serveEvents()
            stepBlocked(waits: waits)
            stepRevoke()
            stepRewinds()
            stepPause()
            return isAtEnd ? beginDrain() : read(waits: waits)
        case .draining(let deadlineNs): return drain(deadlineNs: deadlineNs)
        case .over: return .over
        }
    }

    /// Whether the delivery thread hangs in a call about a transaction. librdkafka (seen with 2.16)
    /// may never return from one after a connection was cut, and nothing can end it but the
    /// process: a new one takes over what was committed last.
    private var hangsInTransaction: Bool {
        guard let transactions = shared.transactions, let ns = shared.unansweredNs,
            ns > transactions.policy.patienceNs
        else { return false }
        shared.log(.error, "a transaction's end is not answered: the client hangs")
        return true
    }

    // MARK: Start

    /// Tries until the topics are there, then joins the group. Over where the worker ends first.
    private func start(waits: Bool) -> LoopStep {
        let found = shared.flow.look(for: .room, waits: waits) { _ -> Monitor<Flow>.Look<Void> in
            shared.isStopRequested.load(ordering: .acquiring) || shared.now() >= nextTryNs
                ? .found(()) : .wait(untilNs: nextTryNs)
        }
        guard case .found = found else { return .idle(untilNs: nextTryNs) }
        if shared.isStopRequested.load(ordering: .acquiring) {
            phase = .over
            return .over
        }
        let startedNs = firstTryNs ?? shared.now()
        firstTryNs = startedNs
        do {
            try join()
            phase = .reading
            return .done
        } catch {
            shared.status.withLock { $0.startProblem = error.description }
            let isLate =
                shared.settings.untilEnd && shared.now() &- startedNs > Self.patienceNs
            if !error.isRetriable || isLate {
                let text = error.description
                shared.end(error.isRetriable ? .unavailable(text) : .refused(text))
                phase = .over
                return .over
            }
            let waitNs = min(startBackoff.next(), 5_000_000_000)
            shared.log(.warning, "not started yet: \(error)")
            nextTryNs = shared.now() &+ waitNs
            return .done
        }
    }

    private func join() throws(ServiceError) {
        try verifyTopics()
        if shared.settings.untilEnd {
            let ends = try source.endOffsets(timeoutMs: 10_000)
            end = EndTracker(ends: ends)
            shared.status.withLock { $0.ends = ends }
        }
        try shared.transactions?.sink.begin(timeoutMs: 5_000)
        try source.start()
        shared.status.withLock { $0.startProblem = nil }
    }

    // MARK: Group

    private func serveEvents() {
        while let event = source.takeEvent() {
            switch event {
            case .assigned(let partitions): take(partitions)
            case .revoked(let partitions): beginRevoke(partitions)
            case .lost(let partitions): lose(partitions)
            case .reachedEnd(let partition, let offset):
                end?.reachedEnd(partition, offset: offset)
                if end != nil { shared.status.withLock { _ = $0.readToEnd.insert(partition) } }
            case .blocked(let error):
                shared.log(.error, "input: \(error)")
                recheck.forget()
                recheckAtNs = shared.now() &+ Self.recheckNs
                isRightMissing = error.code.hasSuffix("_AUTHORIZATION_FAILED")
                shared.status.withLock { $0.sourceProblem = error.description }
            case .positionGone(let text):
                shared.log(
                    .error, "input: records were deleted before they were read", [("at", text)])
                shared.status.withLock { $0.positionsGone &+= 1 }
            case .problem(let error):
                if error.isFatal {
                    shared.end(.unavailable("input failed: \(error)"))
                } else {
                    shared.log(.warning, "input: \(error)")
                }
            }
        }
    }

    /// Looks whether what kept us from reading is mended.
    ///
    /// - Parameter waits: other threads may do the asking.
    private func stepBlocked(waits: Bool) {
        guard let recheckAtNs else { return }
        switch recheck.takeAnswer() {
        case .fine where !isRightMissing || shared.settings.tellsRights(): unblock()
        // A record or a partition will show that the right is there again.
        case .fine: self.recheckAtNs = shared.now() &+ Self.recheckNs
        case .wrong(let error):
            self.recheckAtNs = shared.now() &+ Self.recheckNs
            shared.status.withLock { $0.sourceProblem = error.description }
        case nil: if shared.now() >= recheckAtNs { recheck.ask(inline: !waits) }
        }
    }

    /// Something can be read again.
    private func unblock() {
        guard recheckAtNs != nil else { return }
        recheckAtNs = nil
        recheck.forget()
        shared.status.withLock { $0.sourceProblem = nil }
        shared.log(.info, "input goes on")
    }

    private func take(_ partitions: [Int32]) {
        if !partitions.isEmpty { unblock() }
        let opened = shared.flow.withLock { flow in partitions.map { flow.open($0) } }
        for (partition, epoch) in zip(partitions, opened) {
            setEpoch(epoch, of: partition)
            end?.reassigned(partition)
        }
        isShareKnown = true
        assigned = (assigned + partitions).sorted()
        source.assign(partitions)
        // A client that gets a partition back keeps it paused if it was so, for a rewind say, when
        // it was given away.
        if isPaused { pause(partitions) } else { resume(partitions) }
        noteAssignment("partitions assigned", partitions)
    }

    private func beginRevoke(_ partitions: [Int32]) {
        shared.flow.withLock { $0.stopAdmitting(partitions) }
        revoke = Revoke(
            partitions: partitions, deadlineNs: shared.now() &+ shared.settings.revokeBudgetNs)
        // Their transaction is committed as soon as they are through.
        if shared.transactions != nil { shared.sink.wake() }
    }

    /// Lets revoked partitions go as soon as their batches are through, or the budget is used up.
    private func stepRevoke() {
        guard let revoke else { return }
        let isDrained = shared.flow.withLock { $0.isDrained(revoke.partitions) }
        guard isDrained || shared.now() >= revoke.deadlineNs else { return }
        if !isDrained {
            shared.log(
                .warning, "revoke: batches did not finish in time; their records will come twice")
        }
        commit()
        endRevoke(revoke)
    }

    private func endRevoke(_ revoke: Revoke) {
        letGo(revoke.partitions)
        self.revoke = nil
        noteAssignment("partitions revoked", revoke.partitions)
    }

    private func lose(_ partitions: [Int32]) {
        // A revoke that still waits is answered too, without a commit: nothing is sure any more.
        if let revoke { endRevoke(revoke) }
        letGo(partitions)
        noteAssignment("partitions lost: others may have taken them over", partitions)
    }

    private func letGo(_ partitions: [Int32]) {
        shared.flow.withLock { $0.close(partitions, nowNs: shared.now()) }
        for partition in partitions { setEpoch(0, of: partition) }
        assigned.removeAll { partitions.contains($0) }
        if assigned.isEmpty { isShareKnown = false }
        source.unassign(partitions)
    }

    private func noteAssignment(_ message: String, _ partitions: [Int32]) {
        let all = assigned
        shared.status.withLock {
            $0.assigned = all
            $0.rebalances &+= 1
        }
        shared.log(
            .info, message,
            [
                ("partitions", partitions.map(String.init).joined(separator: ",")),
                ("assigned", String(all.count)),
            ])
    }

    private func setEpoch(_ epoch: UInt32, of partition: Int32) {
        let index = Int(partition)
        guard index >= 0 else { return }
        if index >= epochs.count {
            epochs.append(contentsOf: repeatElement(0, count: index + 1 - epochs.count))
        }
        epochs[index] = epoch
    }

    /// Commits what is stored; transactions have done it already.
    private func commit() {
        guard shared.transactions == nil else { return }
        do {
            try source.commitStored(timeoutMs: 10_000)
        } catch {
            // Duplicates, never loss: the next owner starts from the last commit.
            shared.log(.warning, "commit failed, records may come twice: \(error)")
        }
    }

    // MARK: Rewind and pause

    private func stepRewinds() {
        let nowNs = shared.now()
        let (toPause, toSeek) = shared.flow.withLock { flow in
            (flow.takeRewindsToPause(), flow.takeRewindsToSeek(nowNs: nowNs))
        }
        pause(toPause)
        guard !toSeek.isEmpty else { return }
        let committed = Result { () throws(ServiceError) in
            try shared.transactions?.source.committedOffsets(
                of: toSeek.map(\.partition), timeoutMs: 5_000) ?? [:]
        }
        for (partition, target, epoch) in toSeek {
            let offset: Int64
            do {
                // After a commit whose answer was lost only the group knows. It is behind where
                // we began at records that were deleted, or before a first commit.
                offset = max(target, try committed.get()[partition] ?? target)
                try source.seek(partition, to: offset)
            } catch {
                shared.log(
                    .warning, "could not rewind: \(error)", [("partition", String(partition))])
                shared.flow.withLock { $0.rewindFailed(partition, nowNs: nowNs) }
                continue
            }
            setEpoch(epoch, of: partition)
            end?.rewound(partition, to: offset)
            shared.flow.withLock { $0.rewound(partition, to: offset, epoch: epoch) }
            if !isPaused { resume([partition]) }
            shared.log(
                .info, "reading again",
                [("partition", String(partition)), ("offset", String(offset))])
        }
    }

    private func stepPause() {
        let (hasRoom, isHalfEmpty) = shared.flow.withLock { ($0.hasRoomInLine, $0.isHalfEmpty) }
        if isPaused {
            guard hasRoom, isHalfEmpty else { return }
            isPaused = false
            let rewinding = shared.flow.withLock { $0.rewindingPartitions }
            resume(assigned.filter { !rewinding.contains($0) })
            shared.status.withLock { $0.isPaused = false }
        } else if hasRoom {
            fullSinceNs = nil
        } else if let since = fullSinceNs {
            guard shared.now() &- since >= Self.pauseAfterNs else { return }
            isPaused = true
            pause(assigned)
            shared.status.withLock {
                $0.isPaused = true
                $0.pauses &+= 1
            }
        } else {
            fullSinceNs = shared.now()
        }
    }

    private func pause(_ partitions: [Int32]) {
        guard !partitions.isEmpty else { return }
        source.pause(partitions)
        paused.formUnion(partitions)
    }

    /// Only those that are paused: librdkafka before 2.4 may move the others back.
    private func resume(_ partitions: [Int32]) {
        let own = partitions.filter { paused.contains($0) }
        guard !own.isEmpty else { return }
        source.resume(own)
        paused.subtract(own)
    }

    // MARK: Reading

    private func read(waits: Bool) -> LoopStep {
        if fullSinceNs != nil, !isPaused {
            // The records wait in the client's queue until there is room.
            let deadline = shared.now() &+ 50_000_000
            let found = shared.flow.look(for: .room, waits: waits) {
                flow -> Monitor<Flow>.Look<Bool> in
                if flow.wantsRecords { return .found(true) }
                return shared.now() >= deadline ? .found(false) : .wait(untilNs: deadline)
            }
            guard case .found(let hasRoom) = found else { return .idle(untilNs: deadline) }
            guard hasRoom else { return .done }
            fullSinceNs = nil
        }
        let isBusy = isPaused || revoke != nil || shared.flow.withLock { $0.isRewinding }
        let limit = 2 * shared.settings.batch.maxRecords
        unsafe source.poll(
            into: &arrived, limit: limit, timeoutMs: isBusy || end != nil ? 10 : 100)
        if unsafe !arrived.isEmpty {
            unblock()
            admitArrived()
        }
        return .done
    }

    /// Gives the records their epochs and admits them; those behind the end go back.
    private func admitArrived() {
        // Locals: the checks for exclusive access to a class's properties would cost every record.
        var end = self.end.take()
        let epochs = self.epochs
        var behind = unsafe ContiguousArray<RecordView>()
        var (bytes, kept) = (0, 0)
        unsafe arrived.withUnsafeMutableBufferPointer { records in
            for index in records.indices {
                var record = unsafe records[index]
                let partition = unsafe Int(record.partition)
                if unsafe end?.admits(record.partition, offset: record.offset) == false {
                    unsafe behind.append(record)
                    continue
                }
                let isKnown = partition >= 0 && partition < epochs.count
                unsafe record.epoch = isKnown ? epochs[partition] : 0
                bytes &+= unsafe record.chargedBytes
                unsafe records[kept] = record
                kept += 1
            }
        }
        self.end = end
        unsafe arrived.removeLast(arrived.count - kept)
        unsafe shared.release(&behind)
        let nowNs = shared.now()
        shared.flow.withLock { unsafe $0.admit(arrived, bytes: bytes, nowNs: nowNs) }
        shared.flow.signal(.work)
        unsafe arrived.removeAll(keepingCapacity: true)
    }

    /// `untilEnd`: all of our partitions have been read to the end and all of it is finished.
    private var isAtEnd: Bool {
        guard let end, isShareKnown, revoke == nil, end.isComplete(assigned) else {
            return false
        }
        return shared.flow.withLock { $0.isSettled }
    }

    // MARK: Stop

    /// Lets what waits go.
    private func beginDrain() -> LoopStep {
        pause(assigned)
        isPaused = true
        phase = .draining(deadlineNs: shared.now() &+ shared.settings.drainBudgetNs)
        var waiting = unsafe shared.flow.withLock { unsafe $0.stop() }
        unsafe shared.release(&waiting)
        shared.flow.broadcast(.work)
        return .done
    }

    /// Waits for the open batches, then commits and leaves the group.
    private func drain(deadlineNs: Int64) -> LoopStep {
        // Before the commit: what was lost meanwhile is not ours to commit.
        serveEvents()
        stepRevoke()
        if shared.flow.withLock({ $0.isOver }) {
            commit()
            // What was abandoned stays unfinished: the revoke is answered all the same.
            if let revoke { endRevoke(revoke) }
            phase = .over
            return .over
        }
        guard shared.now() < deadlineNs else {
            isDrained = false
            phase = .over
            return .over
        }
        if shared.transactions != nil { shared.sink.wake() }
        unsafe source.poll(into: &arrived, limit: 64, timeoutMs: 10)
        unsafe shared.release(&arrived)
        return .done
    }
}
