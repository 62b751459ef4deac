import MillraceTestKit

/// Damages model files: as a bad disk or a cut copy would, and as somebody would who knows the
/// format, so that what comes out gets past the first checks.
struct Mutator {
    /// How the numbers of a file are written.
    enum Form { case text, binaryJSON, protobuf }

    struct File {
        let bytes: [UInt8]
        let form: Form
        /// Of a protobuf file; else empty.
        let fields: [WireField]
    }

    private let files: [File]
    private var random = SeededRandom(seed: 0)

    init(_ files: [[UInt8]]) {
        self.files = files.map { bytes in
            let fields = WireField.parse(bytes[...]) ?? []
            let isText = !bytes.contains(0)
            return File(
                bytes: bytes,
                form: isText ? .text : bytes.first == UInt8(ascii: "{") ? .binaryJSON : .protobuf,
                fields: isText ? [] : fields)
        }
    }

    /// The mutant of this number; the same for the same files and seed.
    mutating func mutant(_ number: UInt64, seed: UInt64) -> [UInt8] {
        random = SeededRandom(seed: seed &* 0x2545_f491_4f6c_dd1d ^ number)
        _ = random.next()
        // Of two files the smaller: more mutants in the time.
        let (a, b) = (below(files.count), below(files.count))
        let file = files[a].bytes.count < files[b].bytes.count ? files[a] : files[b]
        var bytes = file.bytes
        if file.form == .protobuf, !file.fields.isEmpty, chance(2, of: 3) {
            var fields = file.fields
            let other = files[below(files.count)].fields
            for _ in 0...below(3) {
                WireField.mutate(&fields, donors: other, &random)
            }
            bytes = WireField.encode(fields)
            if chance(3, of: 4) { return bytes }
        }
        for _ in 0...below(chance(1, of: 2) ? 1 : 4) where !bytes.isEmpty {
            switch file.form {
            case _ where chance(1, of: 4): changeBytes(&bytes)
            case .text: changeText(&bytes)
            case .binaryJSON: changeLists(&bytes)
            case .protobuf: changeWord(&bytes)
            }
        }
        return bytes
    }

    private mutating func below(_ limit: Int) -> Int {
        limit > 1 ? Int.random(in: 0..<limit, using: &random) : 0
    }

    private mutating func chance(_ some: Int, of all: Int) -> Bool { below(all) < some }

    private mutating func byte() -> UInt8 { UInt8.random(in: 0...255, using: &random) }

    /// What no knowledge of the format is needed for.
    private mutating func changeBytes(_ bytes: inout [UInt8]) {
        let place = below(bytes.count)
        let end = min(bytes.count, place + 1 + below(chance(1, of: 8) ? 4000 : 60))
        switch below(8) {
        case 0: bytes[place] = byte()
        case 1: bytes[place] ^= 1 << UInt8(below(8))
        case 2: bytes.insert(byte(), at: place)
        case 3: bytes.removeSubrange(place..<end)
        case 4: bytes.insert(contentsOf: Array(bytes[place..<end]), at: below(bytes.count))
        case 5 where chance(1, of: 3): bytes.removeSubrange(place...)
        case 6:
            // What stands there in another file.
            let other = files[below(files.count)].bytes
            let from = below(other.count)
            let piece = other[from..<min(other.count, from + end - place)]
            bytes.replaceSubrange(place..<end, with: piece)
        case 7 where chance(1, of: 3):
            // The end of another file.
            let other = files[below(files.count)].bytes
            bytes.replaceSubrange(place..., with: other[min(place, other.count)...])
        default: bytes[place] = byte()
        }
    }

    // MARK: - Text

    private static let marks = Array("0123456789-+.,:=[]{}\"\\ \n\reENnulltrufasi".utf8)
    private static let numbers = [
        "0", "-1", "1", "2", "3", "-2", "127", "255", "256", "32767", "65535", "65536", "4194304",
        "16777217", "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295",
        "4294967296", "9007199254740993", "9223372036854775807", "-9223372036854775808",
        "18446744073709551615", "99999999999999999999", "0.5", "-0.0", "1e-45", "1e-320",
        "3.4028235e38", "3.4028236e38", "1.7976931348623157e308", "1e309", "-1e400", "1E-400",
        "NaN", "nan", "Infinity", "-Infinity", "inf", "null", "true", "\"\"", "[]", "{}",
    ].map { Array($0.utf8) }

    private mutating func changeText(_ bytes: inout [UInt8]) {
        switch below(8) {
        case 0: bytes[below(bytes.count)] = Self.marks.randomElement(using: &random) ?? 0
        case 1: bytes.insert(Self.marks.randomElement(using: &random) ?? 0, at: below(bytes.count))
        case 2:
            // A digit.
            let number = number(bytes, near: below(bytes.count))
            guard !number.isEmpty else { return }
            bytes[number.lowerBound + below(number.count)] = UInt8(ascii: "0") + UInt8(below(10))
        case 3: changePiece(&bytes)
        default: changeNumber(&bytes)
        }
    }

    /// A number becomes one that is special, or one that stands elsewhere.
    private mutating func changeNumber(_ bytes: inout [UInt8]) {
        let number = number(bytes, near: below(bytes.count))
        guard !number.isEmpty else { return }
        switch below(4) {
        case 0:
            bytes.replaceSubrange(number, with: Self.numbers.randomElement(using: &random) ?? [])
        case 1:
            let other = self.number(bytes, near: below(bytes.count))
            bytes.replaceSubrange(number, with: Array(bytes[other]))
        case 2:
            let near = max(0, number.lowerBound - 200) + below(400)
            let other = self.number(bytes, near: min(near, bytes.count - 1))
            bytes.replaceSubrange(number, with: Array(bytes[other]))
        default:
            let text = String(decoding: bytes[number], as: UTF8.self)
            guard let value = Int(text) else { return }
            bytes.replaceSubrange(number, with: Array("\(value &+ below(5) &- 2)".utf8))
        }
    }

