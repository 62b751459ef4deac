internal import MillraceConfig

/// The command: finds the verb, runs it, turns its failure into an exit code.
@main
enum Main {
    static let verbs: [Verb] = [
        .run, .check, .score, .test, .explain, .model, .demo, .docs, .completions,
    ]
    /// Options in place of a verb.
    static let options: [Verb.Option] = [
        Verb.Option(name: "help", value: nil, summary: "the verbs"),
        Verb.Option(name: "version", value: nil, summary: "versions of Millrace and its libraries"),
    ]

    static func main() {
        Output.openStandardStreams()
        Signals.ignoreClosedPipes()
        endProcess(with: run(Array(CommandLine.arguments.dropFirst())))
    }

    private static func run(_ words: [String]) -> ExitCode {
        guard let first = words.first else {
            Output.complain(help)
            return .usage
        }
        switch first {
        case "--help", "-h":
            Output.print(help)
            return .done
        case "help":
            guard let name = words.dropFirst().first else {
                Output.print(help)
                return .done
            }
            return run([name, "--help"])
        case "--version":
            Output.print("millrace \(Installation.version)")
            for library in Registry.libraries { Output.print("\(library.name) \(library.version)") }
            return .done
        default: break
        }
        guard let verb = verbs.first(where: { $0.name == first }) else {
            Output.complain("millrace: \(refusal(of: first))")
            return .usage
        }
        let rest = Array(words.dropFirst())
        let options = rest.prefix { $0 != "--" }
        if options.contains("--help") || options.contains("-h") {
            Output.print(verb.help)
            return .done
        }
        do throws(CommandError) {
            return try verb.run(try verb.parse(rest))
        } catch {
            Output.complain("millrace: \(error.message)")
            return error.code
        }
    }

    private static func refusal(of word: String) -> String {
        let isOption = word.hasPrefix("-")
        let known = isOption ? options.map { "--\($0.name)" } : verbs.map(\.name) + ["help"]
        let question = Suggestion.question(for: word, among: known)
        return (isOption ? "unknown option" : "no verb") + " '\(word)'"
            + (question.isEmpty ? "; see millrace --help" : question)
    }

    private static var help: String {
        var text = "usage: millrace VERB [OPTION...] [FILE...]\n\n"
        for verb in verbs {
            text += "  \(verb.name)" + String(repeating: " ", count: 13 - verb.name.count)
            text += "\(verb.headline)\n"
        }
        return text + "\nmillrace VERB --help tells more. millrace --version says what runs."
    }
}
