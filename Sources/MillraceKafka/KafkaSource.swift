internal import CRdkafka
package import MillraceCore
internal import Synchronization

/// Reads one topic as a member of a consumer group. See `Source` for which thread may call what.
///
/// The rebalance callback only notes what happened; the worker answers later by `assign` and
/// `unassign`. librdkafka waits for that answer in its join state, with the partitions paused by
/// itself meanwhile, exactly as it does for clients that take rebalances as events.
@safe package final class KafkaSource: Source, @unchecked Sendable {
    // Sound: `owner`, `messages` are the intake thread's; the rest is immutable or locked, and
    // librdkafka's client is thread-safe.

    let settings: KafkaSettings
    private let context: ClientContext
    private var owner: ConsumerOwner?
    /// Lent by `owner`, valid until `close`.
    let client: OpaquePointer
    private let queue: OpaquePointer
    private let canConsumeBatches: Bool
    private var messages: MessageBuffer
    private let refusedStores = Atomic<Int>(0)
    /// Of the client; see `ClientLink`.
    package let link: ClientLink
    /// Guards calls of any thread against `close`.
    private let isOpen = Mutex(true)

    /// A call asks for at most this many records at once.
    private static let pollMax = 65_536
    /// Local to the client: its main thread answers within milliseconds.
    private static let seekTimeoutMs: Int32 = 10_000

    /// Makes the client; it joins the group in `start`. Fails for what the properties say only.
    package init(_ settings: KafkaSettings, log: Log) throws(ServiceError) {
        do throws(KafkaError) {
            let owner = try ConsumerOwner(settings, log: log)
            self.settings = settings
            self.context = owner.handle.context
            self.link = owner.handle.link
            unsafe self.client = owner.handle.raw
            unsafe self.queue = owner.queue
            self.canConsumeBatches = LibraryVersion.current.hasSafeBatchConsume
            self.messages = MessageBuffer()
            self.owner = consume owner
        } catch {
            throw error.serviceError
        }
    }

    package func start() throws(ServiceError) {
        let topics = PartitionList(topic: settings.topic, partitions: [-1])
        let error = unsafe rd_kafka_subscribe(client, topics.raw)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw KafkaError(error, "cannot subscribe to '\(settings.topic)'").serviceError
        }
    }

    package func poll(
        into records: inout ContiguousArray<RecordView>, limit: Int, timeoutMs: Int32
    ) {
        let room = min(max(limit, 1), Self.pollMax)
        let base = unsafe messages.base(capacity: room)
        let batchQueue = unsafe canConsumeBatches ? queue : nil
        let count = unsafe millrace_drain(client, batchQueue, timeoutMs, base, room)
        unsafe records.reserveCapacity(records.count + count)
        for index in 0..<count {
            guard let message = unsafe base[index] else { continue }
            if unsafe message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                unsafe records.append(Self.view(of: message))
            } else {
                unsafe note(message)
                unsafe rd_kafka_message_destroy(message)
            }
        }
    }

    @inline(__always)
    private static func view(of message: UnsafeMutablePointer<rd_kafka_message_t>) -> RecordView {
        unsafe RecordView(
            value: UnsafeRawPointer(message.pointee.payload), valueCount: message.pointee.len,
            key: UnsafeRawPointer(message.pointee.key), keyCount: message.pointee.key_len,
            timestampMs: rd_kafka_message_timestamp(message, nil),
            offset: message.pointee.offset, partition: message.pointee.partition, epoch: 0,
            handle: UnsafeMutableRawPointer(message))
    }

    package func takeEvent() -> SourceEvent? { context.takeEvent() }

    package func wake() { unsafe rd_kafka_queue_yield(queue) }

    package func pause(_ partitions: [Int32]) {
        let list = PartitionList(topic: settings.topic, partitions: partitions)
        unsafe noteIfRefused(rd_kafka_pause_partitions(client, list.raw), "pause")
    }

    package func resume(_ partitions: [Int32]) {
        let list = PartitionList(topic: settings.topic, partitions: partitions)
        unsafe noteIfRefused(rd_kafka_resume_partitions(client, list.raw), "resume")
    }

    package func seek(_ partition: Int32, to offset: Int64) throws(ServiceError) {
        let list = PartitionList(topic: settings.topic, partition: partition, offset: offset)
        if let error = unsafe rd_kafka_seek_partitions(client, list.raw, Self.seekTimeoutMs) {
            throw unsafe KafkaError(consuming: error).serviceError
        }
        guard list.firstError == RD_KAFKA_RESP_ERR_NO_ERROR else {
            let place = "cannot go to offset \(offset) of \(settings.topic)[\(partition)]"
            throw KafkaError(list.firstError, place).serviceError
        }
    }

    package func storeOffset(_ partition: Int32, next offset: Int64) {
        let list = PartitionList(topic: settings.topic, partition: partition, offset: offset)
        let error = unsafe rd_kafka_offsets_store(client, list.raw)
        // `_STATE`: not ours any more, the new owner reads these records again.
        let isStored =
            error == RD_KAFKA_RESP_ERR_NO_ERROR && list.firstError == RD_KAFKA_RESP_ERR_NO_ERROR
        if !isStored { refusedStores.wrappingAdd(1, ordering: .relaxed) }
    }

    /// How many `storeOffset` came for partitions that were not ours any more. Any thread.
    package var refusedStoreCount: Int { refusedStores.load(ordering: .relaxed) }

    package func commitStored(timeoutMs: Int32) throws(ServiceError) {
        guard let raw = unsafe rd_kafka_queue_new(client) else { return }
        // An own queue each time: an answer that comes too late dies with it.
        let answers = unsafe EventQueue(taking: raw)
        var error = unsafe rd_kafka_commit_queue(client, nil, answers.raw, nil, nil)
        if error == RD_KAFKA_RESP_ERR_NO_ERROR {
            if let event = unsafe rd_kafka_queue_poll(answers.raw, timeoutMs) {
                error = unsafe rd_kafka_event_error(event)
                unsafe rd_kafka_event_destroy(event)
            } else {
                error = RD_KAFKA_RESP_ERR__TIMED_OUT
            }
        }
        // `_NO_OFFSET`: nothing was stored since the last commit.
        if error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET { return }
        throw KafkaError(error).serviceError
    }

    package func endOffsets(timeoutMs: Int32) throws(ServiceError) -> [Int32: Int64] {
        guard owner != nil else { return [:] }
        let deadline = Deadline(afterMs: timeoutMs)
        do throws(KafkaError) {
            let count = try unsafe TopicMetadata.partitionCount(
                of: settings.topic, client: client, until: deadline)
            guard let count else { throw TopicMetadata.missing(settings.topic) }
            var ends: [Int32: Int64] = [:]
            for partition in 0..<count {
                var (low, high) = (Int64(0), Int64(0))
                let error = unsafe rd_kafka_query_watermark_offsets(
                    client, settings.topic, partition, &low, &high, deadline.remainingMs)
                guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
                    let place = "cannot ask where \(settings.topic)[\(partition)] ends"
                    throw KafkaError(error, place)
                }
                ends[partition] = high
            }
            return ends
        } catch {
            throw error.serviceError
        }
    }

    /// Where the partitions end as far as the client knows from what it has fetched; asks nobody.
    /// Only for assigned partitions. Any thread.
    package func knownEnds(of partitions: [Int32]) -> [Int32: Int64] {
        isOpen.withLock { isOpen in
            var ends: [Int32: Int64] = [:]
            for partition in partitions where isOpen {
                var (low, high) = (Int64(0), Int64(0))
                let error = unsafe rd_kafka_get_watermark_offsets(
                    client, settings.topic, partition, &low, &high)
                // Negative before the first answer of a broker.
                if error == RD_KAFKA_RESP_ERR_NO_ERROR, high >= 0 { ends[partition] = high }
            }
            return ends
        }
    }

    /// What librdkafka says of itself, at most `statistics.interval.ms` old; nil before the first.
    /// Any thread.
    package var statistics: ClientStatistics? { context.statistics.latest(topic: settings.topic) }

    package func release(_ records: UnsafeMutablePointer<RecordView>, count: Int) {
        let record = unsafe MemoryLayout<RecordView>.self
        guard count > 0, let handles = unsafe record.offset(of: \.handle) else { return }
        unsafe millrace_messages_destroy(
            UnsafeRawPointer(records) + handles, record.stride, count)
    }

    package func noteHeaders(of batch: Batch) {
        let (records, results) = unsafe (batch.records, batch.results)
        for index in 0..<batch.count {
            guard let handle = unsafe records[index].handle, unsafe results[index].state == .taken
            else { continue }
            let message = unsafe handle.assumingMemoryBound(to: rd_kafka_message_t.self)
            var headers: OpaquePointer?
            let error = unsafe rd_kafka_message_headers(message, &headers)
            unsafe results[index].mayHaveHeaders = error != RD_KAFKA_RESP_ERR__NOENT
        }
    }

    package func lastHeader(
        named name: [CChar], of handle: UnsafeMutableRawPointer
    ) -> UnsafeRawBufferPointer? {
        let message = unsafe handle.assumingMemoryBound(to: rd_kafka_message_t.self)
        var headers: OpaquePointer?
        guard unsafe rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR
        else { return nil }
        var value: UnsafeRawPointer?
        var count = 0
        let error = unsafe rd_kafka_header_get_last(headers, name, &value, &count)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let value = unsafe value else { return nil }
        return unsafe UnsafeRawBufferPointer(start: value, count: count)
    }

    /// Commits what is stored, leaves the group, ends librdkafka's threads. Blocks as long as they
    /// need, which an unreachable broker can stretch: the process keeps a deadline of its own.
    package func close() {
        guard owner != nil else { return }
        isOpen.withLock { $0 = false }
        context.answersItself = true
        while let rebalance = context.takeUnanswered() {
            unsafe answer(rebalance, client: client, topic: settings.topic, context: context)
        }
        unsafe rd_kafka_consumer_close(client)
        owner = nil
    }

    private func noteIfRefused(_ error: rd_kafka_resp_err_t, _ what: String) {
        guard error != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        context.add(.problem(KafkaError(error, "\(what) failed").serviceError))
    }

    package func assign(_ partitions: [Int32]) {
        answerOldest(isAssignment: true, partitions)
    }

    package func unassign(_ partitions: [Int32]) {
        answerOldest(isAssignment: false, partitions)
    }

    private func answerOldest(isAssignment: Bool, _ partitions: [Int32]) {
        let asked = context.takeUnanswered()
        let rebalance = ClientContext.Rebalance(
            isAssignment: isAssignment, isCooperative: asked?.isCooperative ?? false,
            partitions: partitions)
        unsafe answer(rebalance, client: client, topic: settings.topic, context: context)
    }
}

