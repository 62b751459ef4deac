package import MillraceCore

/// What a record that cannot be scored does.
package enum RecordErrorAction: String, Sendable, CaseIterable {
    case deadLetter = "dead_letter"
    case stop
    case pass
}

/// The worker's own settings, as the command takes them from the pipeline file.
package struct WorkerSettings: Sendable {
    /// Inference threads, at least 1.
    package var lanes = 1
    package var batch = BatchPolicy(maxRecords: 512, maxBytes: 16 << 20, maxWaitNs: 0)
    /// Most charged bytes taken in and unfinished.
    package var boundBytes = 128 << 20
    package var onError = RecordErrorAction.deadLetter
    package var maxDeadRatio = 0.5
    /// How long a revoke may wait for the batches of its partitions. Below librdkafka's
    /// max.poll.interval.ms (300 s), after which the group throws us out, and long enough for a
    /// slow broker's acknowledgements.
    package var revokeBudgetNs: Int64 = 30_000_000_000
    /// How long a stop may take.
    package var drainBudgetNs: Int64 = 30_000_000_000
    /// Stop at the offsets at which the partitions end when the worker starts.
    package var untilEnd = false
    /// How many enriched records are kept to be looked at.
    package var samples = 0
    /// How a record is named in the reason why the worker ended for it, by partition and offset.
    package var placeName: @Sendable (Int32, Int64) -> String = {
        "partition \($0) offset \($1)"
    }

    /// What is wrong with the engine, as its watcher says it; nil while nothing is.
    package var engineProblem: @Sendable () -> String? = { nil }
    /// Whether the last check of the topics was told our rights: without, that nothing was wrong
    /// says nothing of them.
    package var tellsRights: @Sendable () -> Bool = { true }

    package init() {}
}

/// How a worker ended.
package enum WorkerOutcome: Sendable, Equatable {
    /// Drained, committed, left the group.
    case finished
    /// The drain took longer than its budget; nothing is lost, some records will come twice.
    case deadlineExceeded
    /// A record error under `on_error: stop`.
    case recordRefused(String)
    /// Only a change of the file, the model or the cluster helps.
    case refused(String)
    /// A service failed for good; a restart may help.
    case unavailable(String)
}
