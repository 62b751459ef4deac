internal import CRdkafka
internal import Glibc
package import MillraceCore
internal import Synchronization

/// Writes enriched records and dead letters with one producer, idempotent or transactional. See
/// `Sink` and `TransactionalSink` for which thread may call what.
@safe package final class KafkaSink: Sink, @unchecked Sendable {
    // Sound: `owner` changes in `begin`, `restart`, `commit` and `close` only, when by contract no
    // `write` runs, and under both locks: `poll` holds `polling`, and `wake` and `purge` of other
    // threads go through `gate`. So does `settings`; `mustSendLess` is the polling thread's.
    // `transactions` changes while no `write` runs.

    private(set) var settings: KafkaSettings
    let log: Log
    private var owner: ProducerOwner?
    var transactions = TransactionState()
    private let gate = Mutex(())
    /// `begin` may replace the client before the start has come through, while a thread polls.
    private let polling = Mutex(())
    private let statisticsBox = StatisticsBox()
    private var outgoing = OutgoingBuffer()
    private let modelHeader: HeaderText?
    /// The broker refuses requests of several records as too large: smaller ones from the next
    /// `restart` on.
    private var mustSendLess = false

    /// An answer of `poll` takes at most this many events, so that it ends under steady load.
    private static let eventsMax = 64

    /// Makes the client, which connects by itself. Fails for what the properties say only.
    package init(_ settings: KafkaSettings, log: Log) throws(ServiceError) {
        self.settings = settings
        self.log = log
        let modelHeader = settings.addsModelHeader ? settings.modelHeader : nil
        self.modelHeader = modelHeader.map { HeaderText("millrace-model", $0) }
        do throws(KafkaError) {
            owner = try ProducerOwner(settings, log: log)
        } catch {
            throw error.serviceError
        }
    }

    /// Lent by the owner, dead after `replaceClient` and `close`.
    var client: OpaquePointer? { unsafe owner?.handle.raw }

    /// See `ClientContext.coordinatorFailures`.
    var coordinatorFailures: Int {
        owner?.handle.context.coordinatorFailures.load(ordering: .relaxed) ?? 0
    }

    /// The fatal error that the client is in, if it is.
    var fatalError: KafkaError? { owner?.handle.fatalError }

    package func write(_ batch: Batch, positions: Range<Int>) -> WriteProgress {
        guard owner != nil else { return .failed(written: 0, Self.closed) }
        if settings.transactionalId != nil, !transactions.isOpen {
            return .failed(written: 0, Self.noTransaction)
        }
        guard let base = Opaque.base(of: batch) else {
            return .failed(written: 0, Self.batchTooLarge)
        }
        var position = positions.lowerBound
        while position < positions.upperBound {
            fill(batch, positions: position..<positions.upperBound, opaque: base)
            let filled = outgoing.count
            let (done, error) = enqueueFilled()
            position += done
            let written = position - positions.lowerBound
            if done < filled {
                let index = unsafe Int(batch.order[position])
                switch error {
                case RD_KAFKA_RESP_ERR__QUEUE_FULL: return .full(written: written)
                case let error where KafkaError.isRecordsFault(error):
                    batch.markDead(index, Self.reason(error))
                case let error:
                    return .failed(written: written, failure(error, settings.sinkTopic))
                }
            }
            guard position < positions.upperBound else { break }
            let index = unsafe Int(batch.order[position])
            switch unsafe batch.results[index].state {
            case .dead:
                let error = writeDeadLetter(batch, index, opaque: base)
                if error == RD_KAFKA_RESP_ERR__QUEUE_FULL { return .full(written: written) }
                guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
                    return .failed(written: written, failure(error, settings.deadLetterTopic))
                }
                position += 1
            case .taken: return .failed(written: written, Self.undecided)
            case .scored, .passed: continue  // The buffer was full.
            }
        }
        return .done
    }

    /// Fills `outgoing` up to a record that is neither scored nor passed, or until it is full.
    private func fill(_ batch: Batch, positions: Range<Int>, opaque base: UInt64) {
        outgoing.removeAll()
        let arena = unsafe UnsafeRawPointer(batch.arena.base)
        let keepsPartition = settings.partitioning == .preserve
        let header = unsafe modelHeader?.header
        let (records, results) = unsafe (batch.records, batch.results)
        let order = unsafe batch.order
        for position in positions {
            if outgoing.isFull { return }
            let index = unsafe Int(order[position])
            let result = unsafe results[index]
            let isScored: Bool
            switch result.state {
            case .scored: isScored = true
            case .passed: isScored = false
            case .taken, .dead: return
            }
            let record = unsafe records + index
            let entry = unsafe millrace_outgoing_t(
                value: isScored ? arena + result.outputStart : record.pointee.value,
                value_count: isScored ? result.outputCount : record.pointee.valueCount,
                key: record.pointee.key, key_count: record.pointee.keyCount,
                timestamp_ms: max(0, record.pointee.timestampMs),
                opaque: Opaque.of(base, run: result.run, record: index),
                headers_of: result.mayHaveHeaders
                    ? record.pointee.handle?.assumingMemoryBound(to: rd_kafka_message_t.self)
                    : nil,
                added: isScored ? UnsafePointer(header) : nil,
                added_count: isScored && header != nil ? 1 : 0,
                partition: keepsPartition ? record.pointee.partition : -1,
                copy_value: isScored ? 0 : 1)
            unsafe outgoing.append(entry)
        }
    }

    /// Enqueues what was filled in; tells how many, and why the next one was refused.
    private func enqueueFilled() -> (done: Int, error: rd_kafka_resp_err_t) {
        guard outgoing.count > 0 else { return (0, RD_KAFKA_RESP_ERR_NO_ERROR) }
        guard let topic = unsafe owner?.topic else { return (0, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) }
        var error = RD_KAFKA_RESP_ERR_NO_ERROR
        let done = unsafe millrace_produce(
            owner?.handle.raw, topic, outgoing.base, outgoing.count, &error)
        return (done, error)
    }

    /// Enqueues one dead letter.
    private func writeDeadLetter(
        _ batch: Batch, _ index: Int, opaque base: UInt64
    ) -> rd_kafka_resp_err_t {
        guard let topic = unsafe owner?.deadLetterTopic, let client = unsafe owner?.handle.raw
        else {
            return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        }
        let record = unsafe batch.records[index]
        let opaque = unsafe Opaque.of(base, run: batch.results[index].run, record: index)
        let letter = unsafe DeadLetter(
            record, batch.error(of: index) ?? RecordError(.rejected, "no reason was noted"),
            settings)
        return unsafe letter.enqueue(client, topic, opaque: opaque)
    }

    package func poll(into deliveries: inout [Delivery], timeoutMs: Int32) {
        polling.withLock { _ in serveEvents(into: &deliveries, timeoutMs: timeoutMs) }
    }

    private func serveEvents(into deliveries: inout [Delivery], timeoutMs: Int32) {
        guard let queue = unsafe owner?.queue else { return }
        var wait = timeoutMs
        for _ in 0..<Self.eventsMax {
            guard let event = unsafe rd_kafka_queue_poll(queue, wait) else { return }
            wait = 0
            switch unsafe rd_kafka_event_type(event) {
            case RD_KAFKA_EVENT_DR: unsafe take(event, into: &deliveries)
            case RD_KAFKA_EVENT_ERROR: unsafe note(event)
            case RD_KAFKA_EVENT_STATS: unsafe keepStatistics(event)
            default: break
            }
            unsafe rd_kafka_event_destroy(event)
        }
    }

    private func take(_ event: OpaquePointer, into deliveries: inout [Delivery]) {
        let capacity = Int(MILLRACE_DELIVERIES_MIN)
        var answers = [millrace_delivery_t](repeating: millrace_delivery_t(), count: capacity)
        // A broken connection fails many records for one reason: its text is made once.
        var last: (answer: millrace_delivery_t, failure: DeliveryFailure)?
        while true {
            let count = unsafe answers.withUnsafeMutableBufferPointer {
                unsafe millrace_deliveries(event, $0.baseAddress, $0.count)
            }
            guard count > 0 else { return }
            for answer in answers.prefix(count) {
                let isNew =
                    last.map {
                        $0.answer.error != answer.error || $0.answer.status != answer.status
                            || wasSentAlone($0.answer) != wasSentAlone(answer)
                    } ?? true
                if answer.error != 0, isNew { last = (answer, deliveryFailure(answer)) }
                deliveries.append(
                    Delivery(
                        slot: Opaque.slot(answer.opaque), run: Opaque.run(answer.opaque),
                        record: Opaque.record(answer.opaque), count: Int(answer.count),
                        failure: answer.error == 0 ? nil : last?.failure))
            }
        }
    }

    private func deliveryFailure(_ answer: millrace_delivery_t) -> DeliveryFailure {
        let raw = rd_kafka_resp_err_t(rawValue: answer.error)
        if raw != RD_KAFKA_RESP_ERR__PURGE_QUEUE { transactions.hasGap = true }
        if raw == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, !wasSentAlone(answer) {
            mustSendLess = true
            return DeliveryFailure(error: Self.requestTooLarge, isRecordsFault: false)
        }
        var error = owner?.handle.fatalError ?? refusal(raw, topics: outputs)
        if answer.status == Int32(RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED.rawValue) {
            error = KafkaError(
                code: error.code, message: error.message + "; it may have been written",
                isFatal: error.isFatal, isRetriable: error.isRetriable)
        }
        return DeliveryFailure(
            error: error.serviceError, isRecordsFault: KafkaError.isRecordsFault(raw))
    }

    /// Whether the record had a request for itself. The broker's limit is for a request's records
    /// together and it refuses them together; a record larger than what requests are filled up to
    /// has no neighbours.
    private func wasSentAlone(_ answer: millrace_delivery_t) -> Bool {
        settings.requestBytes <= 1 || answer.bytes >= UInt64(settings.requestBytes)
    }

    private func note(_ event: OpaquePointer) {
        let raw = unsafe rd_kafka_event_error(event)
        let text = unsafe rd_kafka_event_error_string(event).map { unsafe String(cString: $0) }
        let error = KafkaError(raw, text.map(oneLine))
        owner?.handle.context.noteConnection(error)
        owner?.handle.context.log(owner?.handle.fatalError ?? error)
    }

    private func keepStatistics(_ event: OpaquePointer) {
        guard let text = unsafe rd_kafka_event_stats(event) else { return }
        unsafe statisticsBox.put(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }

    /// As `KafkaSource.statistics`. Any thread.
    package var statistics: ClientStatistics? {
        statisticsBox.latest(topic: "")  // no partition of it matters
    }

    /// Of the client, another one after `restart`; nil when it is closed. Any thread.
    package var link: ClientLink? { gate.withLock { _ in owner?.handle.link } }

    package func wake() {
        gate.withLock { _ in
            guard let queue = unsafe owner?.queue else { return }
            unsafe rd_kafka_queue_yield(queue)
        }
    }

    package func purge() {
        gate.withLock { _ in
            guard let client = unsafe owner?.handle.raw else { return }
            // A producer that goes on needs the answers for what is on its way: without them there
            // would be gaps in its sequence numbers.
            let goesOn =
                settings.transactionalId != nil && !mustSendLess && !transactions.needsNewClient
                && owner?.handle.fatalError == nil
            let inFlight = goesOn ? 0 : RD_KAFKA_PURGE_F_INFLIGHT
            _ = unsafe rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | inFlight)
        }
    }

    package func restart() throws(ServiceError) {
        guard settings.transactionalId != nil else { return try replaceClient() }
        if mustSendLess { transactions.needsNewClient = true }
        try restartTransactions()
    }

    /// A new client in the place of the old one.
    func replaceClient() throws(ServiceError) {
        if mustSendLess {
            settings.requestBytesLimit = max(1, settings.requestBytes / 4)
            mustSendLess = false
            log(
                .warning,
                "the broker's limit is below what requests are filled up to: smaller"
                    + " requests from now on; set batch.size to the topic's max.message.bytes",
                [("batch.size", String(settings.requestBytes))])
        }
        do throws(KafkaError) {
            var fresh: ProducerOwner? = try ProducerOwner(settings, log: log)
            polling.withLock { _ in gate.withLock { _ in swap(&owner, &fresh) } }
            statisticsBox.clear()
            // The old client dies here, outside of the lock: that may take a while.
        } catch {
            throw error.serviceError
        }
    }

    /// Ends librdkafka's threads; arenas may be reused only after this.
    package func close() {
        abandonTransaction()
        var last: ProducerOwner?
        polling.withLock { _ in gate.withLock { _ in swap(&owner, &last) } }
    }

    /// Breaks the producer as a real fatal error would; for tests.
    func breakForTest() {
        guard let client = unsafe owner?.handle.raw else { return }
        _ = unsafe rd_kafka_test_fatal_error(
            client, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "broken on purpose")
    }
}

