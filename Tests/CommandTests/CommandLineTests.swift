import Testing

@Suite struct CommandLineTests {
    @Test(arguments: [
        ("", "usage: millrace VERB"), ("frob", "no verb 'frob'"),
        ("--frob", "unknown option '--frob'"),
        ("chek", "no verb 'chek'; did you mean 'check'?"),
        ("--verison", "did you mean '--version'?"),
        ("run --untilend a", "unknown option '--untilend'; did you mean '--until-end'?"),
        ("demo --recrods=5", "did you mean '--records'?"), ("check --hlp a", "'--help'?"),
        ("docs a", "docs takes no file"), ("docs --man --schema", "one option at most"),
        ("completions", "needs one shell: bash, zsh, fish"),
        ("completions tcsh", "no completions for 'tcsh'"),
        ("help frob", "no verb 'frob'"), ("run", "run needs one pipeline file"),
        ("run a b", "run needs one pipeline file"), ("run --nope a", "unknown option '--nope'"),
        ("run -q", "unknown option '-q'"), ("run --log-level", "needs a value"),
        ("run --log-level loud a", "not 'loud'"), ("run --log-format xml a", "not 'xml'"),
        ("run --until-end=3 a", "takes no value"),
        ("check", "check needs a pipeline file"), ("score", "score needs a pipeline file"),
        ("score a b c", "at most one of lines"), ("score --lanes 0 a", "at least 1, not '0'"),
        ("score --lanes 257 a", "at most 256"), ("score --dead", "needs a value"),
        ("test", "test needs a test file"),
        ("demo file", "demo takes no file"),
        ("demo --records 0", "at least 1, not '0'"), ("demo --rate -5", "not '-5'"),
        ("demo --records 99999999999999999999", "takes a whole number"),
    ])
    func aWrongCommandLineIs64(words: String, says: String) throws {
        let ended = try Command.shell("\"$MILLRACE\" \(words)")
        #expect(ended.status == 64)
        #expect(ended.output == "")
        #expect(ended.errors.contains(says), "\(ended.errors)")
    }

    @Test(arguments: [
        ("--help", "usage: millrace VERB"), ("help", "usage: millrace VERB"),
        ("help check", "usage: millrace check"), ("run --help", "--until-end"),
        ("demo -h", "--records N"), ("help score", "--dead FILE"), ("test -h", "NAME_test.yaml"),
    ])
    func helpGoesToStdout(words: String, says: String) throws {
        let ended = try Command.shell("\"$MILLRACE\" \(words)")
        #expect(ended.status == 0)
        #expect(ended.errors == "")
        #expect(ended.output.contains(says), "\(ended.output)")
        #expect(ended.output.split(separator: "\n").allSatisfy { $0.count <= 120 })
    }

    /// All that docs/dependencies.md lists for the worker, but what comes with the toolchain.
    @Test func theVersionNamesTheLibrariesOneALine() throws {
        let ended = try Command.shell("\"$MILLRACE\" --version")
        #expect(ended.status == 0)
        let lines = ended.output.split(separator: "\n")
        #expect(
            lines.map { $0.prefix { $0 != " " } } == [
                "millrace", "librdkafka", "onnxruntime", "simdjson", "libyaml", "libmicrohttpd",
                "libcrypto", "jemalloc",
            ])
        let version = /[a-z]+ \d+\.\d+(\.\d+)+/
        for line in lines where line != "onnxruntime not found" {
            #expect(line.wholeMatch(of: version) != nil, "\(line)")
        }
    }

    @Test func behindTwoDashesEverythingIsAFile() throws {
        let ended = try Command.shell("\"$MILLRACE\" check -- --help")
        #expect(ended.status == 65)
        #expect(ended.output.hasPrefix("--help:1:1: error: "))
    }

    @Test func controlCharactersDoNotReachTheTerminal() throws {
        let ended = try Command.shell("\"$MILLRACE\" \"$(printf '\\033[31mred')\"")
        #expect(ended.errors.contains("'\\u{1b}[31mred'"), "\(ended.errors)")
    }
}
