internal import CRdkafka
internal import Glibc
package import MillraceCore

/// librdkafka's mock brokers inside this process, for `millrace demo` and tests. They keep records
/// in memory (5 MiB a partition) and know no transactions. Dies with this object.
@safe package final class MockCluster: @unchecked Sendable {
    // Sound: librdkafka locks the cluster by itself; the fields never change.

    private let host: ClientHandle
    private let cluster: OpaquePointer

    /// Starts `brokerCount` brokers on free ports of the loopback interface.
    package init(brokerCount: Int, log: Log = .none) throws(ServiceError) {
        do throws(KafkaError) {
            let host = try ClientHandle(.producer, [("client.id", "mock-cluster")], log: log)
            let count = Int32(clamping: brokerCount)
            guard let cluster = unsafe rd_kafka_mock_cluster_new(host.raw, count) else {
                throw KafkaError(RD_KAFKA_RESP_ERR__FAIL, "the mock brokers do not start")
            }
            unsafe self.cluster = cluster
            self.host = host
            unsafe Self.joinAtOnce(cluster)
        } catch {
            throw error.serviceError
        }
    }

    /// A new group waits 3 s for further members; from librdkafka 2.6 that can be switched off.
    private static func joinAtOnce(_ cluster: OpaquePointer) {
        typealias SetDelay = @convention(c) (OpaquePointer, Int32) -> Void
        let name = "rd_kafka_mock_group_initial_rebalance_delay_ms"
        guard let symbol = unsafe dlsym(nil, name) else { return }
        unsafe unsafeBitCast(symbol, to: SetDelay.self)(cluster, 0)
    }

    // The body runs before `host` dies.
    deinit { unsafe rd_kafka_mock_cluster_destroy(cluster) }

    /// For `bootstrap.servers`.
    package var bootstrapServers: String {
        unsafe rd_kafka_mock_cluster_bootstraps(cluster).map { unsafe String(cString: $0) } ?? ""
    }

    /// Makes a topic with one replica a partition.
    package func createTopic(_ name: String, partitions: Int) throws(ServiceError) {
        let count = Int32(clamping: partitions)
        try check(unsafe rd_kafka_mock_topic_create(cluster, name, count, 1), name)
    }

    /// From now on the brokers say this of the topic.
    package func setError(topic: String, _ code: ErrorCode) {
        let raw = rd_kafka_resp_err_t(rawValue: code.rawValue)
        unsafe rd_kafka_mock_topic_set_error(cluster, topic, raw)
    }

    /// The next requests of that API (wire number) are answered with these errors, one each.
    package func pushErrors(api: Api, _ codes: [ErrorCode]) {
        let raw = codes.map { rd_kafka_resp_err_t(rawValue: $0.rawValue) }
        unsafe raw.withUnsafeBufferPointer {
            unsafe rd_kafka_mock_push_request_errors_array(
                cluster, api.rawValue, $0.count, $0.baseAddress)
        }
    }

    /// Makes that broker the group's coordinator.
    package func setCoordinator(group: String, broker: Int32) throws(ServiceError) {
        let error = unsafe rd_kafka_mock_coordinator_set(cluster, "group", group, broker)
        try check(error, "coordinator \(broker)")
    }

    /// Breaks the broker's connections and refuses new ones. Brokers are numbered from 1.
    package func setDown(broker: Int32) throws(ServiceError) {
        try check(unsafe rd_kafka_mock_broker_set_down(cluster, broker), "broker \(broker)")
    }

    /// The opposite of `setDown`, with the records kept.
    package func setUp(broker: Int32) throws(ServiceError) {
        try check(unsafe rd_kafka_mock_broker_set_up(cluster, broker), "broker \(broker)")
    }

    /// Delays every answer of that broker.
    package func setRoundTrip(broker: Int32, milliseconds: Int32) throws(ServiceError) {
        let error = unsafe rd_kafka_mock_broker_set_rtt(cluster, broker, milliseconds)
        try check(error, "broker \(broker)")
    }

    private func check(_ error: rd_kafka_resp_err_t, _ what: String) throws(ServiceError) {
        guard error != RD_KAFKA_RESP_ERR_NO_ERROR else { return }
        throw KafkaError(error, "mock cluster refuses \(what)").serviceError
    }

    /// Requests that errors can be pushed for.
    package enum Api: Int16, Sendable {
        case produce = 0
        case fetch = 1
        case metadata = 3
        case offsetCommit = 8
        case heartbeat = 12
        case initProducerId = 22
        case endTransaction = 26
        case commitTransactionOffsets = 28
    }

    /// Errors of the protocol that tests inject.
    package enum ErrorCode: Int32, Sendable {
        /// The connection is cut instead of an answer.
        case connectionCut = -195
        case none = 0
        case unknownTopic = 3
        case topicAuthorizationFailed = 29
        case clusterAuthorizationFailed = 31
        case messageTooLarge = 10
        case notEnoughReplicas = 19
        case illegalGeneration = 22
        case rebalanceInProgress = 27
        case invalidTimestamp = 32
        case unknownMember = 25
        case outOfOrderSequence = 45
        case invalidProducerEpoch = 47
        case concurrentTransactions = 51
        case invalidRecord = 87
    }
}
