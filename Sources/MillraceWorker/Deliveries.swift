internal import MillraceCore
internal import Synchronization

/// The delivery thread: takes the broker's answers, moves the frontier, frees batches, commits
/// transactions, and brings a broken sink back.
final class Deliveries {
    private let shared: WorkerShared
    private var deliveries: [Delivery] = []
    private var isPurged = false
    private var backoff = Backoff(firstNs: 1_000_000_000)
    private var restartAtNs: Int64 = 0

    init(shared: WorkerShared) { self.shared = shared }

    func run() { while step() != .over {} }

    /// Waits in the sink only.
    func step() -> LoopStep {
        if shared.isDeliveryOver.load(ordering: .acquiring) { return .over }
        deliveries.removeAll(keepingCapacity: true)
        shared.sink.poll(into: &deliveries, timeoutMs: waitMs)
        if !deliveries.isEmpty { take(deliveries) }
        // Also without answers: what found the sink full once is tried again each time.
        shared.flow.withLock { $0.retryWrites() }
        shared.writeReady()
        if let transactions = shared.transactions { commitIfDue(transactions) }
        let (canPurge, canRestart) = shared.flow.withLock { flow in
            if flow.isRecovered { shared.status.withLock { $0.sinkProblem = nil } }
            return (flow.canPurgeSink, flow.canRestartSink)
        }
        if canPurge, !isPurged {
            shared.sink.purge()
            isPurged = true
        }
        if canRestart, shared.now() >= restartAtNs {
            if restart() {
                isPurged = false
                backoff.reset()
            } else {
                restartAtNs = shared.now() &+ backoff.next()
            }
        }
        return .done
    }

    /// Until the next look, at most; answers end the wait.
    private var waitMs: Int32 {
        guard let dueNs = shared.flow.withLock({ $0.commitDueNs }) else { return 100 }
        return Int32(clamping: max(1, min(100, (dueNs &- shared.now()) / 1_000_000)))
    }

    /// The thread waits for the commit: nothing else is on its way, and the lanes score on.
    private func commitIfDue(_ transactions: Transactions) {
        guard shared.flow.withLock({ $0.canCommit(nowNs: shared.now()) }) else { return }
        do {
            let member = try transactions.source.membership()
            guard let offsets = shared.flow.withLock({ $0.beginCommit() }) else { return }
            try watched { () throws(ServiceError) in
                try transactions.sink.commit(offsets.map(\.frontier), as: member)
            }
            shared.flow.withLock { $0.committed(offsets) }
            shared.writeReady()
        } catch {
            // Usual in a rebalance: the group has gone on.
            shared.log(.warning, "transaction not committed: \(error)")
            shared.status.withLock { $0.sinkProblem = error.description }
            shared.flow.withLock { $0.breakSink(nowNs: shared.now()) }
        }
    }

    /// The intake thread sees to it that the call does not hang for ever.
    private func watched(_ call: () throws(ServiceError) -> Void) throws(ServiceError) {
        shared.transactionCallSinceNs.store(shared.now(), ordering: .releasing)
        defer { shared.transactionCallSinceNs.store(0, ordering: .releasing) }
        try call()
    }

    private func take(_ deliveries: [Delivery]) {
        var finished: [Batch] = []
        var rewinding: [(partition: Int32, failure: DeliveryFailure?)] = []
        var waits: [(ns: Int64, count: Int)] = []
        let nowNs = shared.now()
        shared.flow.withLock { flow in
            for delivery in deliveries {
                let effect = flow.delivered(delivery, nowNs: nowNs)
                // Under the lock: after a revoke has closed the account nothing is stored.
                if let frontier = effect.frontier {
                    shared.source.storeOffset(frontier.partition, next: frontier.offset)
                }
                if let handedAtNs = effect.handedAtNs {
                    waits.append((nowNs &- handedAtNs, delivery.count))
                }
                if let batch = effect.finished { finished.append(batch) }
                if let partition = effect.rewinding {
                    rewinding.append((partition, delivery.failure))
                }
            }
        }
        shared.timings.withLock { timings in
            for (ns, count) in waits { timings.delivery.record(ns: ns, count: count) }
        }
        for batch in finished { shared.recycle(batch) }
        for (partition, failure) in rewinding {
            let reason = failure?.error.description ?? ""
            shared.log(
                .error,
                shared.transactions == nil
                    ? "delivery failed, reading again from the first unfinished record"
                    : "delivery failed, reading again from the last commit",
                [("partition", String(partition)), ("error", reason)])
            shared.status.withLock { $0.sinkProblem = reason }
        }
    }

    private func restart() -> Bool {
        do {
            try watched { () throws(ServiceError) in try shared.sink.restart() }
        } catch {
            shared.log(.error, "output does not go on: \(error)")
            shared.status.withLock { $0.sinkProblem = error.description }
            if !error.isRetriable { shared.end(.unavailable("output failed: \(error)")) }
            return false
        }
        shared.flow.withLock { $0.sinkRestarted(nowNs: shared.now()) }
        if shared.transactions == nil {
            shared.log(.warning, "output client made again after a fatal error")
        } else {
            shared.log(.info, "transaction thrown away, the next one is open")
        }
        return true
    }
}
