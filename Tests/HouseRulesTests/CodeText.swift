/// Source text without what only looks like code.
enum CodeText {
    /// Blanks comments and the contents of string literals, keeps line breaks. What stands in an
    /// interpolation is code and stays. Good enough for Swift and C as this project writes them: no
    /// regular expression literals, no nested block comments.
    static func strip(_ text: String) -> String {
        var scanner = Scanner(Array(text.utf8))
        scanner.run()
        return String(decoding: scanner.output, as: UTF8.self)
    }

    private struct Scanner {
        private let input: [UInt8]
        private(set) var output: [UInt8] = []
        private var at = 0
        /// Open strings with an interpolation inside, innermost last.
        private var open: [(literal: Literal, depth: Int)] = []
        private var depth = 0

        private struct Literal {
            let hashes: Int
            let isMultiline: Bool
            let quote: UInt8
        }

        init(_ input: [UInt8]) {
            self.input = input
            output.reserveCapacity(input.count)
        }

        mutating func run() {
            while at < input.count {
                let byte = input[at]
                if starts("//") {
                    while at < input.count, input[at] != UInt8(ascii: "\n") { blank() }
                } else if starts("/*") {
                    while at < input.count, !starts("*/") { blank() }
                    for _ in 0..<2 where at < input.count { blank() }
                } else if let literal = literalStart() {
                    readString(literal)
                } else {
                    if byte == UInt8(ascii: "(") { depth += 1 }
                    if byte == UInt8(ascii: ")") {
                        depth -= 1
                        if let last = open.last, last.depth == depth {
                            open.removeLast()
                            take()
                            readString(last.literal)
                            continue
                        }
                    }
                    take()
                }
            }
        }

        /// A string or, as C has them, a character begins here: its marks are taken.
        private mutating func literalStart() -> Literal? {
            var hashes = 0
            while at + hashes < input.count, input[at + hashes] == UInt8(ascii: "#") { hashes += 1 }
            guard at + hashes < input.count else { return nil }
            let quote = input[at + hashes]
            let isCharacter = quote == UInt8(ascii: "'") && hashes == 0 && isCharacterLiteral()
            guard quote == UInt8(ascii: "\"") || isCharacter else { return nil }
            for _ in 0..<hashes { take() }
            let isMultiline = starts("\"\"\"")
            for _ in 0..<(isMultiline ? 3 : 1) { take() }
            return Literal(hashes: hashes, isMultiline: isMultiline, quote: quote)
        }

        /// `'x'` or `'\x'`, and not the separator of a number's digits.
        private func isCharacterLiteral() -> Bool {
            guard at + 2 < input.count else { return false }
            return input[at + 2] == UInt8(ascii: "'") || input[at + 1] == UInt8(ascii: "\\")
        }

        private mutating func readString(_ literal: Literal) {
            let marks = [UInt8](repeating: UInt8(ascii: "#"), count: literal.hashes)
            let quotes = [UInt8](repeating: literal.quote, count: literal.isMultiline ? 3 : 1)
            let escape = [UInt8(ascii: "\\")] + marks
            while at < input.count {
                if starts(escape + [UInt8(ascii: "(")]), literal.quote == UInt8(ascii: "\"") {
                    for _ in escape { blank() }
                    open.append((literal, depth))
                    depth += 1
                    take()
                    return
                }
                if starts(escape) {
                    for _ in 0...escape.count where at < input.count { blank() }
                } else if starts(quotes + marks) {
                    for _ in quotes + marks { take() }
                    return
                } else {
                    if input[at] == UInt8(ascii: "\n"), !literal.isMultiline { return }
                    blank()
                }
            }
        }

        private func starts(_ text: StaticString) -> Bool { starts(Array("\(text)".utf8)) }

        private func starts(_ bytes: [UInt8]) -> Bool {
            at + bytes.count <= input.count
                && bytes.indices.allSatisfy { input[at + $0] == bytes[$0] }
        }

        private mutating func take() {
            output.append(input[at])
            at += 1
        }

        private mutating func blank() {
            output.append(input[at] == UInt8(ascii: "\n") ? input[at] : UInt8(ascii: " "))
            at += 1
        }
    }
}
