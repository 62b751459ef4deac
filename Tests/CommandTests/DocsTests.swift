import Testing

/// What the command prints of itself.
@Suite struct DocsTests {
    private static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    @Test(arguments: [
        ("docs", "docs/settings.md"), ("docs --schema", "schemas/pipeline.schema.json"),
    ])
    func theFilesAreItsOutput(words: String, file: String) throws {
        let ended = try Command.shell("\"$MILLRACE\" \(words) | diff '\(Self.root)/\(file)' -")
        #expect(ended.status == 0, "write it anew: millrace \(words) >\(file)")
        #expect(ended.output == "")
    }

    @Test func theManualPageNamesEveryVerbAndOption() throws {
        let page = try Command.shell("\"$MILLRACE\" docs --man").output
        let verbs = try Command.shell("\"$MILLRACE\" --help | sed -n 's/^  \\([a-z]*\\) .*/\\1/p'")
        let names = verbs.output.split(separator: "\n")
        #expect(names.count >= 5)
        for name in names {
            #expect(page.contains("\n.SS millrace \(name)"), "\(name)")
            let help = try Command.shell(
                "\"$MILLRACE\" \(name) --help | sed -n 's/^  --\\([a-z-]*\\).*/\\1/p'")
            for option in help.output.split(separator: "\n") {
                let shown = option.replacing("-", with: "\\-")
                #expect(page.contains("\n.B \\-\\-\(shown)"), "\(name) --\(option)")
            }
        }
    }

    @Test(.enabled(if: Tool.isThere("man"), "needs man"))
    func theManualPageHasNoWarnings() throws {
        let ended = try Command.shell(
            "\"$MILLRACE\" docs --man >\"$T/millrace.1\";"
                + " LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l \"$T/millrace.1\"")
        #expect(ended.status == 0)
        #expect(ended.errors == "")
        #expect(ended.output.contains("EXIT STATUS"))
    }
}

/// Programs of the machine that a test can do without.
enum Tool {
    static func isThere(_ name: String) -> Bool {
        (try? Command.shell("command -v \(name)").status) == 0
    }
}
