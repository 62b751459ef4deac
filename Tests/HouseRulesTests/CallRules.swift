/// What product code must not do: end the process on data, or print past the one way out.
enum CallRules {
    /// Uses that are right, by file, with the reason.
    private static let exceptions: [String: [(text: String, reason: String)]] = [
        "Sources/millrace/Output.swift": [
            ("func print(", "the one way to standard output")
        ],
        "Sources/millrace/ExitCode.swift": [("Glibc.exit(", "the one orderly end of the process")],
        "Sources/millrace/RunningPipeline.swift": [
            ("_exit(", "a drain hangs in a service's call, so no orderly end would come")
        ],
        "Sources/millrace/Signals.swift": [("_exit(", "the second signal ends at once")],
    ]

    private static let banned = [
        "fatalError(", "preconditionFailure(", "assertionFailure(", "precondition(", "assert(",
        "print(", "debugPrint(", "try!", "as!", "exit(", "abort(",
    ]

    static func check(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, file.module != nil else { return [] }
        let allowed = exceptions[file.path] ?? []
        var violations: [Violation] = []
        for (index, line) in file.code.enumerated() {
            var rest = String(line)
            for exception in allowed { rest = rest.replacing(exception.text, with: "") }
            rest = rest.replacing("Output.print(", with: "")
            for name in banned where contains(rest, word: name) {
                violations.append(Violation(file, index + 1, "\(name) is not for product code"))
            }
            if hasForceUnwrap(rest) {
                violations.append(Violation(file, index + 1, "force unwrap"))
            }
        }
        return violations
    }

    /// Whether `word` is there and not as the end of a longer name.
    static func contains(_ line: String, word: String) -> Bool {
        var rest = line[...]
        while let range = rest.firstRange(of: word) {
            let before =
                range.lowerBound == line.startIndex
                ? " " : line[line.index(before: range.lowerBound)]
            if !before.isLetter, !before.isNumber, before != "_",
                before != "." || word.hasSuffix("!")
            {
                return true
            }
            rest = rest[range.upperBound...]
        }
        return false
    }

    /// `!` behind a name, a bracket or a parenthesis is a force unwrap or an implicitly unwrapped
    /// type, unless it begins `!=`.
    static func hasForceUnwrap(_ line: String) -> Bool {
        let characters = Array(line)
        for index in characters.indices.dropFirst() where characters[index] == "!" {
            let before = characters[index - 1]
            let after = index + 1 < characters.count ? characters[index + 1] : " "
            let endsValue =
                before.isLetter || before.isNumber || before == "_" || before == ")"
                || before == "]" || before == "?" || before == "!" || before == "\""
            if endsValue, after != "=" { return true }
        }
        return false
    }
}
