internal import Glibc
internal import MillraceConfig
internal import MillraceCore
internal import MillraceWorker
internal import Synchronization

/// Looks whether a call of the model comes to its end, and ends the process where it does not: an
/// engine's C code cannot be interrupted.
///
/// It costs a lane two additions a batch, and no clock: the watching thread counts how often it has
/// seen the same call. So a process that was stopped for a while (SIGSTOP) is not late.
final class InferenceWatch: Sendable {
    static let lookEveryNs: Int64 = 250_000_000

    /// Odd while a call runs.
    fileprivate final class Calls: Sendable {
        let count = Atomic<UInt64>(0)
    }

    /// A session's calls, and how often the same one was seen.
    private struct Seen {
        let calls: Calls
        var last: UInt64 = 0
        var times: Int64 = 0
    }

    private let limitNs: Int64
    private let seen = Mutex<[Seen]>([])

    /// Begins to watch, on a thread of its own, until the value is gone.
    ///
    /// - Parameter bark: is called once, with what to say; it does not return in the command.
    init(
        limitNs: Int64,
        bark: @escaping @Sendable (String) -> Void = { InferenceWatch.end($0) }
    ) {
        self.limitNs = limitNs
        let limit = Quantities.durationText(limitNs)
        // Without a thread nobody watches, and the calls go on.
        _ = WorkerThread(name: "inference-watch") { [weak self] in
            // Not held over the sleep.
            while let longestNs = self?.look() {
                if longestNs > limitNs {
                    return bark(
                        "a call of the model takes longer than \(limit) (inference_timeout): the "
                            + "engine hangs and cannot be interrupted, so the process ends; its "
                            + "records are read again")
                }
                usleep(UInt32(clamping: InferenceWatch.lookEveryNs / 1_000))
            }
        }
    }

    /// The same model, with sessions that are watched.
    func watched(_ model: any Model) -> any Model { WatchedModel(model: model, watch: self) }

    /// What is missing for readiness: a call that takes a sixth of the limit and a second.
    var problem: String? {
        let longest = seen.withLock { $0.map(\.times).max() ?? 0 } * Self.lookEveryNs
        guard longest >= max(limitNs / 6, 1_000_000_000) else { return nil }
        return "a call of the model has taken \(longest / 1_000_000_000) s; the process ends after "
            + "\(Quantities.durationText(limitNs))"
    }

    fileprivate func add() -> Calls {
        let calls = Calls()
        seen.withLock { $0.append(Seen(calls: calls)) }
        return calls
    }

    /// How long the longest call of those that run has been seen.
    private func look() -> Int64 {
        seen.withLock { all in
            for index in all.indices {
                let count = all[index].calls.count.load(ordering: .relaxed)
                let isSame = count & 1 == 1 && count == all[index].last
                all[index].times = isSame ? all[index].times + 1 : 0
                all[index].last = count
            }
            return (all.map(\.times).max() ?? 0) * Self.lookEveryNs
        }
    }

    /// Without a look at what else the process does: the lane may hold locks.
    private static func end(_ message: String) {
        Output.complain("millrace: \(message)")
        _exit(ExitCode.tryAgain.rawValue)
    }
}

private struct WatchedModel: Model {
    let model: any Model
    let watch: InferenceWatch

    var signature: Signature { model.signature }
    var engineVersion: String { model.engineVersion }
    var facts: ModelFacts { model.facts }

    func makeSession(outputs: [String], maxRows: Int) throws(ModelError) -> any Session {
        WatchedSession(
            session: try model.makeSession(outputs: outputs, maxRows: maxRows), calls: watch.add())
    }
}

private final class WatchedSession: Session {
    private let session: any Session
    private let calls: InferenceWatch.Calls

    init(session: any Session, calls: InferenceWatch.Calls) {
        self.session = session
        self.calls = calls
    }

    var predictions: PredictionColumns { session.predictions }

    func predict(_ features: FeatureColumns, rows: Range<Int>) throws(ModelError) {
        calls.count.wrappingAdd(1, ordering: .relaxed)
        defer { calls.count.wrappingAdd(1, ordering: .relaxed) }
        try session.predict(features, rows: rows)
    }
}
