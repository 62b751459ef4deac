internal import CRdkafka
internal import MillraceCore
internal import Synchronization

/// What librdkafka's callbacks reach through the client's opaque pointer.
final class ClientContext: Sendable {
    private let log: Log
    /// Of a consumer; a producer's come as events.
    let statistics = StatisticsBox()
    private let state = Mutex(State())
    /// How often the connection to the transactions' coordinator was lost, or did not answer. The
    /// log alone tells of it.
    let coordinatorFailures = Atomic<Int>(0)

    private struct State {
        var events: [SourceEvent] = []
        /// Rebalances that were not answered yet, oldest first.
        var unanswered: [Rebalance] = []
        var answersItself = false
        var connectionError: KafkaError?
        var certificateFault: String?
    }

    /// A rebalance as the callback saw it.
    struct Rebalance {
        let isAssignment: Bool
        let isCooperative: Bool
        let partitions: [Int32]
    }

    /// More events than this are not kept: nobody takes them any more.
    private static let eventsMax = 1024

    init(log: Log) { self.log = log }

    /// Adds an event; the same problem again is told once.
    func add(_ event: SourceEvent) {
        state.withLock { state in
            switch event {
            case .problem, .blocked:
                if state.events.last == event || state.events.count >= Self.eventsMax { return }
            default: break
            }
            state.events.append(event)
        }
    }

    /// The last error of a connection, until it is forgotten.
    var connectionError: KafkaError? { state.withLock { $0.connectionError } }

    /// Keeps an error that is about connections.
    func noteConnection(_ error: KafkaError) {
        guard error.isConnections else { return }
        state.withLock { $0.connectionError = error.naming($0.certificateFault) }
    }

    /// Why a certificate was refused; the error of its connection follows. Any thread.
    func noteFault(_ fault: String) { state.withLock { $0.certificateFault = fault } }

    /// Connections work again; an error that came meanwhile stays.
    func forget(_ error: KafkaError) {
        state.withLock { if $0.connectionError == error { $0.connectionError = nil } }
    }

    func takeEvent() -> SourceEvent? {
        state.withLock { $0.events.isEmpty ? nil : $0.events.removeFirst() }
    }

    func addRebalance(_ rebalance: Rebalance, _ event: SourceEvent) {
        state.withLock {
            $0.unanswered.append(rebalance)
            $0.events.append(event)
        }
    }

    /// The rebalance that an answer belongs to.
    func takeUnanswered() -> Rebalance? {
        state.withLock { $0.unanswered.isEmpty ? nil : $0.unanswered.removeFirst() }
    }

    /// From now on the callback answers in place of the worker: the source closes.
    var answersItself: Bool {
        get { state.withLock { $0.answersItself } }
        set { state.withLock { $0.answersItself = newValue } }
    }

    /// A line of librdkafka's log. Its own errors are retried by itself, hence warnings.
    func log(level: Int32, facility: String, text: String) {
        let ours: Log.Level =
            switch level {
            case ...2: .error
            case 3, 4: .warning
            case 5, 6: .info
            default: .debug
            }
        log(ours, "librdkafka", [("facility", facility), ("text", oneLine(text))])
        // With source.start `error` there is an error; else this line is all that tells of it.
        if facility == "OFFSET", text.contains("offset reset"), text.contains("out of range") {
            add(.positionGone(oneLine(text)))
        }
        if ["FAIL", "REQTMOUT"].contains(facility), text.contains("TxnCoordinator") {
            coordinatorFailures.wrappingAdd(1, ordering: .relaxed)
        }
    }

    func log(_ error: KafkaError) {
        log(
            error.isFatal ? .error : .warning, "kafka client error",
            [
                ("code", error.code), ("text", error.message),
            ])
    }

    /// The context of a client; valid as long as the client is.
    static func of(_ opaque: UnsafeMutableRawPointer?) -> ClientContext? {
        guard let opaque = unsafe opaque else { return nil }
        return unsafe Unmanaged<ClientContext>.fromOpaque(opaque).takeUnretainedValue()
    }

    /// Registers the log callback and the opaque pointer. Any thread of librdkafka may log.
    func install(in conf: borrowing ClientConf) {
        let opaque = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe conf.withRaw { raw in
            unsafe rd_kafka_conf_set_opaque(raw, opaque)
            unsafe rd_kafka_conf_set_log_cb(raw) { client, level, facility, text in
                guard let client = unsafe client, let text = unsafe text,
                    let context = unsafe ClientContext.of(rd_kafka_opaque(client))
                else { return }
                let name = unsafe facility.map { unsafe String(cString: $0) } ?? ""
                unsafe context.log(level: level, facility: name, text: String(cString: text))
            }
        }
    }
}

