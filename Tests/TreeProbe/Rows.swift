import Glibc
import MillraceCore

/// Rows of float64 numbers as scripts/make-tree-ensembles.py writes them: little-endian, row-major.
struct Rows {
    let width: Int
    private let numbers: [Double]

    var count: Int { numbers.count / width }

    init(path: String, width: Int) throws(Failure) {
        guard let file = unsafe fopen(path, "rb") else {
            throw Failure("\(path) cannot be read")
        }
        defer { unsafe fclose(file) }
        var status = stat()
        guard unsafe fstat(fileno(file), &status) == 0 else {
            throw Failure("\(path) cannot be read")
        }
        let count = Int(status.st_size) / 8
        guard width > 0, count > 0, count.isMultiple(of: width) else {
            throw Failure("\(path) does not hold whole rows of \(width) numbers")
        }
        self.width = width
        numbers = unsafe Array(unsafeUninitializedCapacity: count) { room, used in
            used = unsafe fread(room.baseAddress, 8, count, file)
        }
        guard numbers.count == count else { throw Failure("\(path) ends too early") }
    }

    /// The rows as the model's inputs want them: in order, each input takes as many numbers of a
    /// row as it is wide; one whose width is free takes what is left.
    func columns(for inputs: [ModelInput]) throws(Failure) -> FeatureColumns {
        let known = inputs.reduce(0) { $0 + ($1.width ?? 0) }
        var columns: [FeatureColumn] = []
        var first = 0
        for input in inputs {
            let wide = input.width ?? (width - known)
            guard wide > 0, first + wide <= width, input.type != .string else {
                throw Failure("input \(input.name) cannot be fed from rows of \(width) numbers")
            }
            let shape = input.rowShape.contains(nil) ? [wide] : input.rowShape.compactMap { $0 }
            guard
                let column = FeatureColumn(
                    name: input.name, type: input.type, rowShape: shape, capacityRows: count,
                    limitBytes: 1 << 33)
            else { throw Failure("input \(input.name) takes too much memory") }
            fill(column, from: first)
            columns.append(column)
            first += wide
        }
        guard first == width else {
            throw Failure("the model takes \(first) numbers a row, not \(width)")
        }
        let made = FeatureColumns(columns: columns, capacityRows: count)
        made.rowCount = count
        return made
    }

    private func fill(_ column: FeatureColumn, from first: Int) {
        switch column.type {
        case .float32: store(column, from: first) { Float($0) }
        case .float64: store(column, from: first) { $0 }
        case .int8: store(column, from: first) { Int8(clamping: whole($0)) }
        case .int16: store(column, from: first) { Int16(clamping: whole($0)) }
        case .int32: store(column, from: first) { Int32(clamping: whole($0)) }
        case .int64: store(column, from: first) { whole($0) }
        case .uint8: store(column, from: first) { UInt8(clamping: whole($0)) }
        case .uint16: store(column, from: first) { UInt16(clamping: whole($0)) }
        case .uint32: store(column, from: first) { UInt32(clamping: whole($0)) }
        case .uint64: store(column, from: first) { UInt64(clamping: whole($0)) }
        case .bool: store(column, from: first) { $0 != 0 }
        case .string: break
        }
    }

    private func store<Number>(
        _ column: FeatureColumn, from first: Int, _ convert: (Double) -> Number
    ) {
        let room = unsafe column.storage.bindMemory(to: Number.self)
        for row in 0..<count {
            for element in 0..<column.width {
                unsafe room[row * column.width + element] =
                    convert(numbers[row * width + first + element])
            }
        }
    }
}

/// The whole part of a number; 0 where it has none.
private func whole(_ number: Double) -> Int64 {
    Int64(exactly: number.rounded(.towardZero)) ?? 0
}

/// Why the program ends without a result, one line.
struct Failure: Error {
    let message: String

    init(_ message: String) { self.message = message }
}
