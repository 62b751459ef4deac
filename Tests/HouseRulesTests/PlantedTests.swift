import Testing

/// Every rule bites on a small text that breaks it, and lets a good one pass.
@Suite struct PlantedTests {
    private func swift(_ text: String, at path: String = "Sources/MillraceCore/A.swift")
        -> SourceFile
    {
        SourceFile(path: path, text: text)
    }

    @Test func strippingKeepsCodeAndLines() {
        let text = ##"""
            let a = "no! \(b!) no!" // c!
            /* d! */ let e = #"f! \(g!) \#(h!)"# + "\"!"
            """##
        let code = CodeText.strip(text)
        #expect(code.split(separator: "\n").count == 2)
        #expect(code.filter { $0 == "!" }.count == 2)
        #expect(code.contains("(b!)") && code.contains("(h!)"))
        #expect(CodeText.strip("\"\"\"\n\"x!\"\n\"\"\"").contains("!") == false)
        #expect(CodeText.strip("if (c == '\"') d!; n = 1'000'000;").contains("d!"))
    }

    @Test func longLines() {
        #expect(LengthRules.longLines(swift(String(repeating: "x", count: 101))).count == 1)
        #expect(LengthRules.longLines(swift(String(repeating: "é", count: 100))).isEmpty)
    }

    @Test func longFiles() {
        #expect(LengthRules.longFile(swift(String(repeating: "\n", count: 601))).count == 1)
        #expect(LengthRules.longFile(swift(String(repeating: "\n", count: 600))).isEmpty)
    }

    @Test func longFunctions() {
        func body(_ head: String, _ lines: Int) -> String {
            head + " {\n" + String(repeating: "    x\n", count: lines - 2) + "}\n"
        }
        for head in ["func a()", "    package init(_ b: () -> Void = {})", "deinit"] {
            #expect(LengthRules.longFunctions(swift(body(head, 71))).count == 1)
            #expect(LengthRules.longFunctions(swift(body(head, 70))).isEmpty)
        }
        // A requirement has no body; the closure behind it belongs to nobody.
        let requirement = "protocol P {\n    func a()\n}\n" + body("let c =", 90)
        #expect(LengthRules.longFunctions(swift(requirement)).isEmpty)
        let c = "extern \"C\" {\n" + body("static int a(int b)", 71) + "}\n"
        let cFile = SourceFile(path: "Sources/CYaml/a.c", text: c)
        #expect(LengthRules.longFunctions(cFile).count == 1)
        let bash = "#!/usr/bin/env bash\n" + body("a()", 71)
        #expect(LengthRules.longFunctions(SourceFile(path: "scripts/a", text: bash)).count == 1)
    }

    @Test(arguments: [
        ("Sources/MillraceCore/A.swift", "internal import Glibc"),
        ("Sources/MillraceCore/A.swift", "package import MillraceOps"),
        ("Sources/MillraceKafka/A.swift", "internal import CSimdjson"),
        ("Sources/MillraceKafka/A.swift", "import MillraceFormats"),
        ("Sources/MillraceConfig/A.swift", "import Foundation"),
        ("Sources/millrace/A.swift", "internal import CRdkafka"),
        ("Sources/MillraceUnknown/A.swift", ""),
    ])
    func imports(path: String, text: String) {
        #expect(ImportRules.check(swift(text, at: path)).count == 1)
        let good = swift("internal import MillraceCore", at: "Sources/MillraceOps/A.swift")
        #expect(ImportRules.check(good).isEmpty)
    }

    @Test(arguments: [
        "let a = b!", "let a = b[0]!.c", "let a = b()!", "var a: Int!", "try! a()", "a as! B",
        "fatalError(\"x\")", "preconditionFailure()", "print(a)", "guard a else { exit(1) }",
        "let a = \"\\(b!)\"",
    ])
    func calls(text: String) { #expect(!CallRules.check(swift(text)).isEmpty) }

    @Test(arguments: [
        "if !a, b != c { }", "let a = \"b!\" // c!", "handle.fatalError", "Output.print(a)",
        "var fatalError: E? { nil }", "if !(a) { }",
    ])
    func goodCalls(text: String) { #expect(CallRules.check(swift(text)).isEmpty) }

    @Test(arguments: [
        "package struct A {}", "    package func a() {", "@safe package final class A {",
        "package var a: Int { 1 }", "package protocol A {", "public enum A {",
    ])
    func undocumented(text: String) {
        let none: Set<String> = []
        #expect(CommentRules.undocumented(swift(text), requirements: none).count == 1)
        let said = swift("/// What it is.\n@inline(__always)\n" + text)
        #expect(CommentRules.undocumented(said, requirements: none).isEmpty)
    }

    @Test func requirementsAreDocumentedAtTheirProtocol() {
        let contract = swift("package protocol Sink {\n    func write(_ a: Int)\n}")
        let names = CommentRules.requirements([contract])
        let text = "package func write(_ a: Int) {}"
        #expect(CommentRules.undocumented(swift(text), requirements: names).isEmpty)
        let other = "package func erase() {}"
        #expect(CommentRules.undocumented(swift(other), requirements: names).count == 1)
    }

    @Test func promises() {
        let bare = "/// Docs are no reason.\nfinal class A: @unchecked Sendable {\n\n\n\n\n}"
        #expect(CommentRules.unexplainedPromises(swift(bare)).count == 1)
        let said = "final class A: @unchecked Sendable {\n    // Sound: nothing changes.\n}"
        #expect(CommentRules.unexplainedPromises(swift(said)).isEmpty)
        #expect(CommentRules.unexplainedPromises(swift("nonisolated(unsafe) var a = 1")).count == 1)
    }

    @Test func notesLoopsAndMachines() {
        #expect(CommentRules.openNotes(swift("// TO" + "DO: later")).count == 1)
        #expect(CommentRules.brokenLoops(swift("for unsafex in y {")).count == 1)
        #expect(CommentRules.brokenLoops(swift("for unsafe x in y {")).isEmpty)
        #expect(CommentRules.machineTexts(swift("cd /wo" + "rk/main")).count == 1)
        #expect(CommentRules.machineTexts(swift("https://pypi" + ".org/simple")).count == 1)
    }

    @Test func metrics() {
        let code = swift(
            """
            counter(
                "millrace_a_total", "Text.", 1), gauge("millrace_b", "Text.", 2),
            Metric("millrace_c", .histogram, "Text.")
            """)
        #expect(
            Set(MetricTable.declared(in: code).map(\.description)) == [
                "counter millrace_a_total", "gauge millrace_b", "histogram millrace_c",
            ])
        let manual = SourceFile(
            path: "docs/a.md", text: "| `millrace_a_total{reason}` | counter | text |")
        #expect(
            MetricTable.documented(in: manual).map(\.description) == ["counter millrace_a_total"])
    }

    @Test func dockerCopies() {
        let text = "COPY a b/ c/\nCOPY --from=build /d /e\nRUN cp f g"
        let file = SourceFile(path: "docker/Dockerfile", text: text)
        #expect(DockerText.copied(file) == ["a", "b/"])
    }

    @Test func linksAndBlocks() {
        let text = "[a](b.md) [c](https://d) [e](f.md#g) [h](#i)"
        #expect(HouseRulesTests.block("yaml", in: "a\n```yaml\nb: 1\n```\n") == "b: 1\n")
        #expect(HouseRulesTests.block("yaml", in: text) == nil)
        #expect(HouseRulesTests.linkTargets(text) == ["b.md", "f.md"])
    }
}