extension KafkaSource {
    /// Turns a message that is no record into an event.
    private func note(_ message: UnsafeMutablePointer<rd_kafka_message_t>) {
        let code = unsafe message.pointee.err
        let partition = unsafe message.pointee.partition
        let topic = settings.topic
        switch code {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
            let offset = unsafe message.pointee.offset
            context.add(.reachedEnd(partition: partition, offset: offset))
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
            context.add(.blocked(TopicMetadata.missing(topic).serviceError))
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
            let text = TopicReport.missingRight(.source, "topic '\(topic)'", .read)
            context.add(.blocked(KafkaError(code, text).serviceError))
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
            let text = TopicReport.missingRight(.group, "group '\(settings.group)'", .read)
            context.add(.blocked(KafkaError(code, text).serviceError))
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
            let text =
                "\(topic)[\(partition)] has no valid offset for group '\(settings.group)' and "
                + "source.start is 'error': reset the group's offsets or set source.start"
            let name = unsafe String(cString: rd_kafka_err2name(code))
            context.add(
                .problem(
                    ServiceError(code: name, message: text, isFatal: true, isRetriable: false)))
        default:
            let text = unsafe rd_kafka_message_errstr(message).map { unsafe String(cString: $0) }
            context.add(.problem(KafkaError(code, text.map(oneLine)).serviceError))
        }
    }
}

