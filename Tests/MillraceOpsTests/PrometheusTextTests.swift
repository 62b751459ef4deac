internal import FoundationEssentials
internal import Glibc
import MillraceCore
import MillraceOps
import Testing

struct PrometheusTextTests {
    private static let tricky = "a\\b \"quoted\"\nsecond line ünï"

    private static func page(_ value: Double) -> String {
        PrometheusText.render([
            Metric("m", .gauge, "h", samples: [Metric.Sample(value: .number(value))])
        ])
    }

    @Test(arguments: [
        (0, "0"), (-0.0, "0"), (1, "1"), (-17, "-17"), (0.5, "0.5"), (0.1, "0.1"),
        (1e15, "1000000000000000"), (9_007_199_254_740_992, "9007199254740992"),
        (1e16, "1e+16"), (1.5e300, "1.5e+300"), (.leastNonzeroMagnitude, "5e-324"), (.nan, "NaN"),
        (.infinity, "+Inf"), (-.infinity, "-Inf"),
    ])
    func numbers(value: Double, text: String) {
        #expect(Self.page(value) == "# HELP m h\n# TYPE m gauge\nm \(text)\n")
    }

    @Test func escapesHelpAndLabels() {
        let sample = Metric.Sample(
            labels: [("topic", Self.tricky), ("partition", "0")], value: .number(3))
        let text = PrometheusText.render([
            Metric("x_total", .counter, Self.tricky, samples: [sample])
        ])
        #expect(
            text == #"""
                # HELP x_total a\\b "quoted"\nsecond line ünï
                # TYPE x_total counter
                x_total{topic="a\\b \"quoted\"\nsecond line ünï",partition="0"} 3

                """#)
    }

    @Test func histograms() {
        let value = Metric.Value.distribution(
            bounds: [0.005, 0.1, 1], cumulative: [1, 3, 3], count: 4, sum: 2.25)
        let text = PrometheusText.render([
            Metric(
                "d_seconds", .histogram, "D.",
                samples: [
                    Metric.Sample(value: value),
                    Metric.Sample(labels: [("lane", "0")], value: value),
                ])
        ])
        #expect(
            text == """
                # HELP d_seconds D.
                # TYPE d_seconds histogram
                d_seconds_bucket{le="0.005"} 1
                d_seconds_bucket{le="0.1"} 3
                d_seconds_bucket{le="1"} 3
                d_seconds_bucket{le="+Inf"} 4
                d_seconds_sum 2.25
                d_seconds_count 4
                d_seconds_bucket{lane="0",le="0.005"} 1
                d_seconds_bucket{lane="0",le="0.1"} 3
                d_seconds_bucket{lane="0",le="1"} 3
                d_seconds_bucket{lane="0",le="+Inf"} 4
                d_seconds_sum{lane="0"} 2.25
                d_seconds_count{lane="0"} 4

                """)
    }

    @Test func familiesKeepTheirOrderAndAreNotSplit() {
        let text = PrometheusText.render([
            Metric("b", .gauge, "B.", samples: [.init(labels: [("p", "0")], value: .number(1))]),
            Metric("a", .gauge, "A.", samples: []),
            Metric("b", .gauge, "-", samples: [.init(labels: [("p", "1")], value: .number(2))]),
        ])
        #expect(
            text == """
                # HELP b B.
                # TYPE b gauge
                b{p="0"} 1
                b{p="1"} 2
                # HELP a A.
                # TYPE a gauge

                """)
    }

    @Test func valuesOfTheWrongKindAreLeftOut() {
        let distribution = Metric.Value.distribution(
            bounds: [1], cumulative: [0], count: 0, sum: 0)
        let text = PrometheusText.render([
            Metric("c", .counter, "C.", samples: [.init(value: distribution)]),
            Metric("h", .histogram, "H.", samples: [.init(value: .number(1))]),
        ])
        #expect(text == "# HELP c C.\n# TYPE c counter\n# HELP h H.\n# TYPE h histogram\n")
    }

    /// promtool is in Debian's package `prometheus`.
    private static let promtool: String? = {
        guard let path = unsafe getenv("PATH") else { return nil }
        return unsafe String(cString: path).split(separator: ":").map { "\($0)/promtool" }
            .first { unsafe access($0, X_OK) == 0 }
    }()

    @Test(.enabled(if: promtool != nil, "needs promtool (Debian: apt install prometheus)"))
    func promtoolAcceptsThePage() throws {
        var histogram = LatencyHistogram()
        for us in Int64(0)..<1000 { histogram.record(us: us * us) }
        let page = PrometheusText.render([
            Metric(
                "millrace_records_total", .counter, Self.tricky,
                samples: [.init(labels: [("topic", Self.tricky)], value: .number(1e18))]),
            Metric("millrace_lag_records", .gauge, "Lag.", samples: [.init(value: .number(.nan))]),
            Metric(
                "millrace_inference_seconds", .histogram, "Inference.",
                samples: [.init(value: histogram.distribution(bounds: [0.000_1, 0.01, 1]))]),
        ])
        #expect(try Self.promtoolComplaints(about: page) == "")
        // The tool would see a mistake.
        #expect(try Self.promtoolComplaints(about: page + "m{ 1\n") != "")
    }

    /// What `promtool check metrics` prints, with its exit code where that is not 0.
    private static func promtoolComplaints(about page: String) throws -> String {
        let promtool = try #require(Self.promtool)
        let folder = FileManager.default.temporaryDirectory
        let input = folder.appending(path: "millrace-\(UUID().uuidString).prom")
        let output = folder.appending(path: "millrace-\(UUID().uuidString).out")
        defer {
            try? FileManager.default.removeItem(at: input)
            try? FileManager.default.removeItem(at: output)
        }
        try Data(page.utf8).write(to: input)
        let code = unsafe system(
            "'\(promtool)' check metrics < '\(input.path)' > '\(output.path)' 2>&1")
        let text = String(decoding: try Data(contentsOf: output), as: UTF8.self)
        return code == 0 ? text : "exit status \(code): \(text)"
    }
}
