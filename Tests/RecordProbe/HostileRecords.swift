package import MillraceTestKit

/// Values of records as nobody should send them, and good ones among them: nesting, numbers,
/// Unicode, keys that come twice, sizes, truncation, and changed bytes of all of these.
package struct HostileRecords {
    /// The fields of the benchmark's mapping and of Tests/Corpus: amount, hour, v2 ... v15.
    package static let benchNames = ["amount", "hour"] + (2...15).map { "v\($0)" }

    /// Names that mappings and prediction fields of the trials have; others are not asked for.
    private static let names =
        benchNames + [
            "score", "label", "ml", "name", "m", "tags", "d", "t", "n", "é", "x/y", "x~", "", "0",
            "text", "Score", "id", "\u{1F600}", "p69",
        ]
    private static let numbers = [
        "0", "-0", "0.0", "-0.0", "1", "-1", "1.5", "127", "128", "-128", "-129", "255", "256",
        "32768", "2147483647", "2147483648", "-2147483649", "4294967296", "9007199254740993",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808",
        "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1e0", "1E+3",
        "1e-3", "1.0e2", "0.1e1", "10e-1", "3.4028234663852886e38", "3.4028235677973366e38",
        "3.5e38", "1.401298464324817e-45", "7e-46", "1e-46", "5e-324", "2e-324", "1e-400",
        "1.7976931348623157e308", "1.7976931348623159e308", "1e308", "1e309", "-1e400",
        "1e99999999999999999999", "0e99999999999999999999", "1e-99999999999999999999",
        "0.1000000000000000055511151231257827", "123456789012345678901234567890.5e-3",
        "16777217", "16777216.999999999", "1.0000000596046448", "0.30000001192092896",
        // Not numbers of JSON.
        "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "1_0", "NaN", "Infinity", "-Infinity",
        "1.e1", "--1", "00", "1e1.5", "1ee1", "-01", "1 2", "١",
    ]
    private static let texts = [
        "", "a", "1", "-2.5", " 3", "1e2", "red", #"\""#, #"\\"#, #"\/\b\f\n\r\t"#, #"\u0000"#,
        #"\u0061"#, #"\ud83d\ude00"#, #"\uD800"#, #"\udc00\ud800"#, #"\ud800\u0061"#, #"\u12"#,
        #"\u12g4"#, #"\x41"#, #"\'"#, #"\"#, #"\ud83d\"#, #"\ud83d\ud83d"#, "é", "😀", "\u{fffd}",
        "\u{ffff}", "\u{10ffff}", "\u{7f}", "\u{85}", "\u{2028}", "e\u{301}", "\u{feff}",
        "}{][,:", "null", #"\\\""#, #"\\\\\\"#,
    ].map { Array($0.utf8) }
    /// Bytes that are no UTF-8, and ones that are no text.
    private static let broken: [[UInt8]] = [
        [0x00], [0x01], [0x0A], [0x1F], [0x7F], [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3],
        [0xE0, 0x80, 0x80], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
        [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF0, 0x9F, 0x98], [0xF8], [0xFE],
        [0xFF], [0xEF, 0xBB, 0xBF], [0xFF, 0xFE], [0xFE, 0xFF],
    ]
    private static let snippets: [[UInt8]] =
        [
            "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "null", "true", "1e400",
            "\\u", "\\ud800", "\\ud83d\\ude00", "\u{feff}", " ", "\n", "\u{0}", "\u{c}", "\u{1a}",
            "\u{a0}", "//", "é", ",,", "\"a\":1,", "\"score\":1,", "[]", "{}", "00", "E+5", "\\\"",
            "/*", "'", "\t", "}}", "]}", "\"\"",
        ].map { Array($0.utf8) } + [[0xFF], [0xC3], [0x80], [0xED, 0xA0, 0x80]]
    private static let spaces = ["", "", "", "", " ", "\n\t", " \r\n "].map { Array($0.utf8) }

    /// Values that are changed as well as those that are made: Tests/Corpus.
    private let seeds: [[UInt8]]
    private var random = SeededRandom(seed: 0)

    package init(seeds: [[UInt8]] = []) { self.seeds = seeds }

    /// The value of this number; the same for the same seed and seeds.
    package mutating func value(_ number: UInt64, seed: UInt64) -> [UInt8] {
        random = SeededRandom(seed: seed &* 0x2545_f491_4f6c_dd1d ^ number)
        _ = random.next()
        var value = made()
        if random.below(12) == 0 { value.removeSubrange(random.below(value.count)...) }
        if random.below(3) == 0 { change(&value) }
        return value
    }

    private mutating func made() -> [UInt8] {
        switch random.below(16) {
        case 0...3: Self.good(&random).value
        case 4...7: object(levels: 4)
        case 8: nested()
        case 9: sized()
        case 10: twice()
        case 11: aligned()
        case 12: bench(number: true)
        case 13: seeds.randomElement(using: &random) ?? object(levels: 2)
        case 14: bench(number: false)
        default: scalar() + space()
        }
    }

    /// A valid record of the benchmark's mapping with random shape, and its 16 features.
    package static func good(
        _ random: inout SeededRandom
    ) -> (value: [UInt8], features: [Float]) {
        func pad() -> String {
            String(decoding: spaces[random.below(spaces.count)], as: UTF8.self)
        }
        let others = [
            #""id":"tx-1""#, #""card":"c\u00e9\n""#,
            #""m":{"name":"Café №7","tags":[1,"b",null]}"#, #""e":[]"#, #""o":{}"#, #""t":true"#,
            #""n":null"#, #""big":12345678901234567890.5e-3"#, #""d":[[[{"amount":1}]]]"#,
            #""x\"y":"}{][,:\\""#, #""😀":"\ud83d\ude00""#,
        ]
        var fields: [String] = []
        var features: [Float] = []
        for name in benchNames {
            let value = (Double(random.next() % 2_000_000) - 1_000_000) / 10_000
            features.append(Float(value))
            fields.append("\"\(name)\"\(pad()):\(pad())\(value)\(pad())")
        }
        for other in others where random.next() % 3 == 0 { fields.append(pad() + other + pad()) }
        if random.next() % 2 == 0 { fields.shuffle(using: &random) }
        let text = "\(pad()){\(pad())\(fields.joined(separator: "," + pad()))}"
        return (Array(text.utf8), features)
    }

    // MARK: - Parts

    private mutating func space() -> [UInt8] { Self.spaces[random.below(Self.spaces.count)] }

    private mutating func key() -> [UInt8] {
        let name = Self.names[random.below(Self.names.count)]
        guard random.below(8) == 0, let first = name.utf8.first, first < 0x80 else {
            return string(Array(name.utf8))
        }
        // The same name in another spelling.
        let digits = String(first, radix: 16)
        let escaped = "\\u00" + (digits.count < 2 ? "0" : "") + digits
        return string(Array(escaped.utf8) + name.utf8.dropFirst())
    }

    private func string(_ inside: [UInt8]) -> [UInt8] { [0x22] + inside + [0x22] }

    private mutating func text() -> [UInt8] {
        var inside: [UInt8] = []
        for _ in 0...random.below(3) { inside += Self.texts[random.below(Self.texts.count)] }
        if random.below(10) == 0 { inside += Self.broken[random.below(Self.broken.count)] }
        return string(inside)
    }

    private mutating func number() -> [UInt8] {
        switch random.below(4) {
        case 0: Array("\(Double(bitPattern: random.next()))".utf8)
        case 1: Array("\(Int64(bitPattern: random.next()) >> Int64(random.below(64)))".utf8)
        default: Array(Self.numbers[random.below(Self.numbers.count)].utf8)
        }
    }

    private mutating func scalar() -> [UInt8] {
        switch random.below(8) {
        case 0: Array("null".utf8)
        case 1: Array("true".utf8)
        case 2: Array("false".utf8)
        case 3, 4: text()
        default: number()
        }
    }

    private mutating func element(levels: Int) -> [UInt8] {
        guard levels > 0, random.below(3) == 0 else { return scalar() }
        return random.below(2) == 0 ? object(levels: levels - 1) : list(levels: levels - 1)
    }

    private mutating func object(levels: Int) -> [UInt8] {
        var bytes = space() + [0x7B]
        let count = random.below(random.below(20) == 0 ? 90 : 6)
        for index in 0..<count {
            if index > 0 { bytes.append(0x2C) }
            bytes += space() + key() + space() + [0x3A] + space() + element(levels: levels)
        }
        return bytes + space() + [0x7D] + space()
    }

    private mutating func list(levels: Int) -> [UInt8] {
        var bytes = [UInt8(ascii: "[")]
        let count = random.below(5)
        for index in 0..<count {
            if index > 0 { bytes.append(0x2C) }
            bytes += space() + element(levels: levels) + space()
        }
        return bytes + [UInt8(ascii: "]")]
    }

    // MARK: - Shapes

    /// The benchmark's record; one of its fields has a number or anything else.
    private mutating func bench(number isNumber: Bool) -> [UInt8] {
        let odd = random.below(Self.benchNames.count)
        var bytes: [UInt8] = [0x7B]
        for (index, name) in Self.benchNames.enumerated() {
            if index > 0 { bytes.append(0x2C) }
            bytes += string(Array(name.utf8)) + [0x3A]
            if index == odd {
                bytes += isNumber ? number() : element(levels: 2)
            } else {
                bytes += Array("\(random.below(1000)).25".utf8)
            }
        }
        return bytes + [0x7D]
    }

    private mutating func nested() -> [UInt8] {
        let limits = [3, 62, 63, 64, 65, 66, 200, 511, 513]
        var levels = limits[random.below(limits.count)]
        if random.below(200) == 0 { levels = 100_000 }
        var open: [UInt8] = []
        var close: [UInt8] = []
        let start = string(Array(Self.names[random.below(Self.names.count)].utf8)) + [0x3A]
        for level in 0..<levels {
            if level == 0 || random.below(2) == 0 {
                open += [0x7B] + start
                close.append(0x7D)
            } else {
                open.append(UInt8(ascii: "["))
                close.append(UInt8(ascii: "]"))
            }
        }
        let rest = random.below(8) == 0 ? random.below(close.count) : close.count
        return open + scalar() + close.reversed().prefix(rest)
    }

    /// Long texts, names and numbers, many fields, much white space.
    private mutating func sized() -> [UInt8] {
        let isLarge = random.below(40) == 0
        let count = random.below(isLarge ? 70_000 : 3_000)
        var bytes: [UInt8] = [0x7B]
        switch random.below(6) {
        case 0:
            bytes += string(Array(repeating: 0x61, count: count)) + [0x3A] + scalar()
        case 1:
            let inside = Self.texts[random.below(Self.texts.count)]
            let times = min(count / max(inside.count, 1), 20_000)
            bytes += key() + [0x3A] + string(Array(repeatElement(inside, count: times).joined()))
        case 2:
            let digits = [1022, 1023, 1024, 1025, 1026, count + 1][random.below(6)]
            bytes += key() + [0x3A, 0x31] + Array(repeating: 0x30, count: digits - 1)
        case 3:
            bytes += key() + Array(repeating: 0x20, count: count) + [0x3A] + scalar()
        case 4:
            for index in 0..<(count / 20) {
                if index > 0 { bytes.append(0x2C) }
                bytes += string(Array("f\(index)".utf8)) + [0x3A] + Array("\(index)".utf8)
            }
        default:
            bytes += key() + [0x3A, UInt8(ascii: "[")]
            for index in 0..<(count / 4) {
                if index > 0 { bytes.append(0x2C) }
                bytes += scalar()
            }
            bytes.append(UInt8(ascii: "]"))
        }
        return bytes + [0x7D]
    }

    /// A good record in which some fields come again, the same way or spelled with an escape.
    private mutating func twice() -> [UInt8] {
        var value = Self.good(&random).value
        guard let end = value.lastIndex(of: 0x7D) else { return value }
        var more: [UInt8] = []
        for _ in 0...random.below(3) { more += [0x2C] + key() + [0x3A] + element(levels: 1) }
        value.insert(contentsOf: more, at: end)
        return value
    }

    /// A mark, a quote or an escape at the edge of a parser's block of 64 bytes.
    private mutating func aligned() -> [UInt8] {
        var head = [0x7B] + key() + [0x3A]
        let isText = random.below(2) == 0
        let edge = 64 * (1 + random.below(4)) + random.below(5) - 2
        let inside = Self.texts[random.below(Self.texts.count)]
        head += isText ? [0x22] : space()
        let filler: UInt8 = isText ? [0x61, 0x5C, 0x20][random.below(3)] : 0x20
        while head.count < edge { head.append(filler) }
        return head + (isText ? inside + [0x22] : scalar()) + [0x7D] + space()
    }

    // MARK: - Changes

    /// What text is likely to suffer, and parsers are likely to miss.
    private mutating func change(_ bytes: inout [UInt8]) {
        for _ in 0...random.below(3) {
            if bytes.isEmpty { bytes = [0x7B] }
            let at = random.below(bytes.count)
            let count = min(random.below(3) + 1, bytes.count - at)
            switch random.below(7) {
            case 0: bytes.removeSubrange(at..<(at + count))
            case 1: bytes[at] = UInt8(truncatingIfNeeded: random.next())
            case 2:
                bytes.insert(contentsOf: Self.snippets[random.below(Self.snippets.count)], at: at)
            case 3:
                bytes.replaceSubrange(
                    at..<(at + count), with: Self.snippets[random.below(Self.snippets.count)])
            case 4:
                bytes.insert(contentsOf: Self.broken[random.below(Self.broken.count)], at: at)
            case 5: bytes[at] ^= 1 << UInt8(random.below(8))
            default: bytes.swapAt(at, random.below(bytes.count))
            }
        }
    }
}
