internal import Synchronization

/// What a client of librdkafka says of itself; its numbers of time are about the last interval.
package struct ClientStatistics: Sendable, Equatable {
    /// One broker that the client talks to.
    package struct Broker: Sendable, Equatable {
        package var id: Int64 = -1
        package var isUp = false
        /// Between a request and its answer; 0 where none came.
        package var roundTripAverageUs: Int64 = 0
        package var roundTripP99Us: Int64 = 0
        /// How long the broker asked to wait because of a quota.
        package var throttleAverageMs: Int64 = 0
        package var requestsWaiting: Int64 = 0
        package var requestsUnanswered: Int64 = 0
    }

    /// Each broker once, in the order of the statistics.
    package private(set) var brokers: [Broker] = []
    /// Of a producer what is not acknowledged, of a consumer what is fetched and not polled.
    package private(set) var queuedRecords: Int64 = 0
    package private(set) var queuedBytes: Int64 = 0
    /// By partition of the topic: the offset that the group has committed last.
    package private(set) var committed: [Int32: Int64] = [:]
    /// The brokers have let the producer write idempotently.
    private(set) var hasProducerId = false

    /// Reads librdkafka's JSON (its STATISTICS.md). Nil where the text is cut off. `topic` is the
    /// one whose partitions matter.
    init?(_ json: [UInt8], topic: String) {
        var walker = JSONWalker(json)
        var fetched = (records: Int64(0), bytes: Int64(0))
        var isProducer = false
        walker.members { name, walker in
            switch name {
            case "type": isProducer = walker.text() == "producer"
            case "msg_cnt": queuedRecords = walker.integer() ?? 0
            case "msg_size": queuedBytes = walker.integer() ?? 0
            case "eos":
                walker.members { name, walker in
                    if name == "idemp_state" { hasProducerId = walker.text() == "Assigned" }
                }
            case "brokers": walker.members { _, walker in addBroker(&walker) }
            case "topics":
                walker.members { name, walker in
                    guard name == topic else { return }
                    walker.members { name, walker in
                        guard name == "partitions" else { return }
                        walker.members { name, walker in
                            addPartition(Int32(name) ?? -1, &walker, &fetched)
                        }
                    }
                }
            default: break
            }
        }
        guard !walker.isBroken else { return nil }
        if !isProducer { (queuedRecords, queuedBytes) = fetched }
    }

    private mutating func addBroker(_ walker: inout JSONWalker) {
        var broker = Broker()
        walker.members { name, walker in
            switch name {
            case "nodeid": broker.id = walker.integer() ?? -1
            case "state": broker.isUp = walker.text() == "UP"
            case "outbuf_cnt": broker.requestsWaiting = walker.integer() ?? 0
            case "waitresp_cnt": broker.requestsUnanswered = walker.integer() ?? 0
            case "rtt":
                walker.members { name, walker in
                    if name == "avg" { broker.roundTripAverageUs = walker.integer() ?? 0 }
                    if name == "p99" { broker.roundTripP99Us = walker.integer() ?? 0 }
                }
            case "throttle":
                walker.members { name, walker in
                    if name == "avg" { broker.throttleAverageMs = walker.integer() ?? 0 }
                }
            default: break
            }
        }
        // Bootstrap addresses have no number yet. The group's coordinator is listed a second time,
        // for its connection: what is slow or waits on either counts.
        guard broker.id >= 0 else { return }
        guard let known = brokers.firstIndex(where: { $0.id == broker.id }) else {
            brokers.append(broker)
            return
        }
        brokers[known].merge(broker)
    }

    private mutating func addPartition(
        _ partition: Int32, _ walker: inout JSONWalker,
        _ fetched: inout (records: Int64, bytes: Int64)
    ) {
        var (records, bytes) = (Int64(0), Int64(0))
        walker.members { name, walker in
            switch name {
            case "fetchq_cnt": records = walker.integer() ?? 0
            case "fetchq_size": bytes = walker.integer() ?? 0
            case "committed_offset":
                // Negative where there is none or it is not known.
                if let offset = walker.integer(), offset >= 0, partition >= 0 {
                    committed[partition] = offset
                }
            default: break
            }
        }
        fetched.records &+= records
        fetched.bytes &+= bytes
    }
}

extension ClientStatistics.Broker {
    /// Another connection to the same broker.
    fileprivate mutating func merge(_ other: Self) {
        isUp = isUp || other.isUp
        roundTripAverageUs = max(roundTripAverageUs, other.roundTripAverageUs)
        roundTripP99Us = max(roundTripP99Us, other.roundTripP99Us)
        throttleAverageMs = max(throttleAverageMs, other.throttleAverageMs)
        requestsWaiting &+= other.requestsWaiting
        requestsUnanswered &+= other.requestsUnanswered
    }
}

/// The last statistics of a client: a thread of the record path puts the text in, which costs a
/// copy; the one who wants to see it reads it.
final class StatisticsBox: Sendable {
    /// A longer text is not kept: 4 MiB are several thousand partitions.
    static let limitBytes = 4 << 20

    private let state = Mutex(State())

    private struct State {
        /// Not read yet; empty where nothing new came.
        var text: [UInt8] = []
        var read: ClientStatistics?
    }

    /// Keeps a copy of the text in place of the one before.
    func put(_ text: UnsafeRawBufferPointer) {
        guard text.count <= Self.limitBytes else { return clear() }
        state.withLock { state in
            state.text.removeAll(keepingCapacity: true)
            unsafe state.text.append(contentsOf: text)
        }
    }

    /// The client is of no more use.
    func clear() { state.withLock { $0 = State() } }

    /// What was put in last; nil before the first.
    func latest(topic: String) -> ClientStatistics? {
        let text = state.withLock { state in
            var text: [UInt8] = []
            swap(&text, &state.text)
            return text
        }
        guard !text.isEmpty else { return state.withLock { $0.read } }
        let read = ClientStatistics(text, topic: topic)
        state.withLock { $0.read = read }
        return read
    }
}
