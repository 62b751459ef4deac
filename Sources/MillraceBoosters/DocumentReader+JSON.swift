/// JSON as RFC 8259 has it, with NaN and Infinity.
extension DocumentReader {
    mutating func skipBlanks() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0a, 0x0d, 0x09: position += 1
            default: return
            }
        }
    }

    /// The next byte that is not blank; the position stays on it.
    private mutating func ahead() throws(DocumentError) -> UInt8 {
        skipBlanks()
        guard position < bytes.count else { throw cutShort }
        return bytes[position]
    }

    mutating func jsonKind() throws(DocumentError) -> Kind {
        switch try ahead() {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .text
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .truth
        case UInt8(ascii: "n"): return has("null", at: position) ? .null : .number
        default: return .number
        }
    }

    private func has(_ word: StaticString, at place: Int) -> Bool {
        let count = word.utf8CodeUnitCount
        guard bytes.count - place >= count else { return false }
        return word.withUTF8Buffer { unsafe bytes[place..<place + count].elementsEqual($0) }
    }

    mutating func jsonBegin(_ mark: UInt8) throws(DocumentError) {
        guard try ahead() == mark else {
            throw failure("expected '\(Character(Unicode.Scalar(mark)))'")
        }
        position += 1
        try push(Frame())
    }

    mutating func jsonNextElement() throws(DocumentError) -> Bool {
        guard let top = frames.indices.last else { return false }
        let byte = try ahead()
        if byte == UInt8(ascii: "]") {
            position += 1
            frames.removeLast()
            return false
        }
        if frames[top].isFirst {
            frames[top].isFirst = false
            return true
        }
        guard byte == UInt8(ascii: ",") else { throw failure("expected ',' or ']'") }
        position += 1
        return true
    }

    mutating func jsonNextKey() throws(DocumentError) -> String? {
        guard let top = frames.indices.last else { return nil }
        let byte = try ahead()
        if byte == UInt8(ascii: "}") {
            position += 1
            frames.removeLast()
            return nil
        }
        if frames[top].isFirst {
            frames[top].isFirst = false
        } else {
            guard byte == UInt8(ascii: ",") else { throw failure("expected ',' or '}'") }
            position += 1
        }
        let key = try jsonText()
        guard try ahead() == UInt8(ascii: ":") else { throw failure("expected ':'") }
        position += 1
        return key
    }

    // MARK: Texts

    mutating func jsonText() throws(DocumentError) -> String {
        guard try ahead() == UInt8(ascii: "\"") else { throw failure("expected a text") }
        let start = position + 1
        var place = start
        var hasEscape = false
        while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
            guard bytes[place] >= 0x20 else {
                throw failure("a control character in a text", at: place)
            }
            if bytes[place] == UInt8(ascii: "\\") {
                hasEscape = true
                place += 1
            }
            place += 1
        }
        guard place < bytes.count else { throw cutShort }
        let raw = hasEscape ? try unescaped(start..<place)[...] : bytes[start..<place]
        guard let text = String(validating: raw, as: UTF8.self) else {
            throw failure("a text that is not UTF-8", at: start)
        }
        position = place + 1
        return text
    }

    private func unescaped(_ range: Range<Int>) throws(DocumentError) -> [UInt8] {
        var result: [UInt8] = []
        var place = range.lowerBound
        while place < range.upperBound {
            let byte = bytes[place]
            place += 1
            guard byte == UInt8(ascii: "\\"), place < range.upperBound else {
                result.append(byte)
                continue
            }
            let letter = bytes[place]
            place += 1
            switch letter {
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0c)
            case UInt8(ascii: "n"): result.append(0x0a)
            case UInt8(ascii: "r"): result.append(0x0d)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(letter)
            case UInt8(ascii: "u"):
                result.append(contentsOf: String(try scalar(&place, in: range)).utf8)
            default: throw failure("an unknown escape in a text", at: place - 1)
            }
        }
        return result
    }

    private func scalar(
        _ place: inout Int, in range: Range<Int>
    ) throws(DocumentError) -> Character {
        let start = place
        guard var code = unit(&place, in: range) else {
            throw failure("four hexadecimal digits expected", at: start)
        }
        if code & 0xfc00 == 0xd800 {
            guard range.upperBound - place >= 6, has("\\u", at: place) else {
                throw failure("half of a surrogate pair", at: start)
            }
            place += 2
            guard let low = unit(&place, in: range), low & 0xfc00 == 0xdc00 else {
                throw failure("half of a surrogate pair", at: start)
            }
            code = 0x10000 + (code & 0x3ff) << 10 + low & 0x3ff
        }
        guard let scalar = Unicode.Scalar(code) else {
            throw failure("half of a surrogate pair", at: start)
        }
        return Character(scalar)
    }

    private func unit(_ place: inout Int, in range: Range<Int>) -> UInt32? {
        guard range.upperBound - place >= 4 else { return nil }
        var code: UInt32 = 0
        for byte in bytes[place..<place + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                return nil
            }
            code = code << 4 | UInt32(digit)
        }
        place += 4
        return code
    }

    // MARK: Numbers

    private mutating func decimal() throws(DocumentError) -> DecimalText {
        _ = try ahead()
        var place = position
        guard let decimal = DecimalText(bytes, &place) else { throw failure("expected a number") }
        position = place
        return decimal
    }

    mutating func jsonInteger() throws(DocumentError) -> Int64 {
        let byte = try ahead()
        if byte == UInt8(ascii: "t") || byte == UInt8(ascii: "f") { return try truth() ? 1 : 0 }
        let start = position
        guard let value = try decimal().integer else {
            throw failure("a number that is not whole, or too large", at: start)
        }
        return value
    }

    private mutating func truth() throws(DocumentError) -> Bool {
        if has("true", at: position) {
            position += 4
            return true
        }
        guard has("false", at: position) else { throw failure("expected true or false") }
        position += 5
        return false
    }

    mutating func jsonDouble() throws(DocumentError) -> Double {
        let decimal = try decimal()
        guard let value = decimal.double(bytes) else { throw failure("a number out of range") }
        return value
    }

    mutating func jsonFloat() throws(DocumentError) -> Float {
        let decimal = try decimal()
        guard let value = decimal.float(bytes) else { throw failure("a number out of range") }
        return value
    }

    /// Numbers up to the end of the array, each made by `make`.
    @inline(__always)
    private mutating func list<Number>(
        into list: inout [Number], _ make: (DecimalText, [UInt8]) -> Number?
    ) throws(DocumentError) {
        guard try ahead() == UInt8(ascii: "[") else { throw failure("expected a list of numbers") }
        position += 1
        guard try ahead() != UInt8(ascii: "]") else {
            position += 1
            return
        }
        let bytes = bytes
        while true {
            if try ahead() == UInt8(ascii: "t") || bytes[position] == UInt8(ascii: "f") {
                var place = 0
                guard let bit = DecimalText(try truth() ? [0x31] : [0x30], &place),
                    let number = make(bit, [])
                else { throw failure("expected a number") }
                list.append(number)
            } else {
                let start = position
                guard let decimal = DecimalText(bytes, &position) else {
                    throw failure("expected a number")
                }
                guard let number = make(decimal, bytes) else {
                    throw failure("a number that is out of range, or not whole", at: start)
                }
                list.append(number)
            }
            let byte = try ahead()
            position += 1
            if byte == UInt8(ascii: "]") { return }
            guard byte == UInt8(ascii: ",") else {
                throw failure("expected ',' or ']'", at: position - 1)
            }
        }
    }

    mutating func jsonFloats(into list: inout [Float]) throws(DocumentError) {
        try self.list(into: &list) { decimal, bytes in decimal.float(bytes) }
    }

    mutating func jsonDoubles(into list: inout [Double]) throws(DocumentError) {
        try self.list(into: &list) { decimal, bytes in decimal.double(bytes) }
    }

    mutating func jsonIntegers(into list: inout [Int32]) throws(DocumentError) {
        try self.list(into: &list) { decimal, _ in decimal.integer.flatMap { Int32(exactly: $0) } }
    }

    // MARK: The rest

    mutating func jsonSkip() throws(DocumentError) {
        switch try jsonKind() {
        case .text: _ = try skipText()
        case .number: _ = try decimal()
        case .truth: _ = try truth()
        case .null: position += 4
        case .object, .array: try skipNested()
        }
    }

    /// Moves behind a text without looking into it.
    private mutating func skipText() throws(DocumentError) {
        let bytes = bytes
        var place = position + 1
        while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
            place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard place < bytes.count else { throw cutShort }
        position = place + 1
    }

    /// Only looks for brackets: what is between them stays unread.
    private mutating func skipNested() throws(DocumentError) {
        let bytes = bytes
        var open: [UInt8] = []
        repeat {
            var place = position
            while place < bytes.count, !Self.isMark[Int(bytes[place])] { place += 1 }
            position = place
            guard place < bytes.count else { throw cutShort }
            switch bytes[place] {
            case UInt8(ascii: "\""):
                try skipText()
                continue
            case UInt8(ascii: "{"): open.append(UInt8(ascii: "}"))
            case UInt8(ascii: "["): open.append(UInt8(ascii: "]"))
            default:
                guard open.popLast() == bytes[place] else { throw failure("a bracket too many") }
            }
            guard open.count + frames.count <= Self.depthLimit else {
                throw failure("nested deeper than \(Self.depthLimit) levels")
            }
            position += 1
        } while !open.isEmpty
    }

    /// Whether the byte is a quote or bracket.
    private static let isMark: [Bool] = (0..<256).map { byte in
        "\"{}[]".utf8.contains(UInt8(byte))
    }
}
