/// Walks through a JSON text without building a tree: who visits an object takes the values it
/// wants, the others are skipped. For librdkafka's own statistics; text of strangers is
/// MillraceFormats' part. Never reads behind the end and never recurses; a text that is cut off or
/// no JSON gives less, and `isBroken`.
struct JSONWalker {
    private let bytes: [UInt8]
    private var place = 0
    /// The text ended, or held something else, where a value had to be.
    private(set) var isBroken = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Calls `visit` for each member of the object that stands here, which may read the member's
    /// value with the walker it gets. Anything but an object is skipped.
    mutating func members(_ visit: (String, inout JSONWalker) -> Void) {
        guard next() == UInt8(ascii: "{") else { return skip() }
        place += 1
        while !isBroken {
            switch next() {
            case UInt8(ascii: "}"):
                place += 1
                return
            case UInt8(ascii: ","): place += 1
            case UInt8(ascii: "\""):
                let name = text()
                guard next() == UInt8(ascii: ":") else { return fail() }
                place += 1
                let start = place
                visit(name, &self)
                if place == start { skip() }
            default: return fail()
            }
        }
    }

    /// The whole part of the number that stands here; nil for anything else and for one that is
    /// too large.
    mutating func integer() -> Int64? {
        guard let first = next(), first == UInt8(ascii: "-") || isDigit(first) else {
            skip()
            return nil
        }
        let start = place
        skip()
        let word = bytes[start..<place].prefix { $0 == UInt8(ascii: "-") || isDigit($0) }
        return Int64(String(decoding: word, as: UTF8.self))
    }

    /// The text that stands here, escapes as they are written; empty for anything else.
    mutating func text() -> String {
        guard next() == UInt8(ascii: "\"") else {
            skip()
            return ""
        }
        let start = place + 1
        skip()
        return String(decoding: bytes[start..<max(start, place - 1)], as: UTF8.self)
    }

    /// Goes behind the value that stands here.
    private mutating func skip() {
        var depth = 0
        repeat {
            switch next() {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                place += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                place += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"): place += 1
            case UInt8(ascii: "\""): skipText()
            case nil: return fail()
            default: skipWord()
            }
        } while depth > 0
    }

    private mutating func skipText() {
        place += 1
        while place < bytes.count {
            let byte = bytes[place]
            place += byte == UInt8(ascii: "\\") ? 2 : 1
            if byte == UInt8(ascii: "\"") { return }
        }
        fail()
    }

    /// A number, true, false or null.
    private mutating func skipWord() {
        while place < bytes.count, !Self.ends.contains(bytes[place]) { place += 1 }
    }

    private static let ends = Array(" \t\r\n,:{}[]\"".utf8)

    /// The next byte that is no space; nil at the end.
    private mutating func next() -> UInt8? {
        while place < bytes.count, bytes[place] <= UInt8(ascii: " ") { place += 1 }
        return place < bytes.count ? bytes[place] : nil
    }

    private mutating func fail() {
        isBroken = true
        place = bytes.count
    }

    private func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
