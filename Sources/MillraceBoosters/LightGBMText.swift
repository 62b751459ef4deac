import Glibc
import MillraceCore
import MillraceTrees

/// What is wrong with a LightGBM file, and where.
struct LightGBMError: Error, Equatable {
    enum Kind: Equatable {
        /// The file is damaged, or was never a model.
        case invalid
        /// The file is sound, but Millrace cannot run it.
        case unsupported
        /// The system did not give its bytes; `what` names the file.
        case unreadable
    }

    /// From 1.
    let line: Int
    /// One line, lower case.
    let what: String
    let kind: Kind

    init(line: Int, _ what: String, _ kind: Kind = .invalid) {
        self.line = line
        self.what = what
        self.kind = kind
    }
}

/// A `key=value` line: where the value lies in the text's window.
struct LightGBMValue: Equatable {
    let line: Int
    let range: Range<Int>
}

/// Reads a LightGBM file line by line; line ends are LF or CR LF.
///
/// Only a window of the file is in memory: what has been read since `forget`, and some more. All
/// ranges are places in the window, and hold until then.
struct LightGBMText {
    /// The window.
    private(set) var bytes: [UInt8]
    /// Bytes of the whole file.
    let size: Int
    /// Of the next line, in the window.
    private var position = 0
    /// Bytes of the file before the window.
    private var forgotten = 0
    /// Of the line that `next` returned last, from 1.
    private(set) var line = 0
    /// Bytes that the window had at most.
    private(set) var widest = 0
    /// Carriage returns at line ends so far: the sizes in the file do not count them.
    private(set) var returns = 0
    /// Nil where the window is all there is.
    private let stream: ModelStream?
    private let piece: Int