    private func isNumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "e"),
            UInt8(ascii: "E"):
            true
        default: false
        }
    }

    /// The first number behind the place; empty where none is near.
    private func number(_ bytes: [UInt8], near place: Int) -> Range<Int> {
        var start = place
        let end = min(bytes.count, place + 2000)
        while start < end, !(0x30...0x39).contains(bytes[start]) { start += 1 }
        var stop = start
        while start > 0, isNumeric(bytes[start - 1]) { start -= 1 }
        while stop < bytes.count, isNumeric(bytes[stop]) { stop += 1 }
        return stop > place && start < stop ? start..<stop : place..<place
    }

    /// A piece between separators goes, comes twice, or changes places with another one.
    private mutating func changePiece(_ bytes: inout [UInt8]) {
        let marks = [",", "\n", " ", "{", "["].map { Array($0.utf8)[0] }
        let mark = marks.randomElement(using: &random) ?? 0
        let place = below(bytes.count)
        guard let start = bytes[place...].firstIndex(of: mark), start + 1 < bytes.count,
            let end = bytes[(start + 1)...].firstIndex(of: mark)
        else { return }
        switch below(3) {
        case 0: bytes.removeSubrange(start..<end)
        case 1: bytes.insert(contentsOf: Array(bytes[start..<end]), at: start)
        default:
            let piece = Array(bytes[start..<end])
            let other = below(bytes.count)
            guard let to = bytes[other...].firstIndex(of: mark) else { return }
            bytes.insert(contentsOf: piece, at: to)
        }
    }

    // MARK: - Binary

    private static let words: [UInt64] = [
        0, 1, 2, 3, 7, 127, 128, 255, 256, 32767, 65535, 65536, 1 << 22, 1 << 24, 1 << 31 - 1,
        1 << 31, 1 << 32 - 1, 1 << 32, 1 << 53 + 1, 1 << 63 - 1, 1 << 63, .max, .max - 1,
        0x7fc0_0000, 0x7f80_0000, 0xff80_0000, 0x8000_0000, 0x7ff8_0000_0000_0000,
        0x7ff0_0000_0000_0000, 0x3f80_0000,
    ]

    private mutating func word(_ bytes: [UInt8]) -> UInt64 {
        if chance(1, of: 2) { return Self.words.randomElement(using: &random) ?? 0 }
        return chance(1, of: 2) ? UInt64(below(300)) : random.next()
    }

    /// 1, 2, 4 or 8 bytes in either order.
    private mutating func changeWord(_ bytes: inout [UInt8]) {
        let size = min(1 << below(4), bytes.count)
        let place = below(bytes.count - size + 1)
        let isBig = chance(1, of: 2)
        set(&bytes, place, size, word(bytes), isBig: isBig)
    }

    private func set(
        _ bytes: inout [UInt8], _ place: Int, _ size: Int, _ word: UInt64, isBig: Bool
    ) {
        for index in 0..<size where place + index < bytes.count {
            let shift = UInt64(8 * (isBig ? size - 1 - index : index))
            bytes[place + index] = UInt8(truncatingIfNeeded: word >> shift)
        }
    }

    /// UBJSON's lists of one type: an element, two elements, or the count and the bytes with it.
    private mutating func changeLists(_ bytes: inout [UInt8]) {
        let place = below(bytes.count)
        guard chance(3, of: 4),
            let start = bytes.indices[place...].first(where: {
                $0 + 13 < bytes.count && bytes[$0] == UInt8(ascii: "[")
                    && bytes[$0 + 1] == UInt8(ascii: "$") && bytes[$0 + 3] == UInt8(ascii: "#")
                    && bytes[$0 + 4] == UInt8(ascii: "L")
            })
        else { return changeWord(&bytes) }
        let sizes: [UInt8: Int] = [
            UInt8(ascii: "d"): 4, UInt8(ascii: "l"): 4, UInt8(ascii: "L"): 8, UInt8(ascii: "D"): 8,
            UInt8(ascii: "I"): 2,
        ]
        let size = sizes[bytes[start + 2]] ?? 1
        let first = start + 13
        let count = bytes[(start + 5)..<first].reduce(0) { $0 << 8 | Int($1) }
        guard count > 0, count <= (bytes.count - first) / size else { return changeWord(&bytes) }
        let element = first + below(count) * size
        let other = first + below(count) * size
        switch below(6) {
        case 0:
            bytes.removeSubrange(element..<element + size)
            set(&bytes, start + 5, 8, UInt64(count - 1), isBig: true)
        case 1:
            bytes.insert(contentsOf: Array(bytes[element..<element + size]), at: other)
            set(&bytes, start + 5, 8, UInt64(count + 1), isBig: true)
        case 2:
            let marks = Array("dDlLiIUSCTFZN[{$#".utf8)
            bytes[start + 2] = marks.randomElement(using: &random) ?? 0
        case 3: set(&bytes, start + 5, 8, word(bytes), isBig: true)
        case 4:
            for index in 0..<size { bytes.swapAt(element + index, other + index) }
        default: set(&bytes, element, size, word(bytes), isBig: true)
        }
    }
}
