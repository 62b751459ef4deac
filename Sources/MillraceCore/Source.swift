/// Where records come from. The intake thread owns it: every call is from that thread unless the
/// comment says otherwise.
package protocol Source: HeaderReader {
    /// Joins the group and begins to fetch. Works with the broker down: records come when it is up.
    func start() throws(ServiceError)

    /// Appends records that have arrived, at most `limit`; waits up to `timeoutMs` for the first
    /// only. Every record handed out must come back through `release`. `epoch` is left 0.
    /// What else happened is queued for `takeEvent`.
    func poll(into records: inout ContiguousArray<RecordView>, limit: Int, timeoutMs: Int32)

    /// The next thing that happened since the last call, oldest first.
    func takeEvent() -> SourceEvent?

    /// Ends a waiting `poll` early. Any thread.
    func wake()

    /// Answers `.assigned`: fetching of these partitions begins.
    func assign(_ partitions: [Int32])

    /// Answers `.revoked` and `.lost`: the partitions are let go.
    func unassign(_ partitions: [Int32])

    /// Stops fetching; what was prefetched is dropped and will be fetched again on `resume`.
    func pause(_ partitions: [Int32])

    /// Fetches again. Only for partitions that were paused.
    func resume(_ partitions: [Int32])

    /// Moves the position of an assigned, paused partition; records of the old position do not come
    /// any more after the call.
    func seek(_ partition: Int32, to offset: Int64) throws(ServiceError)

    /// Remembers the offset (of the next record to read) for the next commit. Any thread. Does
    /// nothing for a partition that is not ours any more.
    func storeOffset(_ partition: Int32, next offset: Int64)

    /// Commits the stored offsets and waits for the answer, at most `timeoutMs`.
    func commitStored(timeoutMs: Int32) throws(ServiceError)

    /// The offsets at which the topic's partitions end now, by partition.
    func endOffsets(timeoutMs: Int32) throws(ServiceError) -> [Int32: Int64]

    /// Hands records back; their pointers are dead after this. Any thread.
    func release(_ records: UnsafeMutablePointer<RecordView>, count: Int)

    /// Tells by `RecordResult.mayHaveHeaders` which undecided records have no headers. The batch's
    /// lane calls it right after it has read the values: what answers it lies beside them in the
    /// processor's cache, and would be a trip to memory a record later.
    func noteHeaders(of batch: Batch)

    /// Leaves the group. No other call may follow; all records are released before.
    func close()
}

/// What happens to a source beside records.
package enum SourceEvent: Sendable, Equatable {
    /// New partitions: answer with `assign`.
    case assigned([Int32])
    /// To be given back in good order: drain, commit, then `unassign`.
    case revoked([Int32])
    /// Gone already: drop, commit nothing, then `unassign`.
    case lost([Int32])
    /// The partition has no record at or after `offset` now (only when asked for, `until-end`).
    case reachedEnd(partition: Int32, offset: Int64)
    /// Nothing comes any more until somebody acts; then the source goes on by itself.
    case blocked(ServiceError)
    /// Records were deleted before they were read: reading goes on where `source.start` says. The
    /// text names the partition.
    case positionGone(String)
    /// Something to tell the operator; the source goes on by itself unless `isFatal`.
    case problem(ServiceError)
}

/// A service (broker, group, topic) that does not do what we need.
package struct ServiceError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The service's own name of the error, e.g. `_ALL_BROKERS_DOWN`; empty where it has none.
    package let code: String
    /// One line, lower case, no secrets.
    package let message: String
    /// The client instance is of no more use; a new one must be made.
    package let isFatal: Bool
    /// The same call may succeed later.
    package let isRetriable: Bool

    package init(code: String, message: String, isFatal: Bool, isRetriable: Bool) {
        self.code = code
        self.message = message
        self.isFatal = isFatal
        self.isRetriable = isRetriable
    }

    package var description: String { code.isEmpty ? message : "\(message) (\(code))" }
}
