internal import FoundationEssentials
import Glibc
import Testing

@testable import millrace

/// Command lines in README.md and docs/: each one parses, and those that need no broker run.
struct DocumentCommandTests {
    /// One command line as a page shows it, its words behind `millrace`.
    private struct Shown: CustomStringConvertible {
        let page: String
        let words: [String]
        var description: String { "\(page): millrace \(words.joined(separator: " "))" }
    }

    private static let pages =
        ["README.md"]
        + [
            "design", "getting-started", "guarantees", "operations", "performance", "settings",
            "dependencies",
        ].map { "docs/\($0).md" }

    private static func shown(in page: String) throws -> [Shown] {
        let text = try String(
            decoding: Data(contentsOf: URL(filePath: "\(Snapshot.root)/\(page)")), as: UTF8.self)
        var code: [Substring] = []
        var language: Substring?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                language = language == nil ? line.dropFirst(3) : nil
            } else if let language {
                if language == "sh" { code.append(line) }
            } else {
                // Inline code is every other part.
                let parts = line.split(separator: "`", omittingEmptySubsequences: false)
                code += parts.indices.filter { $0 % 2 == 1 }.map { parts[$0] }
            }
        }
        return code.compactMap { words(of: $0) }.map { Shown(page: page, words: $0) }
    }

    /// The words behind `millrace`; nil where the line is another command. Variables before it and
    /// what follows it in the shell are left out, as are the brackets around what may be left out.
    private static func words(of line: Substring) -> [String]? {
        let words = line.split(separator: " ").drop { $0.contains("=") }
        guard let command = words.first, command == "millrace" || command.hasSuffix("/millrace"),
            !words.contains("->")  // who imports whom
        else { return nil }
        return words.dropFirst().prefix { word in
            !["|", "#", "&&", ";"].contains(word) && !word.hasPrefix(">") && !word.hasPrefix("<")
        }.map { String($0.filter { $0 != "[" && $0 != "]" }).replacing("...", with: "") }
            .filter { !$0.isEmpty }
    }

    private static func problem(of words: [String]) -> String? {
        guard let first = words.first else { return nil }  // the command's name alone
        if first.hasPrefix("-") {
            return Main.options.contains { "--\($0.name)" == first } ? nil : "unknown option"
        }
        if first == "VERB" { return nil }
        guard let verb = Main.verbs.first(where: { $0.name == first }) else { return "no verb" }
        do throws(CommandError) {
            let arguments = try verb.parse(words.dropFirst().filter { $0 != "--help" })
            return verb.operands.isEmpty && !arguments.operands.isEmpty ? "takes no file" : nil
        } catch {
            return error.message
        }
    }

    /// One test, as getopt has state of its own.
    @Test func eachCommandLineParses() throws {
        var count = 0
        for page in Self.pages {
            for shown in try Self.shown(in: page) {
                count += 1
                if let problem = Self.problem(of: shown.words) {
                    Issue.record("\(shown): \(problem)")
                }
            }
        }
        #expect(count >= 20, "the pages have more: the test does not find them")
        #expect(Self.problem(of: ["run", "--nope", "a"]) != nil)
        #expect(Self.problem(of: ["frob"]) != nil)
        #expect(Self.problem(of: ["docs", "a"]) != nil)
    }

    /// Those whose files are all here. getting-started's own run in its test.
    @Test(.enabled(if: Engines.areThere, "needs ONNX Runtime: scripts/setup"))
    func thoseThatNeedNoBrokerRun() throws {
        var ran: [String] = []
        for page in Self.pages {
            for shown in try Self.shown(in: page) {
                guard let first = shown.words.first, first != "run", first != "VERB",
                    !shown.words.contains("--connect")
                else { continue }
                let files = shown.words.dropFirst().filter { !$0.hasPrefix("-") }
                let verb = Main.verbs.first { $0.name == first }
                guard
                    verb?.operands.isEmpty != false || !files.isEmpty
                        || shown.words.contains("--help"),
                    first != "demo",
                    files.allSatisfy({ access("\(Snapshot.root)/\($0)", R_OK) == 0 })
                else { continue }
                let words = shown.words.joined(separator: " ")
                let ended = try Command.shell("cd '\(Snapshot.root)'; \"$MILLRACE\" \(words)")
                #expect(ended.status == 0, "\(shown): \(ended.errors)")
                ran.append(words)
            }
        }
        for words in [
            "check pipelines/fraud.yaml", "score pipelines/fraud.yaml pipelines/data/fraud.jsonl",
            "test pipelines", "docs --schema", "--version",
        ] {
            #expect(ran.contains(words), "\(words) was not run; these were: \(ran)")
        }
    }
}
