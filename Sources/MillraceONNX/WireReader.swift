/// Why a file is no ONNX model.
enum ScanFailure: Error {
    /// The field that starts at this byte runs past the end.
    case truncated(at: Int)
    /// The field that starts at this byte is none of protobuf's.
    case malformed(at: Int)
    /// A field that every model has is not there.
    case missing(String)
    /// Graphs lie deeper in graphs than `ModelScan.depthLimit`.
    case nesting
    /// The model has two main graphs.
    case twoGraphs
    /// The tensor of that name promises more elements than the file has.
    case shape(String)
    /// See `ModelScan.checkFunctions`.
    case functions
}

/// Reads the fields of one protobuf message that lies in `range` of `bytes`; never outside of it.
struct WireReader {
    /// What a field holds; messages, texts and packed numbers show as the range of their bytes.
    enum Value {
        case varint(UInt64)
        case fixed64
        case fixed32
        case bytes(Range<Int>)
    }

    /// One field: its number, its value and where the whole of it lies, tag included.
    struct Field {
        let number: UInt64
        let value: Value
        let range: Range<Int>
    }

    let bytes: [UInt8]
    private(set) var position: Int
    let end: Int

    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        position = max(0, range.lowerBound)
        end = min(bytes.count, range.upperBound)
    }

    /// The next field; nil at the end.
    mutating func next() throws(ScanFailure) -> Field? {
        guard position < end else { return nil }
        let start = position
        let tag = try varint(from: start)
        let number = tag >> 3
        guard number > 0, number < 1 << 29 else { throw .malformed(at: start) }
        let value: Value
        switch tag & 7 {
        case 0:
            value = .varint(try varint(from: start))
        case 1:
            try skip(8, from: start)
            value = .fixed64
        case 2:
            guard let count = Int(exactly: try varint(from: start)) else {
                throw .malformed(at: start)
            }
            let first = position
            try skip(count, from: start)
            value = .bytes(first..<position)
        case 5:
            try skip(4, from: start)
            value = .fixed32
        default:
            throw .malformed(at: start)
        }
        return Field(number: number, value: value, range: start..<position)
    }

    /// The next number without a tag, as in packed fields; nil at the end.
    mutating func nextPacked() throws(ScanFailure) -> UInt64? {
        guard position < end else { return nil }
        return try varint(from: position)
    }

    private mutating func skip(_ count: Int, from start: Int) throws(ScanFailure) {
        guard count <= end - position else { throw .truncated(at: start) }
        position += count
    }

    private mutating func varint(from start: Int) throws(ScanFailure) -> UInt64 {
        var result: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard position < end else { throw .truncated(at: start) }
            let byte = bytes[position]
            position += 1
            result |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return result }
        }
        throw .malformed(at: start)
    }
}

/// Writes protobuf fields.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ number: UInt64, varint value: UInt64) {
        appendVarint(number << 3)
        appendVarint(value)
    }

    mutating func append(_ number: UInt64, bytes value: some Collection<UInt8>) {
        appendHead(number, count: value.count)
        bytes.append(contentsOf: value)
    }

    /// What comes before a field of so many bytes.
    mutating func appendHead(_ number: UInt64, count: Int) {
        appendVarint(number << 3 | 2)
        appendVarint(UInt64(count))
    }

    private mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
