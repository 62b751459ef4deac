import Foundation
import Testing

@testable import MillraceConfig

/// The manifests under docker/kubernetes, without a cluster.
struct KubernetesTests {
    private static let validator =
        SourceTree.root.appendingPathComponent(".venv/bin/kubernetes-validate").path
    private static var hasValidator: Bool {
        FileManager.default.isExecutableFile(atPath: validator)
    }

    private static var files: [SourceFile] {
        SourceTree.all.filter { $0.path.hasPrefix("docker/kubernetes/") }
    }

    /// Kinds that are no part of Kubernetes itself: the validator has no schema of them.
    private static let custom: Set<String> = ["Kustomization", "ScaledObject", "ServiceMonitor"]

    @Test(.enabled(if: hasValidator, "needs kubernetes-validate: scripts/setup --dev"))
    func theSchemasAcceptTheManifests() throws {
        let paths = Self.files.map(\.path)
        #expect(paths.count == 9)
        let checked = try Tool.run(Self.validator, ["--strict"] + paths)
        #expect(checked.status == 0, "\(checked.text)")
        let lines = checked.text.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("INFO") && $0.contains(" passed ") }.count == 7)
        let unknown = lines.filter { $0.hasPrefix("WARN") }.compactMap { line in
            line.components(separatedBy: "for kind ").last?.split(separator: " ").first
        }
        #expect(Set(unknown.map(String.init)) == Self.custom, "\(checked.text)")
    }

    /// The pipelines in the ConfigMaps are as good as those in files.
    @Test(arguments: ["configmap.yaml", "statefulset.yaml"])
    func thePipelinesAreGood(name: String) throws {
        let text = try Self.pipeline(in: name)
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-\(UUID().uuidString).yaml")
        try text.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let read = PipelineReader.read(path: file.path, environment: ["POD_NAME": "fraud-0"])
        #expect(read.complaints.map(\.description) == [])
        #expect(text.contains("\nhttp: {listen: 0.0.0.0:9464}\n"))
        let example = try #require(SourceTree.all.first { $0.path == "pipelines/fraud.yaml" })
        for line in example.lines where line.hasPrefix("      - /") {
            #expect(text.contains(line), "the example reads \(line)")
        }
    }

    private static func pipeline(in name: String) throws -> String {
        let file = try #require(files.first { $0.path.hasSuffix("/" + name) })
        let lines = file.lines.drop { $0 != "  fraud.yaml: |" }.dropFirst()
            .prefix { $0.hasPrefix("    ") }
        #expect(lines.count > 15)
        return lines.map { String($0.dropFirst(4)) }.joined(separator: "\n") + "\n"
    }

    /// What names another thing names one that is there, and both ways of scaling stop at the
    /// partitions.
    @Test func theManifestsFitTogether() throws {
        let all = Self.files.map(\.text).joined(separator: "\n")
        let names = all.components(separatedBy: "name: millrace-fraud").count - 1
        #expect(names > 9)
        let labels = "{app.kubernetes.io/name: millrace, app.kubernetes.io/instance: fraud}"
        for kind in ["deployment", "statefulset", "pdb", "servicemonitor"] {
            let file = try #require(Self.files.first { $0.path.hasSuffix("/\(kind).yaml") })
            #expect(file.text.contains("matchLabels: \(labels)"), "\(kind)")
        }
        let topics = try #require(SourceTree.all.first { $0.path == "docker/compose.yaml" })
        #expect(topics.text.contains("--partitions 4"))
        #expect(all.contains("maxReplicaCount: 4 "))
        #expect(all.contains("maxReplicas: 4 "))
    }
}