    /// A file that is in memory as a whole, or its head.
    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        size = bytes.count
        stream = nil
        piece = 0
    }

    /// - Parameter piece: bytes that are read at a time; another number is for tests.
    init(_ stream: ModelStream, piece: Int = 1 << 20) {
        bytes = []
        size = stream.size
        self.stream = stream
        self.piece = piece
    }

    /// Of the next line, in the file.
    var offset: Int { forgotten + position }

    /// Ends all ranges so far: the window may begin with the next line.
    mutating func forget() {
        // What moves is at most a piece and the line that is looked at.
        guard position >= piece, stream != nil else { return }
        bytes.removeSubrange(..<position)
        forgotten += position
        position = 0
    }

    /// The next line without its end; nil behind the last one.
    mutating func next() throws(LightGBMError) -> Range<Int>? {
        guard let range = try peek() else { return nil }
        position = range.upperBound
        line += 1
        if position < bytes.count, bytes[position] == UInt8(ascii: "\r") {
            position += 1
            returns += 1
        }
        if position < bytes.count { position += 1 }
        return range
    }

    /// The next line, without passing it.
    mutating func peek() throws(LightGBMError) -> Range<Int>? {
        var searched = position
        while true {
            if let end = find(UInt8(ascii: "\n"), in: searched..<bytes.count) {
                return nextLine(endingAt: end)
            }
            searched = bytes.count
            guard try widen() else { break }
        }
        return position < bytes.count ? nextLine(endingAt: bytes.count) : nil
    }

    private func nextLine(endingAt end: Int) -> Range<Int> {
        let isWindows = end > position && bytes[end - 1] == UInt8(ascii: "\r")
        return position..<(isWindows ? end - 1 : end)
    }

    /// Reads a piece more; false at the file's end.
    private mutating func widen() throws(LightGBMError) -> Bool {
        guard let stream else { return false }
        do throws(ModelError) {
            defer { widest = max(widest, bytes.count) }
            return try stream.append(piece, to: &bytes) > 0
        } catch {
            throw LightGBMError(line: line + 1, error.message, .unreadable)
        }
    }

    /// The first place of a byte.
    func find(_ byte: UInt8, in range: Range<Int>) -> Int? {
        unsafe bytes.withUnsafeBytes { buffer -> Int? in
            guard !range.isEmpty, let base = buffer.baseAddress,
                let found = unsafe memchr(base + range.lowerBound, Int32(byte), range.count)
            else { return nil }
            return unsafe UnsafeRawPointer(found) - base
        }
    }

    func starts(_ range: Range<Int>, with prefix: StaticString) -> Bool {
        let count = prefix.utf8CodeUnitCount
        guard range.count >= count else { return false }
        for place in 0..<count {
            guard unsafe bytes[range.lowerBound + place] == prefix.utf8Start[place] else {
                return false
            }
        }
        return true
    }

    /// A whole line or piece of it; bytes that are not UTF-8 are replaced.
    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// Key and value of the line that `next` has just returned; nil without an equals sign.
    func keyAndValue(_ range: Range<Int>) -> (key: String, value: LightGBMValue)? {
        guard let sign = find(UInt8(ascii: "="), in: range) else { return nil }
        return (
            text(range.lowerBound..<sign),
            LightGBMValue(line: line, range: sign + 1..<range.upperBound)
        )
    }

    /// The pieces between blanks.
    func words(_ range: Range<Int>) -> [Range<Int>] {
        var words: [Range<Int>] = []
        var place = range.lowerBound
        while place < range.upperBound {
            let end = find(UInt8(ascii: " "), in: place..<range.upperBound) ?? range.upperBound
            if end > place { words.append(place..<end) }
            place = end + 1
        }
        return words
    }

    // MARK: Numbers

    /// One whole number.
    func integer(_ value: LightGBMValue, _ key: String) throws(LightGBMError) -> Int {
        var numbers: [Int] = []
        try integers(value, key, into: &numbers, limit: 2)
        guard numbers.count == 1 else {
            throw LightGBMError(line: value.line, "\(key) is not a whole number")
        }
        return numbers[0]
    }

    /// The whole numbers of a line, in place of what the list holds; none behind the first `limit`.
    func integers<Number: FixedWidthInteger>(
        _ value: LightGBMValue, _ key: String, into list: inout [Number], limit: Int = .max
    ) throws(LightGBMError) {
        list.removeAll(keepingCapacity: true)
        var place = value.range.lowerBound
        let end = value.range.upperBound
        while true {
            while place < end, bytes[place] == UInt8(ascii: " ") { place += 1 }
            guard place < end, list.count < limit else { return }
            let isNegative = bytes[place] == UInt8(ascii: "-")
            if isNegative { place += 1 }
            let first = place
            var number = 0
            while place < end, bytes[place] &- UInt8(ascii: "0") <= 9, place - first < 18 {
                number = number * 10 + Int(bytes[place] &- UInt8(ascii: "0"))
                place += 1
            }
            guard place > first, place == end || bytes[place] == UInt8(ascii: " "),
                let exact = Number(exactly: isNegative ? -number : number)
            else {
                throw LightGBMError(
                    line: value.line,
                    "\(key): number \(list.count + 1) is not a whole number in range")
            }
            list.append(exact)
        }
    }

    /// The numbers of a line, in place of what the list holds; NaN and infinities too.
    func doubles(
        _ value: LightGBMValue, _ key: String, into list: inout [Double]
    ) throws(LightGBMError) {
        list.removeAll(keepingCapacity: true)
        var place = value.range.lowerBound
        let end = value.range.upperBound
        while true {
            while place < end, bytes[place] == UInt8(ascii: " ") { place += 1 }
            guard place < end else { return }
            guard let decimal = DecimalText(bytes, &place),
                place == end || (place < end && bytes[place] == UInt8(ascii: " ")),
                let number = decimal.double(bytes)
            else {
                throw LightGBMError(
                    line: value.line, "\(key): number \(list.count + 1) is not a number")
            }
            list.append(number)
        }
    }
}
