/// Where enriched records and dead letters go. `write` is called by one thread at a time; `poll` by
/// the delivery thread only; both may run at the same moment.
package protocol Sink: AnyObject, Sendable {
    /// Enqueues records of one run of the batch, in order: those with the indices
    /// `batch.order[positions]`. `.scored` from the arena, `.passed` with the record's own value,
    /// `.dead` to the dead letters. Key, headers and timestamp are the record's own. Bytes in the
    /// arena are not copied: the batch must not be reset before each enqueued record was
    /// acknowledged or failed. The source's records may be released as soon as all are enqueued.
    ///
    /// A record too large for the broker becomes a dead letter (`Batch.markDead`) here.
    func write(_ batch: Batch, positions: Range<Int>) -> WriteProgress

    /// Appends what the broker has answered, waiting up to `timeoutMs` for the first answer.
    func poll(into deliveries: inout [Delivery], timeoutMs: Int32)

    /// Ends a waiting `poll` early. Any thread.
    func wake()

    /// Throws away what is enqueued (each such record is still answered through `poll`, as failed)
    /// Any thread.
    func purge()

    /// After a fatal error: a new client. Only when no enqueued record is unanswered and no `write`
    /// runs. Delivery thread.
    func restart() throws(ServiceError)

    /// Frees the client; what is still enqueued is lost to the sink, not to the source.
    func close()
}

/// How far a `write` came.
package enum WriteProgress: Sendable, Equatable {
    /// All records are enqueued.
    case done
    /// The queue is full: the first `written` are enqueued, the rest must wait for deliveries.
    case full(written: Int)
    /// The first `written` are enqueued, the next one cannot be and the rest was not tried.
    case failed(written: Int, ServiceError)
}

/// The broker's answer for some records of one run.
package struct Delivery: Sendable, Equatable {
    /// `Batch.slot`.
    package let slot: Int
    /// Index into `Batch.runs`.
    package let run: Int
    /// Index of the (first) record in the batch.
    package let record: Int
    /// Records answered: 1 for a failure; more for successes that came together.
    package let count: Int
    /// Nil: acknowledged by the broker as `acks` demands.
    package let failure: DeliveryFailure?

    package init(slot: Int, run: Int, record: Int, count: Int, failure: DeliveryFailure?) {
        self.slot = slot
        self.run = run
        self.record = record
        self.count = count
        self.failure = failure
    }
}

/// Why a record was not acknowledged.
package struct DeliveryFailure: Sendable, Equatable {
    package let error: ServiceError
    /// The broker refuses this very record whatever we do (too large, invalid timestamp): replaying
    /// it would fail for ever, it belongs into the dead letters.
    package let isRecordsFault: Bool

    package init(error: ServiceError, isRecordsFault: Bool) {
        self.error = error
        self.isRecordsFault = isRecordsFault
    }
}
