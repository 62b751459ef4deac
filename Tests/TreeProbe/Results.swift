import Glibc
import MillraceCore

/// What came out of one output for all rows, as float64; texts as indices into `texts`.
struct Results {
    private(set) var numbers: [Double] = []
    private(set) var texts: [String] = []
    private(set) var width = 0
    private var places: [String: Int] = [:]

    mutating func append(_ column: PredictionColumn, rows: Int) {
        width = column.width
        let count = rows * column.width
        guard let base = unsafe column.base else { return }
        switch column.type {
        case .float32: unsafe take(base, count) { (number: Float) in Double(number) }
        case .float64: unsafe take(base, count) { (number: Double) in number }
        case .int8: unsafe take(base, count) { (number: Int8) in Double(number) }
        case .int16: unsafe take(base, count) { (number: Int16) in Double(number) }
        case .int32: unsafe take(base, count) { (number: Int32) in Double(number) }
        case .int64: unsafe take(base, count) { (number: Int64) in Double(number) }
        case .uint8: unsafe take(base, count) { (number: UInt8) in Double(number) }
        case .uint16: unsafe take(base, count) { (number: UInt16) in Double(number) }
        case .uint32: unsafe take(base, count) { (number: UInt32) in Double(number) }
        case .uint64: unsafe take(base, count) { (number: UInt64) in Double(number) }
        case .bool: unsafe take(base, count) { (flag: UInt8) in Double(flag) }
        case .string:
            let slices = unsafe base.assumingMemoryBound(to: TextSlice.self)
            for index in 0..<count {
                let slice = unsafe slices[index]
                let bytes = unsafe UnsafeBufferPointer(start: slice.start, count: slice.count)
                let text = unsafe String(decoding: bytes, as: UTF8.self)
                numbers.append(Double(place(of: text)))
            }
        }
    }

    private mutating func take<Number>(
        _ base: UnsafeRawPointer, _ count: Int, _ convert: (Number) -> Double
    ) {
        let values = unsafe base.assumingMemoryBound(to: Number.self)
        for index in 0..<count { numbers.append(convert(unsafe values[index])) }
    }

    private mutating func place(of text: String) -> Int {
        if let place = places[text] { return place }
        places[text] = texts.count
        texts.append(text)
        return texts.count - 1
    }

    /// Appends the numbers to an open file.
    func write(to file: UnsafeMutablePointer<FILE>) -> Bool {
        unsafe numbers.withUnsafeBufferPointer { numbers in
            unsafe fwrite(numbers.baseAddress, 8, numbers.count, file) == numbers.count
        }
    }
}

/// JSON text of a string and of a list of texts.
func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": out += "\\\""
        case "\\": out += "\\\\"
        case _ where scalar.value < 0x20:
            let digits = String(scalar.value, radix: 16)
            out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out + "\""
}

func quoted(_ texts: [String]) -> String {
    "[" + texts.map { quoted($0) }.joined(separator: ",") + "]"
}
