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
        var count = 1
        for dimension in dimensions {
            let (next, overflow) = count.multipliedReportingOverflow(by: dimension)
            count = overflow || dimension < 0 ? -1 : next
            if count < 0 { break }
        }
        guard count == self.count else {
            throw .declined(
                "a tensor of shape \(dimensions) has \(self.count) elements of type \(type) in "
                    + "the file")
        }
    }

    private init(scanning bytes: [UInt8], _ range: Range<Int>) throws(ScanFailure) {
        var code: UInt64 = 0
        var dimensions: [Int] = []
        var fields: [WireReader.Field] = []
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
        self.dimensions = dimensions
        // What is none of our types has no elements, and so no fitting shape.
        type = Int32(exactly: code).flatMap { ElementType(onnxCode: $0) } ?? .bool
        guard Int32(exactly: code).flatMap({ ElementType(onnxCode: $0) }) != nil else { return }
        for field in fields { try add(field, bytes) }
    }

    private mutating func add(_ field: WireReader.Field, _ bytes: [UInt8]) throws(ScanFailure) {
        switch (field.number, field.value, type) {
        case (4, .fixed32, .float32), (10, .fixed64, .float64):
            addRaw(bytes, field.range.upperBound - type.byteCount..<field.range.upperBound)
        case (4, .bytes(let packed), .float32), (10, .bytes(let packed), .float64):
            addRaw(bytes, packed)
        case (9, .bytes(let raw), _) where type != .string: addRaw(bytes, raw)
        case (6, .bytes(let text), .string):
            texts.append(String(decoding: bytes[text], as: UTF8.self))
        case (5, .varint(let value), _), (7, .varint(let value), _), (11, .varint(let value), _):
            if type != .string && !type.isFloatingPoint {
                integers.append(Int64(bitPattern: value))
            }
        case (5, .bytes(let packed), _), (7, .bytes(let packed), _), (11, .bytes(let packed), _):
            guard type != .string && !type.isFloatingPoint else { return }
            var reader = WireReader(bytes, packed)
            while let value = try reader.nextPacked() { integers.append(Int64(bitPattern: value)) }
        default: break
        }
    }

    private mutating func addRaw(_ bytes: [UInt8], _ range: Range<Int>) {
        let size = type.byteCount
        if type.isFloatingPoint {
            numbers.reserveCapacity(range.count / size)
        } else {
            integers.reserveCapacity(range.count / size)
        }
        for place in stride(from: range.lowerBound, to: range.upperBound - size + 1, by: size) {
            let word = bytes.word(at: place, byteCount: size)
            switch type {
            case .float32:
                numbers.append(Double(Float(bitPattern: UInt32(truncatingIfNeeded: word))))
            case .float64: numbers.append(Double(bitPattern: word))
            case .int8: integers.append(Int64(Int8(truncatingIfNeeded: word)))
            case .int16: integers.append(Int64(Int16(truncatingIfNeeded: word)))
            case .int32: integers.append(Int64(Int32(truncatingIfNeeded: word)))
            default: integers.append(Int64(bitPattern: word))
            }
        }
    }
}
