/// What has to be said in words beside the code.
enum CommentRules {
    /// Names that standard protocols ask for: their contract is the protocol's.
    private static let standardRequirements: Set<String> = [
        "<", "==", "hash", "description", "debugDescription", "customMirror", "errorDescription",
    ]

    /// Names that the project's own protocols ask for; documented at the protocol.
    static func requirements(_ files: [SourceFile]) -> Set<String> {
        var names = standardRequirements
        for file in files where file.isSwift {
            var isInside = false
            for line in file.code {
                if line.contains("protocol "), line.hasSuffix("{") {
                    isInside = true
                } else if line == "}" {
                    isInside = false
                } else if isInside, let name = declaredName(line) {
                    names.insert(name.name)
                }
            }
        }
        return names
    }

    /// Types, functions and computed properties that other modules see and that nothing is said
    /// about. A stored property and an initializer say what they are by name and type; where units
    /// or ranges matter their comment is for review.
    static func undocumented(_ file: SourceFile, requirements: Set<String>) -> [Violation] {
        guard file.isSwift, file.module != nil else { return [] }
        var violations: [Violation] = []
        for (index, line) in file.code.enumerated() {
            let words = line.split(separator: " ").drop { $0.hasPrefix("@") }
            guard let access = words.first, access == "package" || access == "public",
                let (kind, name) = declaredName(line), needsComment(kind, line),
                !requirements.contains(name), !isDocumented(file, index)
            else { continue }
            violations.append(Violation(file, index + 1, "\(kind) \(name) has no /// comment"))
        }
        return violations
    }

    private static func needsComment(_ kind: String, _ line: Substring) -> Bool {
        switch kind {
        case "init", "let": false
        case "var": line.contains("{")
        default: true
        }
    }

    private static func isDocumented(_ file: SourceFile, _ index: Int) -> Bool {
        var above = index - 1
        while above >= 0, file.lines[above].trimmingPrefix(while: \.isWhitespace).hasPrefix("@") {
            above -= 1
        }
        return above >= 0
            && file.lines[above].trimmingPrefix(while: \.isWhitespace).hasPrefix("///")
    }

    private static func declaredName(_ line: Substring) -> (kind: String, name: String)? {
        let kinds: Set<Substring> = [
            "struct", "class", "enum", "protocol", "actor", "typealias", "func", "var", "let",
        ]
        let words = line.split(separator: " ")
        for (index, word) in words.enumerated() {
            if word.hasPrefix("init(") || word.hasPrefix("init?(") { return ("init", "init") }
            guard kinds.contains(word), index + 1 < words.count else { continue }
            // `class func`: the next word says more.
            if kinds.contains(words[index + 1]) { continue }
            let name = words[index + 1].prefix { !"(:<{=".contains($0) }
            return (String(word), name.isEmpty ? String(words[index + 1]) : String(name))
        }
        return nil
    }

    /// Promises to the compiler that nothing explains.
    static func unexplainedPromises(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, file.module != nil else { return [] }
        return file.code.enumerated().compactMap { index, line in
            guard line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)")
            else { return nil }
            let near = max(0, index - 1)...min(file.lines.count - 1, index + 3)
            let isExplained = near.contains { at in
                guard let comment = file.lines[at].firstRange(of: "//") else { return false }
                let text = file.lines[at][comment.lowerBound...]
                return !text.hasPrefix("///") && text.count > 10
            }
            return isExplained
                ? nil : Violation(file, index + 1, "a comment must say why this is sound")
        }
    }

    /// Notes that belong into an issue.
    static func openNotes(_ file: SourceFile) -> [Violation] {
        let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
        return file.lines.enumerated().compactMap { index, line in
            marks.contains { line.contains($0) }
                ? Violation(file, index + 1, "an open note; make it an issue") : nil
        }
    }

    /// swift-format writes `for unsafe x` as one word where the loop's variable is marked.
    static func brokenLoops(_ file: SourceFile) -> [Violation] {
        guard file.isSwift else { return [] }
        return file.code.enumerated().compactMap { index, line in
            let words = line.split(separator: " ")
            let isBroken = zip(words, words.dropFirst()).contains { first, second in
                first == "for" && second.hasPrefix("unsafe") && second != "unsafe"
            }
            return isBroken ? Violation(file, index + 1, "'for unsafe' has lost its space") : nil
        }
    }

    /// Paths of one machine, and addresses of package indexes.
    static func machineTexts(_ file: SourceFile) -> [Violation] {
        var texts = ["/wo" + "rk/", "/ho" + "me/", "/ro" + "ot/"]
        if !file.path.hasPrefix("Tests/") { texts.append("/t" + "mp/") }
        texts += ["pypi" + ".org", "pythonhosted" + ".org", "index" + "-url", "index" + "_url"]
        return file.lines.enumerated().compactMap { index, line in
            guard let text = texts.first(where: { line.contains($0) }) else { return nil }
            return Violation(file, index + 1, "'\(text)' belongs to one machine or registry")
        }
    }
}
