import FoundationEssentials
import Glibc
import MillraceCore
import MillraceONNX
import Synchronization

/// The package's root folder.
let root = String(#filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 })

let fixtureFolder = root + "/Tests/Fixtures/onnx"

/// Where scripts/setup puts ONNX Runtime.
let engineFolder =
    unsafe getenv("MILLRACE_ENGINES").map { unsafe String(cString: $0) }
    ?? root + "/.engines"

let hasOnnxRuntime =
    unsafe getenv("MILLRACE_ONNXRUNTIME") != nil
    || ["libonnxruntime.so.1", "libonnxruntime.so"].contains {
        FileManager.default.fileExists(atPath: "\(engineFolder)/\($0)")
    }

/// What the engines of all tests log: ONNX Runtime has one log for the process, that of the first.
let events = Mutex<[Log.Event]>([])
let log = Log { event in events.withLock { $0.append(event) } }

let engine = OnnxEngine(searchFolders: [engineFolder], log: log)

/// A model's rows and what its own library predicts (scripts/make-model-fixtures.py).
struct Fixture: Decodable {
    struct Column: Decodable {
        let name: String
        let type: String
        let rowShape: [Int]
        let labels: [String]?
        let values: [String]

        var elementType: ElementType? { ElementType.allCases.first { "\($0)" == type } }
        var width: Int { rowShape.reduce(1, *) }
    }

    let kind: String
    let tolerance: Double
    let fixedBatch: Int?
    let rows: Int
    let inputs: [Column]
    let outputs: [Column]

    static let names: [String] = {
        guard let data = FileManager.default.contents(atPath: fixtureFolder + "/manifest.json")
        else { return [] }
        return (try? JSONDecoder().decode([String].self, from: data)) ?? []
    }()

    static func load(_ name: String) throws -> Fixture {
        let data = try Data(contentsOf: URL(filePath: "\(fixtureFolder)/\(name).json"))
        return try JSONDecoder().decode(Fixture.self, from: data)
    }

    /// The inputs as a format would fill them, from row `gap` on.
    func features(gap: Int = 0) throws -> Features {
        try Features(inputs, rows: rows, gap: gap)
    }
}

struct TestFailure: Error { let text: String }

/// Feature columns with the texts that they point at.
@safe final class Features {
    let columns: FeatureColumns
    private var texts: [UnsafeMutableBufferPointer<UInt8>] = unsafe []

    init(_ inputs: [Fixture.Column], rows: Int, gap: Int = 0) throws {
        let capacity = rows + gap
        let made = try inputs.map { input in
            guard let type = input.elementType,
                let column = FeatureColumn(
                    name: input.name, type: type, rowShape: input.rowShape, capacityRows: capacity)
            else { throw TestFailure(text: "no column for \(input.name)") }
            return column
        }
        columns = FeatureColumns(columns: made, capacityRows: capacity)
        columns.rowCount = capacity
        for (input, column) in zip(inputs, made) {
            for (index, value) in input.values.enumerated() {
                try set(column, gap * column.width + index, value)
            }
        }
    }

    deinit { for index in unsafe texts.indices { unsafe texts[index].deallocate() } }

    func set(_ column: FeatureColumn, _ index: Int, _ value: String) throws {
        guard let base = unsafe column.storage.baseAddress else { return }
        let place = unsafe base + index * column.type.byteCount
        func store<T: BitwiseCopyable>(_ number: T?) throws {
            guard let number else { throw TestFailure(text: "'\(value)' is no \(T.self)") }
            unsafe place.storeBytes(of: number, as: T.self)
        }
        switch column.type {
        case .float32: try store(Float(value))
        case .float64: try store(Double(value))
        case .int8: try store(Int8(value))
        case .int16: try store(Int16(value))
        case .int32: try store(Int32(value))
        case .int64: try store(Int64(value))
        case .uint8, .bool: try store(UInt8(value))
        case .uint16: try store(UInt16(value))
        case .uint32: try store(UInt32(value))
        case .uint64: try store(UInt64(value))
        case .string:
            let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(
                capacity: value.utf8.count)
            _ = unsafe bytes.initialize(from: value.utf8)
            unsafe texts.append(bytes)
            let slice = unsafe TextSlice(
                start: UnsafePointer(bytes.baseAddress), count: value.utf8.count)
            unsafe place.assumingMemoryBound(to: TextSlice.self).initialize(to: slice)
        }
    }
}

/// All elements of a prediction column as text, numbers as Swift prints them.
func values(_ column: PredictionColumn, rows: Int) -> [String] {
    (0..<rows * column.width).map { index in
        guard let base = unsafe column.base else { return "no value" }
        let place = unsafe base + index * column.type.byteCount
        switch column.type {
        case .float32: return "\(unsafe place.load(as: Float.self))"
        case .float64: return "\(unsafe place.load(as: Double.self))"
        case .int8: return "\(unsafe place.load(as: Int8.self))"
        case .int16: return "\(unsafe place.load(as: Int16.self))"
        case .int32: return "\(unsafe place.load(as: Int32.self))"
        case .int64: return "\(unsafe place.load(as: Int64.self))"
        case .uint8, .bool: return "\(unsafe place.load(as: UInt8.self))"
        case .uint16: return "\(unsafe place.load(as: UInt16.self))"
        case .uint32: return "\(unsafe place.load(as: UInt32.self))"
        case .uint64: return "\(unsafe place.load(as: UInt64.self))"
        case .string:
            let slice = unsafe place.load(as: TextSlice.self)
            return unsafe String(
                decoding: UnsafeBufferPointer(start: slice.start, count: slice.count),
                as: UTF8.self)
        }
    }
}

/// Whether `got` is what the library predicted: numbers within the relative tolerance, labels
/// equal.
func agree(_ got: String, _ expected: String, _ column: Fixture.Column, _ tolerance: Double) -> Bool
{
    guard column.type.hasPrefix("float") else { return got == expected }
    guard let a = Double(got), let b = Double(expected) else { return false }
    if a.isNaN || b.isNaN { return a.isNaN && b.isNaN }
    return a == b || abs(a - b) <= tolerance * (1 + abs(b))
}
