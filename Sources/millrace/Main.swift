internal import MillraceKafka

/// The command: finds the verb, runs it, turns its failure into an exit code.
@main
enum Main {
    private static let verbs = [Verb.run, .check, .score, .test, .explain, .model, .demo]

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
            Output.print(
                "millrace \(Installation.version) (librdkafka \(LibraryVersion.current))")
            return .done
        default: break
        }
        guard let verb = verbs.first(where: { $0.name == first }) else {
            Output.complain("millrace: no verb '\(first)'; see millrace --help")
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

    private static var help: String {
        var text = "usage: millrace VERB [OPTION...] [FILE...]\n\n"
        for verb in verbs {
            let summary = verb.summary.split(separator: "\n")[0]
            text += "  \(verb.name)" + String(repeating: " ", count: 8 - verb.name.count)
            text += "\(summary)\n"
        }
        return text + "\nmillrace VERB --help tells more. millrace --version says what runs."
    }
}
