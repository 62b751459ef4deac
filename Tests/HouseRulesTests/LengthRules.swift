/// How long lines, files and functions may be.
enum LengthRules {
    static let columns = 100
    static let fileLines = 600
    static let functionLines = 70

    static func longLines(_ file: SourceFile) -> [Violation] {
        file.lines.enumerated().compactMap { index, line in
            line.count <= columns
                ? nil : Violation(file, index + 1, "\(line.count) columns, at most \(columns)")
        }
    }

    static func longFile(_ file: SourceFile) -> [Violation] {
        // The text after the last line break is no line.
        let count = file.text.hasSuffix("\n") ? file.lines.count - 1 : file.lines.count
        guard count > fileLines else { return [] }
        return [Violation(file, 0, "\(count) lines, at most \(fileLines)")]
    }

    static func longFunctions(_ file: SourceFile) -> [Violation] {
        functions(file).compactMap { first, last in
            let count = last - first + 1
            guard count > functionLines else { return nil }
            return Violation(file, first, "function of \(count) lines, at most \(functionLines)")
        }
    }

    /// First and last line of each function, from 1.
    static func functions(_ file: SourceFile) -> [(first: Int, last: Int)] {
        if file.isBash { return bashFunctions(file) }
        return file.isSwift ? swiftFunctions(file) : cFunctions(file)
    }

    private static func swiftFunctions(_ file: SourceFile) -> [(first: Int, last: Int)] {
        var found: [(first: Int, last: Int)] = []
        for (index, line) in file.code.enumerated() where isSwiftFunction(line) {
            if let last = endOfBody(file.code, from: index) { found.append((index + 1, last + 1)) }
        }
        return found
    }

    private static let modifiers: Set<Substring> = [
        "package", "public", "private", "fileprivate", "internal", "static", "final", "class",
        "override", "mutating", "consuming", "borrowing", "convenience", "required", "nonisolated",
        "@inline(__always)", "@discardableResult", "@safe", "@unsafe", "prefix", "infix",
    ]

    /// Whether a function, an initializer, a deinitializer or a subscript is declared here.
    private static func isSwiftFunction(_ line: Substring) -> Bool {
        let words = line.split(separator: " ").drop { modifiers.contains($0) }
        guard let word = words.first else { return false }
        return word == "func" || word == "deinit" || word.hasPrefix("init(")
            || word.hasPrefix("init?(") || word.hasPrefix("subscript(")
    }

    /// The line where the body that begins after this line's declaration ends; nil without a body.
    private static func endOfBody(_ code: [Substring], from first: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for index in first..<code.count {
            // A declaration that ends without a body: a requirement of a protocol.
            let isNext = index > first && isSwiftFunction(code[index])
            if braces == 0, parentheses == 0, isNext { return nil }
            for character in code[index] {
                switch character {
                case "(": parentheses += 1
                case ")": parentheses -= 1
                case "{" where parentheses == 0 || braces > 0: braces += 1
                case "}" where parentheses == 0 || braces > 0:
                    braces -= 1
                    if braces < 0 { return nil }
                    if braces == 0 { return index }
                default: break
                }
            }
        }
        return nil
    }

    private static func cFunctions(_ file: SourceFile) -> [(first: Int, last: Int)] {
        var found: [(first: Int, last: Int)] = []
        var header = ""
        var headerLine = 1
        var outer = 0
        var inner = 0
        var first = 0
        for (index, line) in file.code.enumerated() where !line.hasPrefix("#") {
            for character in line + "\n" {
                switch character {
                case "{" where inner > 0: inner += 1
                case "{":
                    if header.contains("("), !header.contains("=") {
                        inner = 1
                        first = headerLine
                    } else {
                        outer += 1
                    }
                    header = ""
                case "}" where inner > 0:
                    inner -= 1
                    if inner == 0 { found.append((first, index + 1)) }
                case "}":
                    outer -= 1
                    header = ""
                case ";" where inner == 0: header = ""
                default:
                    guard inner == 0 else { break }
                    if header.allSatisfy(\.isWhitespace), !character.isWhitespace {
                        header = ""
                        headerLine = index + 1
                    }
                    header.append(character)
                }
            }
        }
        return found
    }

    private static func bashFunctions(_ file: SourceFile) -> [(first: Int, last: Int)] {
        var found: [(first: Int, last: Int)] = []
        var first: Int?
        for (index, line) in file.lines.enumerated() {
            if line.hasSuffix("() {"), !line.hasPrefix(" ") { first = index + 1 }
            if line == "}", let start = first {
                found.append((start, index + 1))
                first = nil
            }
        }
        return found
    }
}
