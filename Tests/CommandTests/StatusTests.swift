internal import FoundationEssentials
import MillraceConfig
import Synchronization
import Testing

@testable import MillraceCore
@testable import MillraceWorker
@testable import millrace

/// What `/status.json` says, without a worker behind it.
struct StatusTests {
    private static let append = AppendPlan(
        outputs: ["y"], fields: [AppendField(name: "score", column: 0, selection: .element(0))],
        onConflict: .error, under: nil)

    private static func file(_ http: String) throws -> PipelineFile {
        let text = """
            name: fraud
            source: {topic: in, group: g}
            kafka: {bootstrap.servers: a}
            model: {file: m.onnx}
            append: {score: y}
            sink: {topic: out}
            dead_letter: {topic: dead}
            http: {listen: ':0', \(http)}
            """
        let outcome = PipelineReader.read(bytes: Array(text.utf8), path: "p.yaml", environment: [:])
        return try #require(outcome.file, "\(outcome.complaints)")
    }

    private static func sample(_ value: [UInt8], of byteCount: Int? = nil) -> RecordSample {
        RecordSample(
            partition: 2, offset: 7, takenAtUs: 1, value: value, byteCount: byteCount ?? value.count
        )
    }

    private static func report(
        _ http: String = "samples: 5", _ samples: [RecordSample] = [],
        snapshot: WorkerSnapshot = WorkerSnapshot(), clock: WorkerClock = .system,
        partitions: [PartitionProgress] = []
    ) throws -> StatusReport {
        StatusReport(
            StatusReport.Parts(
                file: try file(http), append: append,
                info: WorkerMetrics.Info(
                    version: "1", pipeline: "fraud", model: "fraud@2@0123456789ab", engine: "onnx",
                    engineVersion: "1.2", kafkaVersion: "2.0"),
                health: { Health(isLive: true, missing: ["broker \"b1\"\u{2028}\u{1b}</script>"]) },
                snapshot: { snapshot }, samples: { samples }, partitions: { _ in partitions }),
            clock: clock)
    }

    /// The document as another reader of JSON sees it.
    private static func document(_ report: StatusReport) throws -> Document {
        try JSONDecoder().decode(Document.self, from: Data(report.text().utf8))
    }

    private struct Document: Decodable {
        struct Samples: Decodable {
            struct Sample: Decodable {
                var value: String
                var cutFromBytes: Int?
            }
            var limit: Int
            var hidden: [String]
            var predictions: [String]
            var shown: [Sample]
        }
        struct Reason: Decodable, Equatable {
            var reason: String
            var count: Int
        }
        struct Latency: Decodable {
            var step: String
            var count: Int
            var p99Us: Int?
        }
        struct Partitions: Decodable {
            struct Partition: Decodable {
                var partition: Int
                var lag: Int?
            }
            var assigned: Int
            var lag: Int?
            var shown: [Partition]
        }
        var pipeline: String
        var isReady: Bool
        var missing: [String]
        var samples: Samples
        var dead: [Reason]
        var latency: [Latency]
        var partitions: Partitions
    }

    private static func shown(_ http: String, _ samples: RecordSample...) throws -> [String] {
        try document(report(http, samples)).samples.shown.map(\.value)
    }

    @Test func reasonsComeWhole() throws {
        let document = try Self.document(Self.report())
        #expect(document.pipeline == "fraud")
        #expect(!document.isReady)
        #expect(document.missing == ["broker \"b1\"\u{2028}\u{1b}</script>"])
    }

    @Test(arguments: [
        #"{"a":"<script>alert(1)</script>"}"#, "{\"a\":\"\u{2028}\u{1F600}\"}", "\"\\",
        "\u{0}\u{1b}",
        "",
    ])
    func valuesComeAsTheyAre(value: String) throws {
        #expect(try Self.shown("samples: 5", Self.sample(Array(value.utf8))) == [value])
    }

    @Test func invalidUTF8BecomesValidJSON() throws {
        let value: [UInt8] = [0x7B, 0xFF, 0xC3, 0x28, 0xED, 0xA0, 0x80, 0x7D]
        let shown = try #require(try Self.shown("samples: 5", Self.sample(value)).first)
        #expect(shown.hasPrefix("{\u{FFFD}"))
        #expect(shown.hasSuffix("}"))
    }

    @Test func aCutValueSaysSo() throws {
        let report = try Self.report("samples: 5", [Self.sample(Array("{\"a".utf8), of: 9_000)])
        let sample = try #require(try Self.document(report).samples.shown.first)
        #expect(sample.value == "{\"a")
        #expect(sample.cutFromBytes == 9_000)
    }