/// Owns a client and what its callbacks use. Everything made from the client (messages, lists,
/// queues, topics) must be freed before: librdkafka waits for them without end.
@safe struct ClientHandle: ~Copyable {
    let raw: OpaquePointer
    let context: ClientContext
    let link: ClientLink

    /// `prepare` sets events and callbacks before the client exists.
    init(
        _ kind: ClientKind, _ properties: KafkaSettings.Properties, log: Log,
        prepare: (OpaquePointer) -> Void
    ) throws(KafkaError) {
        let conf = ClientConf()
        for (name, value) in properties {
            guard let refusal = conf.set(name, value) else { continue }
            throw Self.error(of: refusal, name: name)
        }
        let context = ClientContext(log: log)
        context.install(in: conf)
        CertificateFault.watch(in: conf)
        unsafe conf.withRaw(prepare)
        unsafe self.raw = try conf.makeClient(kind)
        self.context = context
        unsafe self.link = ClientLink(raw, context: context, login: Login(properties))
    }

    /// A client for a few questions: `connectionError` tells why nobody answers them.
    init(
        _ kind: ClientKind, _ properties: KafkaSettings.Properties, log: Log
    ) throws(KafkaError) {
        try unsafe self.init(kind, properties, log: log) { conf in
            unsafe rd_kafka_conf_set_error_cb(conf, noteConnectionError)
        }
    }

    /// Blocks until librdkafka's threads have ended; the process's own deadline bounds it.
    deinit {
        link.cut()
        unsafe rd_kafka_destroy(raw)
    }

    private static func error(of refusal: ClientConf.Refusal, name: String) -> KafkaError {
        let text =
            switch refusal {
            case .unknown(let text): text
            case .invalid(let text):
                KafkaPropertyRules.isSecret(name) ? "its value is refused" : text
            }
        return KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, "kafka property '\(name)': \(text)")
    }

    /// The fatal error that the client is in, if it is.
    var fatalError: KafkaError? {
        let (code, text) = unsafe readText { text, count in
            unsafe rd_kafka_fatal_error(raw, text, count)
        }
        return code == RD_KAFKA_RESP_ERR_NO_ERROR ? nil : KafkaError(code, text, isFatal: true)
    }
}

/// Owns a list of partitions of one topic.
@safe struct PartitionList: ~Copyable {
    let raw: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init(topic: String, partitions: [Int32]) {
        unsafe raw = rd_kafka_topic_partition_list_new(Int32(clamping: partitions.count))
        for partition in partitions {
            unsafe rd_kafka_topic_partition_list_add(raw, topic, partition)
        }
    }

    /// One partition with an offset.
    init(topic: String, partition: Int32, offset: Int64) {
        self.init(topic: topic, partitions: [partition])
        unsafe raw.pointee.elems[0].offset = offset
    }

    /// The offsets of the next records to read.
    init(topic: String, frontiers: [Ledger.Frontier]) {
        self.init(topic: topic, partitions: frontiers.map(\.partition))
        for (index, frontier) in frontiers.enumerated() {
            unsafe raw.pointee.elems[index].offset = frontier.offset
        }
    }

    deinit { unsafe rd_kafka_topic_partition_list_destroy(raw) }

    /// What librdkafka says of the first partition.
    var firstError: rd_kafka_resp_err_t { unsafe raw.pointee.elems[0].err }

    /// The partition numbers of a list that somebody else owns.
    static func numbers(
        of list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
    ) -> [Int32] {
        guard let list = unsafe list else { return [] }
        return unsafe (0..<Int(max(0, list.pointee.cnt))).map { index in
            unsafe list.pointee.elems[index].partition
        }
    }
}

/// Owns a reference to a queue; must die before its client.
@safe struct EventQueue: ~Copyable {
    let raw: OpaquePointer

    /// Takes over a reference.
    init(taking raw: OpaquePointer) { unsafe self.raw = raw }

    deinit { unsafe rd_kafka_queue_destroy(raw) }
}

/// Owns a reference to a topic of a client; must die before it.
@safe struct TopicHandle: ~Copyable {
    let raw: OpaquePointer

    init(_ name: String, of client: borrowing ClientHandle) throws(KafkaError) {
        guard let raw = unsafe rd_kafka_topic_new(client.raw, name, nil) else {
            throw KafkaError(rd_kafka_last_error(), "cannot use topic '\(name)'")
        }
        unsafe self.raw = raw
    }

    deinit { unsafe rd_kafka_topic_destroy(raw) }
}