/// Gives librdkafka the answer it waits for, by the calls that the group's protocol demands.
private func answer(
    _ rebalance: ClientContext.Rebalance, client: OpaquePointer, topic: String,
    context: ClientContext
) {
    let list = PartitionList(topic: topic, partitions: rebalance.partitions)
    var refused: KafkaError?
    if rebalance.isCooperative {
        let error =
            unsafe rebalance.isAssignment
            ? rd_kafka_incremental_assign(client, list.raw)
            : rd_kafka_incremental_unassign(client, list.raw)
        if let error = unsafe error { refused = unsafe KafkaError(consuming: error) }
    } else {
        let code = unsafe rd_kafka_assign(client, rebalance.isAssignment ? list.raw : nil)
        if code != RD_KAFKA_RESP_ERR_NO_ERROR { refused = KafkaError(code) }
    }
    if let refused { context.add(.problem(refused.serviceError)) }
}

/// The consumer client and its queue.
@safe private struct ConsumerOwner: ~Copyable {
    let handle: ClientHandle
    let queue: OpaquePointer

    init(_ settings: KafkaSettings, log: Log) throws(KafkaError) {
        let handle = try unsafe ClientHandle(
            .consumer, settings.properties(of: .consumer), log: log
        ) { conf in
            unsafe rd_kafka_conf_set_rebalance_cb(conf, noteRebalance)
            unsafe rd_kafka_conf_set_error_cb(conf, noteError)
            unsafe rd_kafka_conf_set_stats_cb(conf, noteStatistics)
        }
        // Errors and logs of the client come by the consumer's queue as well.
        unsafe rd_kafka_poll_set_consumer(handle.raw)
        guard let queue = unsafe rd_kafka_queue_get_consumer(handle.raw) else {
            throw KafkaError(RD_KAFKA_RESP_ERR__UNKNOWN_GROUP, "the consumer has no group")
        }
        unsafe self.queue = queue
        self.handle = handle
    }