    @Test func hiddenValuesAreNowhere() throws {
        let value = Array(#"{"card":"4111","user":{"email":"e@x","id":1},"score":0.5}"#.utf8)
        let report = try Self.report("hide: [/card, /user/email]", [Self.sample(value)])
        let samples = try Self.document(report).samples
        #expect(
            samples.shown.map(\.value) == [
                #"{"card":"(hidden)","user":{"email":"(hidden)","id":1},"score":0.5}"#
            ])
        #expect(samples.hidden == ["/card", "/user/email"])
        #expect(samples.predictions == ["score"])
        #expect(!report.text().contains("4111"))
        #expect(!report.text().contains("e@x"))
    }

    /// What cannot be read as a whole may hold anything anywhere.
    @Test(arguments: [
        #"{"card":"4111""#, #"{"card":"4111"} x"#, "4111 {", "{\"card\":\"\u{1}4111\"}",
        #"{"card":"\ud800 4111"}"#, String(repeating: "[", count: 100) + "4111",
    ])
    func whereHidingFailsNothingIsShown(value: String) throws {
        let sample = Self.sample(Array(value.utf8))
        #expect(try Self.shown("samples: 5", sample) == [value])
        let report = try Self.report("hide: [/card]", [sample])
        #expect(try Self.document(report).samples.shown.isEmpty)
        #expect(!report.text().contains("4111"))
    }

    @Test func aCutValueIsNotShownWhereSomethingIsHidden() throws {
        // The part is JSON by itself, and yet not the whole.
        let cut = Self.sample(Array("{}".utf8), of: 9_000)
        #expect(try Self.shown("hide: [/card]", cut) == [])
    }

    @Test func theNewestComesFirst() throws {
        let samples = ["1", "2", "3"].map { Self.sample(Array($0.utf8)) }
        let document = try Self.document(Self.report("samples: 3", samples))
        #expect(document.samples.shown.map(\.value) == ["3", "2", "1"])
        #expect(document.samples.limit == 3)
    }

    @Test func onlyReasonsThatCameUpAreListed() throws {
        var snapshot = WorkerSnapshot()
        var tally = BatchTally()
        tally.dead[RecordError.Kind.malformed.ordinal] = 3
        snapshot.counters.add(tally)
        let document = try Self.document(Self.report(snapshot: snapshot))
        #expect(document.dead == [Document.Reason(reason: "malformed", count: 3)])
    }

    @Test func ofManyPartitionsThoseThatLagMost() throws {
        let all = (0..<1_000).map {
            PartitionProgress(partition: $0, frontier: 5, end: $0 == 3 ? nil : 5 + Int64($0))
        }
        let partitions = try Self.document(Self.report(partitions: all)).partitions
        #expect(partitions.assigned == 1_000)
        #expect(partitions.lag == 999 * 1_000 / 2 - 3)
        #expect(partitions.shown.map(\.partition) == Array(900..<1_000))
    }

    @Test func nothingKnownIsAbsent() throws {
        let document = try Self.document(Self.report())
        #expect(document.partitions.lag == nil)
        #expect(document.latency.first?.step == "end to end")
        #expect(document.latency.allSatisfy { $0.count == 0 && $0.p99Us == nil })
    }

    /// However many ask, the worker is looked at ten times a second at most.
    @Test func anAnswerServesATenthOfASecond() throws {
        let time = Atomic<Int64>(0)
        let looks = Atomic<Int>(0)
        let report = StatusReport(
            StatusReport.Parts(
                file: try Self.file("samples: 0"), append: Self.append, info: WorkerMetrics.Info(),
                health: { Health(isLive: true, missing: []) },
                snapshot: {
                    looks.add(1, ordering: .relaxed)
                    return WorkerSnapshot()
                }, samples: { [] }, partitions: { _ in [] }),
            clock: WorkerClock(
                monotonicNs: { time.load(ordering: .relaxed) }, wallUs: { 0 }))
        for ms in stride(from: Int64(0), to: 1_000, by: 10) {
            time.store(ms * 1_000_000, ordering: .relaxed)
            _ = report.text()
        }
        #expect(looks.load(ordering: .relaxed) == 10)
    }

    @Test func timesAreThoseOfTheLastSeconds() {
        var recent = RecentTimes(nowNs: 0)
        var timings = WorkerTimings()
        func p50(at second: Int64) -> Int64? {
            recent.take(timings, nowNs: second * 1_000_000_000)[0].p50Us
        }
        timings.endToEnd.record(us: 1_000_000, count: 1_000)
        // Nobody asked before: all since the start.
        #expect((970_000...1_030_000).contains(p50(at: 1) ?? 0))
        _ = p50(at: 6)
        timings.endToEnd.record(us: 10, count: 10)
        _ = p50(at: 11)
        #expect(p50(at: 12) == 10)
        _ = p50(at: 17)
        #expect(p50(at: 23) == nil)
    }
}
