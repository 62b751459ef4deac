import Foundation
import Testing

@testable import MillraceConfig

/// The rules of CONTRIBUTING.md that a machine can check, over the whole tree.
@Suite struct HouseRulesTests {
    private func expectNone(_ violations: [Violation]) {
        let text = violations.map(\.description).joined(separator: "\n")
        #expect(violations.isEmpty, "\n\(text)")
    }

    private var code: [SourceFile] {
        (SourceTree.sources + SourceTree.tests + SourceTree.scripts)
            .filter { $0.isSwift || $0.isC || $0.isBash }
    }

    @Test func theTreeIsFound() {
        #expect(SourceTree.sources.count > 50)
        for path in ["README.md", "docs/design.md", "docker/Dockerfile", ".ci/run"] {
            #expect(SourceTree.all.contains { $0.path == path }, "\(path)")
        }
        #expect(code.contains { $0.isBash && $0.path == "scripts/setup" })
    }

    @Test func linesHaveAtMost100Columns() { expectNone(code.flatMap(LengthRules.longLines)) }

    @Test func filesHaveAtMost600Lines() {
        expectNone((code + SourceTree.scripts).flatMap(LengthRules.longFile))
    }

    @Test func functionsHaveAtMost70Lines() {
        expectNone(code.flatMap(LengthRules.longFunctions))
        let count = code.map { LengthRules.functions($0).count }.reduce(0, +)
        #expect(count > 500, "the functions are not found any more")
    }

    @Test func importsPointDownwards() { expectNone(SourceTree.sources.flatMap(ImportRules.check)) }

    @Test func productCodeEndsNoProcessAndPrintsNothing() {
        expectNone(SourceTree.sources.flatMap(CallRules.check))
    }

    @Test func whatOtherModulesSeeIsDocumented() {
        let requirements = CommentRules.requirements(SourceTree.sources)
        expectNone(
            SourceTree.sources.flatMap {
                CommentRules.undocumented($0, requirements: requirements)
            })
    }

    @Test func promisesToTheCompilerAreExplained() {
        expectNone(SourceTree.sources.flatMap(CommentRules.unexplainedPromises))
    }

    @Test func openNotesAreIssues() { expectNone(SourceTree.all.flatMap(CommentRules.openNotes)) }

    @Test func loopsKeepTheirSpaces() { expectNone(code.flatMap(CommentRules.brokenLoops)) }

    @Test func nothingNamesOneMachineOrRegistry() {
        expectNone(SourceTree.all.flatMap(CommentRules.machineTexts))
    }

    @Test func theTopHoldsOnlyWhatItShould() throws {
        let strangers = try SourceTree.topLevel().filter {
            !SourceTree.allowedTopLevel.contains($0)
        }
        #expect(strangers == [])
    }

    @Test func examplePipelinesAreGood() throws {
        let files = SourceTree.all.filter {
            $0.path.hasPrefix("pipelines/") && $0.path.hasSuffix(".yaml")
                && !$0.path.hasSuffix("_test.yaml")
        }
        #expect(!files.isEmpty)
        for file in files {
            let path = SourceTree.root.appendingPathComponent(file.path).path
            let complaints = PipelineReader.read(path: path, environment: [:]).complaints
            #expect(complaints.map(\.description) == [])
            #expect(Self.namesTheSchema(file), "\(file.path) names no schema for editors")
        }
    }

    /// Whether the first line tells editors where the schema is, as seen from the file.
    private static func namesTheSchema(_ file: SourceFile) -> Bool {
        let start = "# yaml-language-server: $schema="
        guard let line = file.lines.first, line.hasPrefix(start) else { return false }
        let schema = SourceTree.root.appendingPathComponent(file.path).deletingLastPathComponent()
            .appendingPathComponent(String(line.dropFirst(start.count)))
        return FileManager.default.fileExists(atPath: schema.path)
    }

    @Test func theFirstPagesPipelineIsGood() throws {
        let page = try #require(SourceTree.all.first { $0.path == "README.md" })
        let block = try #require(Self.block("yaml", in: page.text))
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-readme-\(UUID().uuidString).yaml")
        try block.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let complaints = PipelineReader.read(path: file.path, environment: [:]).complaints
        #expect(complaints.map(\.description) == [])
    }

    /// The first fenced block of that language.
    static func block(_ language: String, in text: String) -> String? {
        let parts = text.components(separatedBy: "\n```\(language)\n")
        return parts.count > 1 ? parts[1].components(separatedBy: "```").first : nil
    }

    @Test func dockerFilesFitTheTree() throws {
        let compose = try #require(SourceTree.all.first { $0.path == "docker/compose.yaml" })
        var complaints = Complaints(file: compose.path)
        #expect(YAMLReader.read(Array(compose.text.utf8), into: &complaints) != nil)
        #expect(complaints.list.map(\.description) == [])
        let dockerfile = try #require(SourceTree.all.first { $0.path == "docker/Dockerfile" })
        let sources = DockerText.copied(dockerfile)
        #expect(sources.contains("pipelines"))
        for source in sources {
            let path = SourceTree.root.appendingPathComponent(source).path
            #expect(FileManager.default.fileExists(atPath: path), "docker/Dockerfile: \(source)")
        }
    }

    @Test func theManualListsTheMetrics() throws {
        let manual = try #require(SourceTree.all.first { $0.path == "docs/operations.md" })
        let declared = MetricTable.declaredByTheCommand()
        let documented = MetricTable.documented(in: manual)
        #expect(declared.count > 35)
        #expect(declared.subtracting(documented).map(\.description).sorted() == [])
        #expect(documented.subtracting(declared).map(\.description).sorted() == [])
    }

    @Test func documentsLinkToFilesThatAreThere() {
        for file in SourceTree.all where file.path.hasSuffix(".md") {
            let folder = SourceTree.root.appendingPathComponent(file.path)
                .deletingLastPathComponent()
            for target in Self.linkTargets(file.text) {
                let path = folder.appendingPathComponent(target).standardizedFileURL.path
                #expect(
                    FileManager.default.fileExists(atPath: path),
                    "\(file.path) links to \(target), which is not there")
            }
        }
    }

    /// Targets of `[text](target)` that are files of ours.
    static func linkTargets(_ text: String) -> [String] {
        text.components(separatedBy: "](").dropFirst().compactMap { rest in
            let target = rest.prefix { $0 != ")" && $0 != "#" && $0 != " " }
            return target.isEmpty || target.contains("://") ? nil : String(target)
        }
    }
}