extension KafkaSink {
    private func failure(_ raw: rd_kafka_resp_err_t, _ topic: String?) -> ServiceError {
        if let fatal = owner?.handle.fatalError { return fatal.serviceError }
        guard let topic else { return Self.noTopic }
        switch raw {
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
            return TopicMetadata.missing(topic).serviceError
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
            let text =
                "topic '\(topic)' has fewer partitions than '\(settings.topic)'; give it as many "
                + "or set sink.partitioning to key"
            return KafkaError(raw, text).serviceError
        default:
            return refusal(raw, topics: "topic '\(topic)'").serviceError
        }
    }

    /// The error, by the right that is missing where it is for that.
    private func refusal(_ raw: rd_kafka_resp_err_t, topics: String) -> KafkaError {
        guard raw == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED else { return KafkaError(raw) }
        return KafkaError(raw, TopicReport.missingRight(.sink, topics, .write))
    }

    /// An answer does not say which of the two it is about.
    private var outputs: String {
        let names = [settings.sinkTopic, settings.deadLetterTopic].compactMap { $0 }
        return "topic " + names.map { "'\($0)'" }.joined(separator: " or ")
    }

    private static func reason(_ raw: rd_kafka_resp_err_t) -> RecordError {
        raw == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
            ? RecordError(.tooLarge, "the enriched record is larger than message.max.bytes")
            : RecordError(.rejected, KafkaError(raw).message)
    }

