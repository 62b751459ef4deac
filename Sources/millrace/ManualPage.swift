/// The manual page of the command, in the man macros of roff, made from the table of verbs.
struct ManualPage: Sendable {
    let verbs: [Verb]

    /// The whole page, with a line break at its end.
    var text: String {
        let head = """
            .TH MILLRACE 1 "" "millrace \(Installation.version)" "Millrace"
            .SH NAME
            millrace \\- score Kafka records with a model, in the process, in order
            .SH SYNOPSIS
            .B millrace
            .I VERB
            .RI [ OPTION ...]
            .RI [ FILE ...]
            .SH DESCRIPTION
            Millrace reads records from a Kafka topic, scores them with a model inside its own
            process, appends the predictions to each record and writes it to another topic: at
            least once, in order, with bounded memory.
            One YAML file, the pipeline, says what is read, which model scores it and what is
            appended;
            .B millrace docs
            prints all of its settings.
            .SH VERBS

            """
        return head + verbs.map(section).joined() + tail
    }

    private func section(_ verb: Verb) -> String {
        var text = ".SS \(Self.escaped(usage(verb)))\n"
        text += Self.lines(verb.summary)
        for option in verb.options {
            text += ".TP\n.B \\-\\-\(Self.escaped(option.name))"
            text += option.value.map { " \(Self.escaped($0))" } ?? ""
            text += "\n" + Self.lines(option.summary)
        }
        return text
    }

    private func usage(_ verb: Verb) -> String {
        "millrace \(verb.name)" + (verb.options.isEmpty ? "" : " [OPTION...]")
            + (verb.operands.isEmpty ? "" : " \(verb.operands)")
    }

    private var tail: String {
        var text = ".SH OPTIONS\n"
        for option in Main.options {
            text += ".TP\n.B \\-\\-\(option.name)\n" + Self.lines(option.summary)
        }
        text += ".PP\nWith a verb,\n.B \\-\\-help\ntells what it takes.\n.SH EXIT STATUS\n"
        for code in ExitCode.allCases {
            text += ".TP\n.B \(code.rawValue)\n" + Self.lines(code.meaning)
        }
        return text + """
            .SH SIGNALS
            .B SIGTERM
            and
            .B SIGINT
            stop a running worker in good order: it finishes and commits what is open; a second
            signal ends it at once, with 75.

            """
    }

    /// Lines of text, none of which roff takes for a request.
    private static func lines(_ text: String) -> String {
        text.split(separator: "\n").map { line in
            let line = escaped(String(line))
            return (line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" : "") + line + "\n"
        }.joined()
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\e").replacing("-", with: "\\-")
    }
}
