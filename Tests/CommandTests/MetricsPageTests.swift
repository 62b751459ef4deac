internal import FoundationEssentials
import Glibc
import MillraceCore
import MillraceOps
import Testing

@testable import MillraceKafka
@testable import MillraceWorker
@testable import millrace

/// The metrics that the command shows, without a worker behind them.
struct MetricsPageTests {
    /// A page with a sample of every metric.
    static func page() throws -> String {
        var snapshot = WorkerSnapshot()
        snapshot.assigned = [0, 1, 2]
        snapshot.frontiers = [0: 40]
        snapshot.timings.batchRecords.record(3)
        snapshot.timings.inference.record(ns: 1_234_567, count: 2)
        let info = WorkerMetrics.Info(
            version: "1", pipeline: "fraud", model: "fraud@2@0123456789ab", engine: "onnx",
            engineVersion: "1.2", kafkaVersion: "2.0")
        let json = #"{"type":"consumer","brokers":{"a":{"nodeid":1,"state":"UP"}}}"#
        let client = try #require(ClientStatistics(Array(json.utf8), topic: "in"))
        return PrometheusText.render(
            WorkerMetrics.all(snapshot, isReady: true, info: info)
                + KafkaMetrics.partitions(
                    KafkaMetrics.Places(
                        assigned: snapshot.assigned, frontiers: snapshot.frontiers,
                        ends: [0: 42, 1: 10, 2: 5], committed: [1: 7]))
                + KafkaMetrics.clients(consumer: client, producer: client))
    }

    private static func values(of name: String) throws -> [String] {
        try page().split(separator: "\n").filter { $0.hasPrefix(name) }.map(String.init)
    }

    @Test func everyMetricHasASample() throws {
        let lines = try Self.page().split(separator: "\n")
        for (line, next) in zip(lines, lines.dropFirst()) where line.hasPrefix("# TYPE") {
            #expect(!next.hasPrefix("#"), "\(line) is followed by \(next)")
        }
    }

    @Test func seriesAreThereOnce() throws {
        let series = try Self.page().split(separator: "\n").filter { !$0.hasPrefix("#") }
            .map { $0.prefix { $0 != " " } }
        #expect(Set(series).count == series.count)
    }

    /// The second partition has only what is committed, the third not even that.
    @Test func lagIsFromTheFrontierToTheEnd() throws {
        #expect(
            try Self.values(of: "millrace_partition_") == [
                "millrace_partition_frontier_offset{partition=\"0\"} 40",
                "millrace_partition_frontier_offset{partition=\"1\"} 7",
                "millrace_partition_end_offset{partition=\"0\"} 42",
                "millrace_partition_end_offset{partition=\"1\"} 10",
                "millrace_partition_end_offset{partition=\"2\"} 5",
                "millrace_partition_lag_records{partition=\"0\"} 2",
                "millrace_partition_lag_records{partition=\"1\"} 3",
            ])
    }

    @Test func theModelIsNamed() throws {
        #expect(
            try Self.values(of: "millrace_model_info") == [
                "millrace_model_info{name=\"fraud@2\",version=\"0123456789ab\",engine=\"onnx\","
                    + "engine_version=\"1.2\"} 1"
            ])
    }

    @Test func batchSizesAreCounted() throws {
        let lines = try Self.values(of: "millrace_batch_records")
        #expect(lines.contains("millrace_batch_records_bucket{le=\"2\"} 0"))
        #expect(lines.contains("millrace_batch_records_bucket{le=\"4\"} 1"))
        #expect(lines.contains("millrace_batch_records_sum 3"))
        let inference = try Self.values(of: "millrace_inference_seconds")
        #expect(inference.contains("millrace_inference_seconds_sum 0.00247"))
    }

    @Test(.enabled(if: Tool.isThere("promtool"), "needs promtool: scripts/setup --dev"))
    func promtoolHasNoComplaints() throws {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "millrace-\(UUID().uuidString).prom")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(Self.page().utf8).write(to: file)
        let ended = try Command.shell("promtool check metrics <'\(file.path)'")
        #expect(ended.status == 0)
        #expect(ended.output + ended.errors == "")
    }
}
