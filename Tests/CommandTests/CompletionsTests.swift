import Testing

@Suite struct CompletionsTests {
    private func expectTaken(by shell: String) throws {
        let ended = try Command.shell(
            "\"$MILLRACE\" completions \(shell) >\"$T/script\" && \(shell) -n \"$T/script\"")
        #expect(ended.status == 0)
        #expect(ended.errors == "")
    }

    @Test func bashTakesThem() throws { try expectTaken(by: "bash") }

    @Test(.enabled(if: Tool.isThere("zsh"), "needs zsh"))
    func zshTakesThem() throws { try expectTaken(by: "zsh") }

    @Test(.enabled(if: Tool.isThere("fish"), "needs fish"))
    func fishTakesThem() throws { try expectTaken(by: "fish") }

    /// What bash offers for the last of these words.
    private func offered(_ words: String) throws -> [String] {
        let script = """
            "$MILLRACE" completions bash >"$T/script"
            bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _millrace
                printf "%s\\n" "${COMPREPLY[@]}"' - "$T/script" \(words)
            """
        return try Command.shell(script).output.split(separator: "\n").map { String($0) }
    }

    @Test func bashOffersVerbsOptionsAndValues() throws {
        #expect(try offered("millrace ch") == ["check"])
        #expect(try offered("millrace --v") == ["--version"])
        #expect(try offered("millrace run --u") == ["--until-end"])
        #expect(try offered("millrace run --log-level ''").contains("warning"))
        #expect(try offered("millrace run --log-level d") == ["debug"])
        #expect(try offered("millrace run --log-level =").contains("warning"))
        #expect(try offered("millrace run --log-level = d") == ["debug"])
        #expect(try offered("millrace completions ''") == ["bash", "zsh", "fish"])
        #expect(try offered("millrace docs --") == ["--schema", "--man", "--help"])
    }

    @Test(.enabled(if: Tool.isThere("fish"), "needs fish"))
    func fishOffersVerbsOptionsAndValues() throws {
        func offered(_ words: String) throws -> [Substring] {
            let script = """
                export HOME="$T"
                "$MILLRACE" completions fish >"$T/script"
                fish -c 'source "$T/script"; complete -C "\(words)"' | cut -f 1
                """
            return try Command.shell(script).output.split(separator: "\n")
        }
        #expect(try offered("millrace ch") == ["check"])
        #expect(try offered("millrace run --u") == ["--until-end"])
        #expect(try offered("millrace run --log-level d") == ["debug"])
        #expect(try offered("millrace completions ") == ["bash", "fish", "zsh"])
    }

    /// No word: bash goes on with files.
    @Test func bashLeavesFilesToTheShell() throws {
        #expect(try offered("millrace run pipe") == [])
        #expect(try offered("millrace check ''") == [])
        #expect(try offered("millrace demo --rate 1") == [])
    }
}