    /// Fatal: the order of what follows is kept only by sending all of it again.
    private static let requestTooLarge = ServiceError(
        code: "MSG_SIZE_TOO_LARGE",
        message: "the broker refuses several records together as too large", isFatal: true,
        isRetriable: true)
    /// After a commit that may come to the broker a second time.
    private static let noTransaction = ServiceError(
        code: "", message: "the producer is replaced for the next transaction", isFatal: true,
        isRetriable: true)
    private static let closed = bug("the sink is closed")
    private static let undecided = bug("a record of the batch was not decided")
    private static let batchTooLarge = bug("a batch has more slots, runs or records than fit")
    private static let noTopic = bug("there is no topic to write this record to")

    private static func bug(_ text: String) -> ServiceError {
        ServiceError(code: "", message: text, isFatal: false, isRetriable: false)
    }
}

/// What travels with a message through librdkafka and comes back with its answer: slot (24 bits),
/// run (16 bits), record (24 bits).
enum Opaque {
    private static let recordBits: UInt64 = 24
    private static let runBits: UInt64 = 16

    /// The slot's part; nil if the batch is too large for the bits.
    static func base(of batch: Batch) -> UInt64? {
        guard batch.slot >= 0, batch.slot < 1 << 24, batch.count <= 1 << 24,
            batch.runs.count <= 1 << 16
        else { return nil }
        return UInt64(batch.slot) << (recordBits + runBits)
    }

    /// `run` and `record` are indices of the batch that `base` was made of.
    static func of(_ base: UInt64, run: Int32, record: Int) -> UInt64 {
        base | UInt64(UInt16(truncatingIfNeeded: run)) << recordBits
            | UInt64(UInt32(truncatingIfNeeded: record) & 0xff_ffff)
    }

    static func slot(_ opaque: UInt64) -> Int { Int(opaque >> (recordBits + runBits)) }
    static func run(_ opaque: UInt64) -> Int { Int(opaque >> recordBits & 0xffff) }
    static func record(_ opaque: UInt64) -> Int { Int(opaque & 0xff_ffff) }
}
