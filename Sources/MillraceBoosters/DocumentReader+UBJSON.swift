/// UBJSON, draft 12: a mark before each value, numbers big-endian, arrays of one type in bulk.
extension DocumentReader {
    private func need(_ count: Int) throws(DocumentError) {
        guard count <= bytes.count - position else { throw cutShort }
    }

    /// Takes the mark of the next value; elements of a typed array have none of their own.
    private mutating func mark() throws(DocumentError) -> UInt8 {
        if let marker = frames.last?.marker, marker != 0 { return marker }
        let mark = try markAhead()
        position += 1
        return mark
    }

    /// The next mark in the bytes, behind those that mean nothing; the position stays on it.
    private mutating func markAhead() throws(DocumentError) -> UInt8 {
        while position < bytes.count, bytes[position] == UInt8(ascii: "N") { position += 1 }
        try need(1)
        return bytes[position]
    }

    mutating func binaryKind() throws(DocumentError) -> Kind {
        let typed = frames.last?.marker ?? 0
        switch typed != 0 ? typed : try markAhead() {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "S"), UInt8(ascii: "C"), UInt8(ascii: "H"): return .text
        case UInt8(ascii: "T"), UInt8(ascii: "F"): return .truth
        case UInt8(ascii: "Z"): return .null
        default: return .number
        }
    }

    /// Bytes of a value of that type; nil for those without a fixed size.
    private static func size(_ mark: UInt8) -> Int? {
        switch mark {
        case UInt8(ascii: "i"), UInt8(ascii: "U"), UInt8(ascii: "C"): 1
        case UInt8(ascii: "I"): 2
        case UInt8(ascii: "l"), UInt8(ascii: "d"): 4
        case UInt8(ascii: "L"), UInt8(ascii: "D"): 8
        default: nil
        }
    }

    private mutating func word(_ count: Int) throws(DocumentError) -> UInt64 {
        try need(count)
        var word: UInt64 = 0
        for byte in bytes[position..<position + count] { word = word << 8 | UInt64(byte) }
        position += count
        return word
    }

    private mutating func integer(_ mark: UInt8) throws(DocumentError) -> Int64 {
        switch mark {
        case UInt8(ascii: "i"): Int64(Int8(truncatingIfNeeded: try word(1)))
        case UInt8(ascii: "U"): Int64(try word(1))
        case UInt8(ascii: "I"): Int64(Int16(truncatingIfNeeded: try word(2)))
        case UInt8(ascii: "l"): Int64(Int32(truncatingIfNeeded: try word(4)))
        case UInt8(ascii: "L"): Int64(truncatingIfNeeded: try word(8))
        case UInt8(ascii: "T"): 1
        case UInt8(ascii: "F"): 0
        default: throw failure("expected a whole number")
        }
    }

    mutating func binaryInteger() throws(DocumentError) -> Int64 { try integer(try mark()) }

    mutating func binaryDouble() throws(DocumentError) -> Double { try number(try mark()) }

    private mutating func number(_ mark: UInt8) throws(DocumentError) -> Double {
        switch mark {
        case UInt8(ascii: "d"):
            Double(Float(bitPattern: UInt32(truncatingIfNeeded: try word(4))))
        case UInt8(ascii: "D"): Double(bitPattern: try word(8))
        default: Double(try integer(mark))
        }
    }

    /// A length or count, of what takes at least a byte each.
    private mutating func count() throws(DocumentError) -> Int {
        let start = position
        try need(1)
        let mark = bytes[position]
        position += 1
        guard Self.size(mark) != nil else { throw failure("expected a length", at: start) }
        let value = try integer(mark)
        guard value >= 0, value <= Int64(bytes.count - position) else {
            throw failure("a length of \(value), more than the file has", at: start)
        }
        return Int(value)
    }

    mutating func binaryText() throws(DocumentError) -> String {
        let start = position
        let mark = try mark()
        switch mark {
        case UInt8(ascii: "S"), UInt8(ascii: "H"): return try bareText()
        case UInt8(ascii: "C"):
            try need(1)
            position += 1
            return String(Character(Unicode.Scalar(bytes[position - 1])))
        default: throw failure("expected a text", at: start)
        }
    }

    private mutating func bareText() throws(DocumentError) -> String {
        let count = try count()
        let raw = bytes[position..<position + count]
        guard let text = String(validating: raw, as: UTF8.self) else {
            throw failure("a text that is not UTF-8")
        }
        position += count
        return text
    }

    mutating func binaryBegin(_ expected: UInt8) throws(DocumentError) {
        let start = position
        guard try mark() == expected else {
            throw failure("expected '\(Character(Unicode.Scalar(expected)))'", at: start)
        }
        try push(try header())
    }

    /// What stands behind an opening bracket: `$type#count`, `#count`, or nothing.
    private mutating func header() throws(DocumentError) -> Frame {
        var frame = Frame()
        try need(1)
        if bytes[position] == UInt8(ascii: "$") {
            try need(3)
            frame.marker = bytes[position + 1]
            guard frame.marker == UInt8(ascii: "S") || Self.size(frame.marker) != nil else {
                throw failure("a list of a type that is not expected here")
            }
            position += 2
            guard bytes[position] == UInt8(ascii: "#") else { throw failure("expected '#'") }
        }
        guard bytes[position] == UInt8(ascii: "#") else { return frame }
        position += 1
        frame.remaining = try count()
        if let size = Self.size(frame.marker) {
            let (total, isOver) = frame.remaining.multipliedReportingOverflow(by: size)
            guard !isOver else { throw cutShort }
            try need(total)
        }
        return frame
    }

    /// Whether another member follows; closes the container otherwise.
    private mutating func hasMore(_ end: UInt8) throws(DocumentError) -> Bool {
        guard let top = frames.indices.last else { return false }
        if frames[top].remaining > 0 {
            frames[top].remaining -= 1
            return true
        }
        if frames[top].remaining < 0 {
            guard try markAhead() == end else { return true }
            position += 1
        }
        frames.removeLast()
        return false
    }

    mutating func binaryNextElement() throws(DocumentError) -> Bool {
        try hasMore(UInt8(ascii: "]"))
    }

    mutating func binaryNextKey() throws(DocumentError) -> String? {
        try hasMore(UInt8(ascii: "}")) ? try bareText() : nil
    }

    // MARK: Lists of numbers

    /// The array's elements, in bulk where the file names their type.
    @inline(__always)
    private mutating func list<Number>(
        into list: inout [Number], bulk: UInt8, width: Int, _ make: (UnsafeRawPointer) -> Number,
        single: (inout Self) throws(DocumentError) -> Number
    ) throws(DocumentError) {
        try binaryBegin(UInt8(ascii: "["))
        if let frame = frames.last, frame.marker == bulk {
            let start = position
            list.reserveCapacity(frame.remaining)
            unsafe bytes.withUnsafeBytes { raw in
                guard let base = raw.baseAddress else { return }
                for index in 0..<frame.remaining {
                    unsafe list.append(make(base + (start + index * width)))
                }
            }
            position += frame.remaining * width
            frames.removeLast()
            return
        }
        while try binaryNextElement() { list.append(try single(&self)) }
    }

    mutating func binaryFloats(into list: inout [Float]) throws(DocumentError) {
        unsafe try self.list(into: &list, bulk: UInt8(ascii: "d"), width: 4) { place in
            unsafe Float(bitPattern: UInt32(bigEndian: place.loadUnaligned(as: UInt32.self)))
        } single: { reader throws(DocumentError) in
            Float(try reader.binaryDouble())
        }
    }

    mutating func binaryDoubles(into list: inout [Double]) throws(DocumentError) {
        unsafe try self.list(into: &list, bulk: UInt8(ascii: "D"), width: 8) { place in
            unsafe Double(bitPattern: UInt64(bigEndian: place.loadUnaligned(as: UInt64.self)))
        } single: { reader throws(DocumentError) in
            try reader.binaryDouble()
        }
    }

    mutating func binaryIntegers(into list: inout [Int32]) throws(DocumentError) {
        unsafe try self.list(into: &list, bulk: UInt8(ascii: "l"), width: 4) { place in
            unsafe Int32(bigEndian: place.loadUnaligned(as: Int32.self))
        } single: { reader throws(DocumentError) in
            let start = reader.position
            guard let value = Int32(exactly: try reader.binaryInteger()) else {
                throw reader.failure("a number out of range", at: start)
            }
            return value
        }
    }

    // MARK: The rest

    mutating func binarySkip() throws(DocumentError) {
        let depth = frames.count
        repeat {
            if frames.count > depth {
                let isObject = frames.last?.isFirst == false
                guard try hasMore(UInt8(ascii: isObject ? "}" : "]")) else { continue }
                if isObject { try skipBareText() }
            }
            try skipOne()
        } while frames.count > depth
    }

    /// Passes a plain value, or opens a container. `isFirst` is false for objects only.
    private mutating func skipOne() throws(DocumentError) {
        let start = position
        let mark = try mark()
        switch mark {
        case UInt8(ascii: "S"), UInt8(ascii: "H"): try skipBareText()
        case UInt8(ascii: "T"), UInt8(ascii: "F"), UInt8(ascii: "Z"): break
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            var frame = try header()
            if mark == UInt8(ascii: "["), let size = Self.size(frame.marker) {
                position += frame.remaining * size
                return
            }
            frame.isFirst = mark == UInt8(ascii: "[")
            try push(frame)
        default:
            guard let size = Self.size(mark) else {
                throw failure("an unknown mark", at: start)
            }
            try need(size)
            position += size
        }
    }

    private mutating func skipBareText() throws(DocumentError) { position += try count() }
}