    // The body runs before `handle` dies, which must come last.
    deinit { unsafe rd_kafka_queue_destroy(queue) }
}

/// Runs in the polling thread: notes the rebalance and returns. While the source closes nobody
/// would answer, so it answers at once.
private func noteRebalance(
    client: OpaquePointer?, code: rd_kafka_resp_err_t,
    list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?, opaque: UnsafeMutableRawPointer?
) {
    guard let client = unsafe client, let context = unsafe ClientContext.of(opaque) else { return }
    let isCooperative =
        unsafe rd_kafka_rebalance_protocol(client).map { unsafe String(cString: $0) }
        == "COOPERATIVE"
    let partitions = unsafe PartitionList.numbers(of: list)
    let rebalance = ClientContext.Rebalance(
        isAssignment: code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS, isCooperative: isCooperative,
        partitions: partitions)
    if context.answersItself {
        let topic = unsafe list.flatMap { list in
            unsafe list.pointee.cnt > 0 ? String(cString: list.pointee.elems[0].topic) : nil
        }
        unsafe answer(rebalance, client: client, topic: topic ?? "", context: context)
    } else if rebalance.isAssignment {
        context.addRebalance(rebalance, .assigned(partitions))
    } else {
        // Read here: the calls that answer reset it.
        let isLost = unsafe rd_kafka_assignment_lost(client) != 0
        context.addRebalance(rebalance, isLost ? .lost(partitions) : .revoked(partitions))
    }
    if !context.answersItself { unsafe endPoll(of: client) }
}

/// Ends the poll that called back as soon as the queue is empty: it would wait for records first,
/// and nobody would answer.
///
/// Not by rd_kafka_yield: consume_batch_queue goes on after the callback, takes the next message
/// off the queue, only then sees that it should end, and drops it. The queue's own flag is looked
/// at where the queue is empty only. One that a poll has not come to makes the next one return
/// early once, which costs nothing. Not while the client closes: that waits on the same queue, and
/// the flag would end its wait before the group is left.
private func endPoll(of client: OpaquePointer) {
    guard let raw = unsafe rd_kafka_queue_get_consumer(client) else { return }
    let queue = unsafe EventQueue(taking: raw)
    unsafe rd_kafka_queue_yield(queue.raw)
}

/// Errors of the client as a whole, e.g. an unreachable broker; in the polling thread.
private func noteError(
    client: OpaquePointer?, code: Int32, reason: UnsafePointer<CChar>?,
    opaque: UnsafeMutableRawPointer?
) {
    guard let client = unsafe client, let context = unsafe ClientContext.of(opaque) else { return }
    var raw = rd_kafka_resp_err_t(rawValue: code)
    var text = unsafe reason.map { unsafe oneLine(String(cString: $0)) }
    let isFatal = raw == RD_KAFKA_RESP_ERR__FATAL
    if isFatal {
        let (cause, causeText) = unsafe readText { unsafe rd_kafka_fatal_error(client, $0, $1) }
        (raw, text) = (cause, causeText)
    }
    // Equal errors as equal texts, which the log counts instead of showing each.
    let error = KafkaError(raw, text.map(KafkaError.withoutTiming), isFatal: isFatal)
    context.noteConnection(error)
    context.add(.problem(error.serviceError))
}

/// Keeps a copy of the statistics; in the polling thread, each `statistics.interval.ms`.
func noteStatistics(
    client: OpaquePointer?, text: UnsafeMutablePointer<CChar>?, count: Int,
    opaque: UnsafeMutableRawPointer?
) -> Int32 {
    guard let text = unsafe text, let context = unsafe ClientContext.of(opaque) else { return 0 }
    unsafe context.statistics.put(UnsafeRawBufferPointer(start: text, count: count))
    return 0  // librdkafka frees the text.
}

/// A growing array of message pointers that librdkafka fills.
@safe private struct MessageBuffer: ~Copyable {
    private var pointers: UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>
    private var capacity: Int

    init() {
        capacity = 512
        unsafe pointers = .allocate(capacity: capacity)
    }

    deinit { unsafe pointers.deallocate() }

    /// Room for that many; what was in it is gone.
    mutating func base(
        capacity wanted: Int
    ) -> UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?> {
        if wanted > capacity {
            unsafe pointers.deallocate()
            capacity = wanted
            unsafe pointers = .allocate(capacity: wanted)
        }
        return unsafe pointers
    }
}
