/// `${NAME}` and `${NAME:-default}` in the values of a pipeline file.
///
/// `$${` stands for the two characters `${`. Any other `$` is itself, so that `$key` and passwords
/// with dollar signs need no care. A default ends at the next `}`; it applies, as in the shell,
/// where the variable is missing or empty.
enum EnvironmentText {
    struct Expansion: Equatable {
        var text: String
        /// Whether a variable or its default was read.
        var hasReferences: Bool
        /// What is wrong, each in words; the text is unusable then.
        var problems: [String]
    }

    static func expand(_ text: String, environment: [String: String]) -> Expansion {
        var result = Expansion(text: "", hasReferences: false, problems: [])
        guard text.contains("$") else {
            result.text = text
            return result
        }
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result.text += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result.text += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                result.hasReferences = true
                guard let end = rest.firstIndex(of: "}") else {
                    result.problems.append("'${' without '}'; write '$${' for the characters '${'")
                    return result
                }
                let reference = rest.dropFirst(2)[..<end]
                rest = rest[end...].dropFirst()
                append(reference, environment: environment, to: &result)
            } else {
                result.text += "$"
                rest = rest.dropFirst()
            }
        }
        result.text += rest
        return result
    }

    private static func append(
        _ reference: Substring, environment: [String: String], to result: inout Expansion
    ) {
        let name = reference.prefix { $0 != ":" }
        let rest = reference.dropFirst(name.count)
        guard isName(name), rest.isEmpty || rest.hasPrefix(":-") else {
            result.problems.append(
                "'${...}' must be ${NAME} or ${NAME:-default} with a name of letters, digits and"
                    + " '_'")
            return
        }
        if let value = environment[String(name)], rest.isEmpty || !value.isEmpty {
            result.text += value
        } else if rest.isEmpty {
            result.problems.append(
                "environment variable \(name) is not set; set it or write ${\(name):-default}")
        } else {
            result.text += rest.dropFirst(2)
        }
    }

    private static func isName(_ name: Substring) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
            default: false
            }
        }
    }
}
