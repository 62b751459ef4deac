import MillraceCore

/// Why a model does not run on trees.
enum TreesFailure: Error {
    /// The file is no ONNX model.
    case scan(ScanFailure)
    /// Sound, but not for this engine: the reason.
    case declined(String)
    /// No engine could run it: what is wrong.
    case invalid(String)
}

/// The attributes of one node, read when they are asked for.
struct NodeAttributes {
    let bytes: [UInt8]
    private var ranges: [String: Range<Int>] = [:]

    /// Of two attributes of one name the last one counts.
    init(_ bytes: [UInt8], _ attributes: [ModelScan.Attribute]) {
        self.bytes = bytes
        for attribute in attributes {
            let name = String(decoding: bytes[attribute.name], as: UTF8.self)
            ranges[name] = attribute.message
        }
    }

    var names: [String] { ranges.keys.sorted() }

    func has(_ name: String) -> Bool { ranges[name] != nil }

    /// Visits the fields of the attribute that have one of the numbers of AttributeProto.
    private func visit(
        _ name: String, _ number: UInt64,
        _ body: (WireReader.Field) throws(TreesFailure) -> Void
    ) throws(TreesFailure) {
        guard let range = ranges[name] else { return }
        var reader = WireReader(bytes, range)
        while let field = try next(&reader) {
            if field.number == number { try body(field) }
        }
    }

    private func next(_ reader: inout WireReader) throws(TreesFailure) -> WireReader.Field? {
        do throws(ScanFailure) {
            return try reader.next()
        } catch {
            throw .scan(error)
        }
    }

    /// AttributeProto.i.
    func integer(_ name: String) throws(TreesFailure) -> Int64? {
        var result: Int64?
        try visit(name, 3) { field in
            if case .varint(let value) = field.value { result = Int64(bitPattern: value) }
        }
        return result
    }

    /// AttributeProto.f.
    func number(_ name: String) throws(TreesFailure) -> Double? {
        var result: Double?
        try visit(name, 2) { field in
            if case .fixed32 = field.value { result = bytes.float(at: field.range.upperBound - 4) }
        }
        return result
    }

    /// AttributeProto.s.
    func text(_ name: String) throws(TreesFailure) -> String? {
        var result: String?
        try visit(name, 4) { field in
            if case .bytes(let range) = field.value {
                result = String(decoding: bytes[range], as: UTF8.self)
            }
        }
        return result
    }

    /// AttributeProto.ints.
    func integers(_ name: String) throws(TreesFailure) -> [Int64]? {
        guard has(name) else { return nil }
        var result: [Int64] = []
        try visitIntegers(name) { result.append($0) }
        return result
    }

    /// AttributeProto.ints of a list that may be as long as a model; empty where it is not there.
    ///
    /// - Parameter expected: as many as another list of the file has.
    func words(_ name: String, expected: Int = 0) throws(TreesFailure) -> [Int32] {
        var result: [Int32] = []
        if has(name) { result.reserveCapacity(expected) }
        try visitIntegers(name) { value throws(TreesFailure) in
            guard let word = Int32(exactly: value) else {
                throw .invalid(
                    "attribute '\(name)' has \(value) at place \(result.count), which no sound "
                        + "model needs")
            }
            result.append(word)
        }
        return result
    }

    private func visitIntegers(
        _ name: String, _ body: (Int64) throws(TreesFailure) -> Void
    ) throws(TreesFailure) {
        try visit(name, 8) { field throws(TreesFailure) in
            switch field.value {
            case .varint(let value): try body(Int64(bitPattern: value))
            case .bytes(let packed):
                var reader = WireReader(bytes, packed)
                while let value = try nextPacked(&reader) { try body(Int64(bitPattern: value)) }
            default: break
            }
        }
    }

    private func nextPacked(_ reader: inout WireReader) throws(TreesFailure) -> UInt64? {
        do throws(ScanFailure) {
            return try reader.nextPacked()
        } catch {
            throw .scan(error)
        }
    }

    /// AttributeProto.floats; nil where the attribute is not there.
    ///
    /// - Parameter expected: as many as another list of the file has.
    func numbers(_ name: String, expected: Int = 0) throws(TreesFailure) -> [Double]? {
        guard has(name) else { return nil }
        var result: [Double] = []
        result.reserveCapacity(expected)
        try visit(name, 7) { field in
            switch field.value {
            case .fixed32: result.append(bytes.float(at: field.range.upperBound - 4))
            case .bytes(let packed):
                for place in stride(from: packed.lowerBound, to: packed.upperBound - 3, by: 4) {
                    result.append(bytes.float(at: place))
                }
            default: break
            }
        }
        return result
    }

    /// The bytes of each of AttributeProto.strings.
    func visitTexts(
        _ name: String, _ body: (ArraySlice<UInt8>) throws(TreesFailure) -> Void
    ) throws(TreesFailure) {
        try visit(name, 9) { field throws(TreesFailure) in
            if case .bytes(let range) = field.value { try body(bytes[range]) }
        }
    }

    /// AttributeProto.strings.
    func texts(_ name: String) throws(TreesFailure) -> [String] {
        var result: [String] = []
        try visitTexts(name) { result.append(String(decoding: $0, as: UTF8.self)) }
        return result
    }

    /// AttributeProto.t.
    func tensor(_ name: String) throws(TreesFailure) -> OnnxTensor? {
        guard let range = try tensorRange(name) else { return nil }
        return try OnnxTensor(bytes, range)
    }

    /// The bytes of AttributeProto.t.
    func tensorRange(_ name: String) throws(TreesFailure) -> Range<Int>? {
        var range: Range<Int>?
        try visit(name, 5) { field in
            if case .bytes(let message) = field.value { range = message }
        }
        return range
    }
}

extension [UInt8] {
    /// The little-endian number whose bytes start there; 0 where they are not all there.
    func word(at place: Int, byteCount: Int) -> UInt64 {
        guard place >= 0, place <= count - byteCount else { return 0 }
        var result: UInt64 = 0
        for i in 0..<byteCount { result |= UInt64(self[place + i]) << UInt64(8 * i) }
        return result
    }

    func float(at place: Int) -> Double {
        Double(Float(bitPattern: UInt32(truncatingIfNeeded: word(at: place, byteCount: 4))))
    }
}
