internal import MillraceCore

/// A line that cannot be scored, as one line of JSON: its number, the reason, and its own text. A
/// text that is not UTF-8 is there as base64; one larger than values may be is left out.
@safe struct LineDeadLetter {
    private let record: RecordView
    private let error: RecordError
    private let maxLineBytes: Int

    init(_ record: RecordView, _ error: RecordError, _ maxLineBytes: Int) {
        unsafe self.record = record
        self.error = error
        self.maxLineBytes = maxLineBytes
    }

    /// The JSON text, without the line's end.
    var line: [UInt8] {
        var json = Array("{\"line\":\(unsafe record.offset &+ 1),\"class\":".utf8)
        Self.add(error.kind.rawValue, to: &json)
        json += Array(",\"message\":".utf8)
        let isCut = unsafe Self.cutByteCount(record) != nil
        unsafe Self.add(isCut ? Self.tooLarge(record, maxLineBytes) : error.message, to: &json)
        let value = unsafe UnsafeRawBufferPointer(start: record.value, count: record.valueCount)
        if value.count > maxLineBytes {
            json += Array(",\"value_omitted\":true".utf8)
        } else if let text = unsafe String(validating: value, as: UTF8.self) {
            json += Array(",\"value\":".utf8)
            Self.add(text, to: &json)
        } else {
            json += Array(",\"value_base64\":\"".utf8)
            unsafe Self.addBase64(value, to: &json)
            json.append(UInt8(ascii: "\""))
        }
        json.append(UInt8(ascii: "}"))
        return json
    }

    /// How long the record's line is, where only its beginning is there.
    static func cutByteCount(_ record: RecordView) -> Int? {
        guard let handle = unsafe record.handle, let value = unsafe record.value else { return nil }
        return unsafe LineBlock.of(handle).cutByteCount(at: value)
    }

    /// What the codec says of a value that is too large, with the line's true length.
    static func tooLarge(_ record: RecordView, _ maxLineBytes: Int) -> String {
        let byteCount = unsafe cutByteCount(record) ?? record.valueCount
        return "the value has \(byteCount) bytes, the limit is \(maxLineBytes)"
    }

    /// As a JSON string. What a terminal would obey (C0, DEL, C1, marks that reorder text) is
    /// escaped.
    private static func add(_ text: String, to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22, 0x5C: json += [UInt8(ascii: "\\"), UInt8(truncatingIfNeeded: scalar.value)]
            case 0x09: json += Array("\\t".utf8)
            case 0x0A: json += Array("\\n".utf8)
            case 0x0D: json += Array("\\r".utf8)
            case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069:
                let digits = String(scalar.value, radix: 16)
                json += Array("\\u".utf8)
                json += Array(repeating: UInt8(ascii: "0"), count: 4 - digits.utf8.count)
                json += Array(digits.utf8)
            default: json += Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        json.append(UInt8(ascii: "\""))
    }

    private static let base64Digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static func addBase64(_ bytes: UnsafeRawBufferPointer, to json: inout [UInt8]) {
        var start = 0
        while start < bytes.count {
            let count = min(3, bytes.count - start)
            var group: UInt32 = 0
            for index in 0..<3 {
                let byte = index < count ? unsafe bytes[start + index] : 0
                group = group << 8 | UInt32(byte)
            }
            for index in 0..<4 {
                let digit = Int(group >> UInt32(18 - 6 * index) & 63)
                json.append(index <= count ? base64Digits[digit] : UInt8(ascii: "="))
            }
            start += count
        }
    }
}
