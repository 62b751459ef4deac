internal import CGetopt
internal import Glibc
internal import MillraceConfig

/// One verb of the command line with its option table; help texts come from the same table.
struct Verb: Sendable {
    let name: String
    /// What stands behind the options in the usage line.
    let operands: String
    let summary: String
    let options: [Option]
    let run: @Sendable (Arguments) throws(CommandError) -> ExitCode

    /// One long option.
    struct Option: Sendable {
        let name: String
        /// The value's name in the help text; nil for a switch.
        let value: String?
        let summary: String
        /// All values that it takes, where they are few: for completion.
        var choices: [String] = []
    }

    /// Parsed arguments of one verb.
    struct Arguments: Sendable {
        var values: [String: String] = [:]
        var switches: Set<String> = []
        var operands: [String] = []

        func isSet(_ name: String) -> Bool { switches.contains(name) }

        /// The option's value as a whole number of at least `least`.
        func number(_ name: String, atLeast least: Int) throws(CommandError) -> Int? {
            guard let text = values[name] else { return nil }
            guard let number = Int(text), number >= least else {
                throw CommandError(
                    .usage, "--\(name) takes a whole number of at least \(least), not '\(text)'")
            }
            return number
        }
    }

    /// Parses what stands behind the verb, as getopt_long does: options anywhere, `--` ends them,
    /// unique prefixes are enough.
    func parse(_ words: [String]) throws(CommandError) -> Arguments {
        var storage = unsafe ([name] + words).map { unsafe strdup($0) }
        unsafe storage.append(nil)
        let names = unsafe options.map { unsafe strdup($0.name) }
        defer {
            unsafe storage.forEach { unsafe free($0) }
            unsafe names.forEach { unsafe free($0) }
        }
        var table = unsafe options.indices.map { index in
            unsafe CGetopt.option(
                name: UnsafePointer(names[index]), has_arg: options[index].value == nil ? 0 : 1,
                flag: nil, val: Int32(index))
        }
        unsafe table.append(CGetopt.option(name: nil, has_arg: 0, flag: nil, val: 0))
        var arguments = Arguments()
        let count = Int32(words.count + 1)
        var value: UnsafePointer<CChar>?
        var next: Int32 = 0
        var isFirst: Int32 = 1
        while true {
            let found = unsafe millrace_getopt(count, &storage, table, isFirst, &value, &next)
            isFirst = 0
            if found == -1 { break }
            guard found >= 0, Int(found) < options.count else {
                throw unsafe refusal(of: storage[Int(max(1, next)) - 1], code: found)
            }
            let option = options[Int(found)]
            if option.value == nil {
                arguments.switches.insert(option.name)
            } else if let text = unsafe value {
                arguments.values[option.name] = unsafe String(cString: text)
            }
        }
        var index = Int(next)
        while unsafe index < storage.count, let word = unsafe storage[index] {
            arguments.operands.append(unsafe String(cString: word))
            index += 1
        }
        return arguments
    }

    private func refusal(of word: UnsafeMutablePointer<CChar>?, code: Int32) -> CommandError {
        let text = unsafe word.map { unsafe String(cString: $0) } ?? ""
        let colon = Int32(UInt8(ascii: ":"))
        var reason = "unknown option '\(text)'"
        var hint = suggestion(for: text)
        if code == colon {
            (reason, hint) = ("option '\(text)' needs a value", "")
        } else if let option = options.first(where: { text.hasPrefix("--\($0.name)=") }) {
            (reason, hint) = ("option '--\(option.name)' takes no value", "")
        }
        if hint.isEmpty { hint = "; see millrace \(name) --help" }
        return CommandError(.usage, reason + hint)
    }

    /// `; did you mean '--x'?`, or nothing.
    private func suggestion(for word: String) -> String {
        let name = word.prefix { $0 != "=" }
        guard name.hasPrefix("--") else { return "" }
        return Suggestion.question(
            for: String(name), among: (options.map(\.name) + ["help"]).map { "--\($0)" })
    }

    /// The first line of the summary: what stands beside the name in a list of verbs.
    var headline: String { String(summary.prefix { $0 != "\n" }) }

    /// The help text, without the end of its last line.
    var help: String {
        var lines = ["usage: millrace \(name)"]
        if !options.isEmpty { lines[0] += " [OPTION...]" }
        if !operands.isEmpty { lines[0] += " \(operands)" }
        lines += ["", summary]
        if !options.isEmpty { lines.append("") }
        for option in options {
            let left = "  --\(option.name)" + (option.value.map { " \($0)" } ?? "")
            lines.append(
                left + String(repeating: " ", count: max(2, 28 - left.count)) + option.summary)
        }
        return lines.joined(separator: "\n")
    }
}
