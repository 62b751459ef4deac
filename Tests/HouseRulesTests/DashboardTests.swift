import Foundation
import Testing

/// The dashboard and the alert rules, against the table of metrics.
struct DashboardTests {
    private static let dashboard = "docker/grafana/dashboards/millrace.json"
    private static let rules = "docker/prometheus/rules.yml"

    private static func text(_ path: String) throws -> String {
        try #require(SourceTree.all.first { $0.path == path }).text
    }

    @Test(arguments: [dashboard, rules])
    func onlyMetricsOfTheTableAreUsed(path: String) throws {
        let manual = try Self.text("docs/operations.md")
        let entries = MetricTable.documented(
            in: SourceFile(path: "docs/operations.md", text: manual))
        let known = MetricTable.series(of: entries).union(entries.map(\.name))
        let used = MetricTable.used(in: try Self.text(path))
        #expect(used.count > 5)
        #expect(used.subtracting(known).sorted() == [])
    }

    @Test(.enabled(if: Tool.isThere("python3"), "needs python3"))
    func bothAreMadeFromTheTable() throws {
        let made = try Tool.run("python3", ["scripts/make-dashboards.py", "--check"])
        #expect(made.status == 0, "\(made.text)")
    }

    @Test(.enabled(if: Tool.isThere("promtool"), "needs promtool: scripts/setup --dev"))
    func promtoolAcceptsTheRules() throws {
        for arguments in [
            ["check", "rules", Self.rules],
            ["check", "config", "docker/prometheus/prometheus.yml"],
            ["test", "rules", "docker/prometheus/rules_test.yml"],
        ] {
            let checked = try Tool.run("promtool", arguments)
            #expect(checked.status == 0, "\(checked.text)")
            #expect(!checked.text.lowercased().contains("warn"), "\(checked.text)")
        }
    }

    /// As rules, with something in place of Grafana's variables.
    @Test(.enabled(if: Tool.isThere("promtool"), "needs promtool: scripts/setup --dev"))
    func promtoolAcceptsThePanelsQueries() throws {
        var lines = ["groups:", "  - name: panels", "    rules:"]
        let queries = try Self.queries()
        #expect(queries.count > 30)
        for (index, query) in queries.enumerated() {
            let plain = query.replacingOccurrences(of: "$__rate_interval", with: "5m")
                .replacingOccurrences(of: "'", with: "''")
            lines += ["      - record: panel:\(index)", "        expr: '\(plain)'"]
        }
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-\(UUID().uuidString).yml")
        try lines.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let checked = try Tool.run("promtool", ["check", "rules", file.path])
        #expect(checked.status == 0, "\(checked.text)")
    }

    private static func queries() throws -> [String] {
        struct Dashboard: Decodable { let panels: [Panel] }
        struct Panel: Decodable { let targets: [Target]? }
        struct Target: Decodable { let expr: String }
        let json = Data(try text(dashboard).utf8)
        return try JSONDecoder().decode(Dashboard.self, from: json)
            .panels.flatMap { $0.targets ?? [] }.map(\.expr)
    }

    /// What compose mounts is there.
    @Test func composeMountsWhatIsThere() throws {
        let compose = try Self.text("docker/compose.yaml")
        let mounted = compose.split { "\n\" []".contains($0) }.filter { $0.hasPrefix("./") }
            .compactMap { $0.split(separator: ":").first?.dropFirst(2) }
        #expect(mounted.count == 3)
        for path in mounted {
            let place = SourceTree.root.appendingPathComponent("docker/\(path)").path
            #expect(FileManager.default.fileExists(atPath: place), "\(path)")
        }
    }
}
