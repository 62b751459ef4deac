import MillraceCore

/// A constant of a model: a TensorProto whose elements lie in the file.
struct OnnxTensor {
    let type: ElementType
    let dimensions: [Int]
    /// Of a float32 or float64 tensor.
    private(set) var numbers: [Double] = []
    /// Of integers and bools.
    private(set) var integers: [Int64] = []
    private(set) var texts: [String] = []

    var count: Int { numbers.count + integers.count + texts.count }

    /// The elements as numbers; nil for texts and for integers that float64 does not hold.
    var asNumbers: [Double]? {
        if type == .string { return nil }
        if type.isFloatingPoint { return numbers }
        let limit: Int64 = 1 << 53
        guard integers.allSatisfy({ -limit...limit ~= $0 }) else { return nil }
        return integers.map { Double($0) }
    }

    init(
        type: ElementType, dimensions: [Int], numbers: [Double] = [], integers: [Int64] = [],
        texts: [String] = []
    ) {
        self.type = type
        self.dimensions = dimensions
        self.numbers = numbers
        self.integers = integers
        self.texts = texts
    }

    /// The same elements in another shape, which has as many.
    func reshaped(_ dimensions: [Int]) -> OnnxTensor {
        OnnxTensor(
            type: type, dimensions: dimensions, numbers: numbers, integers: integers, texts: texts)
    }

    /// - Parameter range: the bytes of the TensorProto.
    init(_ bytes: [UInt8], _ range: Range<Int>) throws(TreesFailure) {
        do throws(ScanFailure) {
            try self.init(scanning: bytes, range)
        } catch {
            throw .scan(error)
        }
        try Self.check(dimensions, count: count, type)
    }

    /// Whether the file has as many elements as the shape has places.
    private static func check(
        _ dimensions: [Int], count: Int, _ type: ElementType
    ) throws(TreesFailure) {
        var places = 1
        for dimension in dimensions {
            let (next, overflow) = places.multipliedReportingOverflow(by: dimension)
            places = overflow || dimension < 0 ? -1 : next
            if places < 0 { break }
        }
        guard places == count else {
            throw .declined(
                "a tensor of shape \(dimensions) has \(count) elements of type \(type) in the file")
        }
    }

    private init(scanning bytes: [UInt8], _ range: Range<Int>) throws(ScanFailure) {
        let head = try Head(bytes, range)
        dimensions = head.dimensions
        // What is none of our types has no elements, and so no fitting shape.
        type = head.type ?? .bool
        guard head.type != nil else { return }
        for field in head.fields { try add(field, bytes) }
    }

    /// What a TensorProto says, and where its elements lie.
    private struct Head {
        private(set) var dimensions: [Int] = []
        /// Nil for one that is none of ours.
        private(set) var type: ElementType?
        /// That may hold elements.
        private(set) var fields: [WireReader.Field] = []

        init(_ bytes: [UInt8], _ range: Range<Int>) throws(ScanFailure) {
            var code: UInt64 = 0
            var reader = WireReader(bytes, range)
            while let field = try reader.next() {
                switch (field.number, field.value) {
                case (1, .varint(let value)): dimensions.append(Int(Int64(bitPattern: value)))
                case (1, .bytes(let packed)):
                    var inner = WireReader(bytes, packed)
                    while let value = try inner.nextPacked() {
                        dimensions.append(Int(Int64(bitPattern: value)))
                    }
                case (2, .varint(let value)): code = value
                case (4...7, _), (9...11, _): fields.append(field)
                default: break
                }
            }
            type = Int32(exactly: code).flatMap { ElementType(onnxCode: $0) }
        }
    }

    private mutating func add(_ field: WireReader.Field, _ bytes: [UInt8]) throws(ScanFailure) {
        if type.isFloatingPoint {
            guard let range = Self.floats(field, type) else { return }
            numbers.reserveCapacity(numbers.count + range.count / type.byteCount)
            Self.visit(bytes, range, type) { numbers.append($0) }
            return
        }
        switch (field.number, field.value, type) {
        case (6, .bytes(let text), .string):
            texts.append(String(decoding: bytes[text], as: UTF8.self))
        case _ where type == .string: break
        case (9, .bytes(let raw), _): addRaw(bytes, raw)
        case (5, .varint(let value), _), (7, .varint(let value), _), (11, .varint(let value), _):
            integers.append(Int64(bitPattern: value))
        case (5, .bytes(let packed), _), (7, .bytes(let packed), _), (11, .bytes(let packed), _):
            var reader = WireReader(bytes, packed)
            while let value = try reader.nextPacked() { integers.append(Int64(bitPattern: value)) }
        default: break
        }
    }

    private mutating func addRaw(_ bytes: [UInt8], _ range: Range<Int>) {
        let size = type.byteCount
        integers.reserveCapacity(range.count / size)
        for place in stride(from: range.lowerBound, to: range.upperBound - size + 1, by: size) {
            let word = bytes.word(at: place, byteCount: size)
            switch type {
            case .int8: integers.append(Int64(Int8(truncatingIfNeeded: word)))
            case .int16: integers.append(Int64(Int16(truncatingIfNeeded: word)))
            case .int32: integers.append(Int64(Int32(truncatingIfNeeded: word)))
            default: integers.append(Int64(bitPattern: word))
            }
        }
    }

    /// The bytes of the floating-point numbers that a field has.
    private static func floats(_ field: WireReader.Field, _ type: ElementType) -> Range<Int>? {
        switch (field.number, field.value, type) {
        case (4, .fixed32, .float32), (10, .fixed64, .float64):
            field.range.upperBound - type.byteCount..<field.range.upperBound
        case (4, .bytes(let bytes), .float32), (10, .bytes(let bytes), .float64),
            (9, .bytes(let bytes), _):
            bytes
        default: nil
        }
    }

    private static func visit<Failure: Error>(
        _ bytes: [UInt8], _ range: Range<Int>, _ type: ElementType,
        _ body: (Double) throws(Failure) -> Void
    ) throws(Failure) {
        let size = type.byteCount
        for place in stride(from: range.lowerBound, to: range.upperBound - size + 1, by: size) {
            let word = bytes.word(at: place, byteCount: size)
            try body(
                type == .float32
                    ? Double(Float(bitPattern: UInt32(truncatingIfNeeded: word)))
                    : Double(bitPattern: word))
        }
    }

    /// Visits the numbers of a tensor that may be as long as a model, none of which is kept.
    ///
    /// - Parameters:
    ///   - range: the bytes of the TensorProto.
    ///   - type: float32 or float64.
    /// - Returns: false where the tensor is of another type.
    static func visitNumbers(
        _ bytes: [UInt8], _ range: Range<Int>, type: ElementType,
        _ body: (Double) throws(TreesFailure) -> Void
    ) throws(TreesFailure) -> Bool {
        let head: Head
        do throws(ScanFailure) {
            head = try Head(bytes, range)
        } catch {
            throw .scan(error)
        }
        guard head.type == type else { return false }
        let ranges = head.fields.compactMap { floats($0, type) }
        let count = ranges.reduce(0) { $0 + $1.count / type.byteCount }
        try check(head.dimensions, count: count, type)
        for range in ranges { try visit(bytes, range, type, body) }
        return true
    }
}
