import MillraceCore
import MillraceTrees
import Testing

@testable import MillraceBoosters

/// Rows, and what LightGBM predicts for them: NAME.expected.json beside NAME.txt.
struct LightGBMExpectation {
    struct Input {
        var name = ""
        var type = ElementType.float64
        var width = 1
        var values: [String] = []
    }

    struct Output {
        var width = 0
        var values: [Double] = []
    }

    var rows = 0
    var inputs: [Input] = []
    var outputs: [String: Output] = [:]

    init() {}

    init(_ name: String) throws {
        var reader = DocumentReader(
            try fixture(name + ".expected.json").bytes, isBinary: false)
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "rows": rows = Int(try reader.integer())
            case "inputs":
                try reader.beginArray()
                while try reader.nextElement() { inputs.append(try Self.input(&reader)) }
            default:
                try reader.beginObject()
                while let name = try reader.nextKey() { outputs[name] = try Self.output(&reader) }
            }
        }
    }

    private static func input(_ reader: inout DocumentReader) throws -> Input {
        var input = Input()
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "name": input.name = try reader.text()
            case "type":
                let type = try reader.text()
                input.type = type == "string" ? .string : type == "bool" ? .bool : .float64
            case "width": input.width = Int(try reader.integer())
            default: input.values = try reader.texts()
            }
        }
        return input
    }

    private static func output(_ reader: inout DocumentReader) throws -> Output {
        var output = Output()
        try reader.beginObject()
        while let key = try reader.nextKey() {
            if key == "width" {
                output.width = Int(try reader.integer())
            } else {
                output.values = try reader.texts().map { try #require(Double($0)) }
            }
        }
        return output
    }

    /// The rows as a model's inputs; `texts` keeps the bytes of strings alive.
    func features(_ texts: TextStore) throws -> FeatureColumns {
        let columns = try inputs.map { input in
            let column = try #require(
                FeatureColumn(
                    name: input.name, type: input.type,
                    rowShape: input.name == "features" ? [input.width] : [], capacityRows: rows))
            for (index, value) in input.values.enumerated() {
                switch input.type {
                case .string:
                    unsafe column.storage.storeBytes(
                        of: texts.add(value), toByteOffset: index * ElementType.string.byteCount,
                        as: TextSlice.self)
                case .bool:
                    unsafe column.storage.storeBytes(
                        of: value == "1.0" ? 1 : 0, toByteOffset: index, as: UInt8.self)
                default:
                    let number = try #require(Double(value))
                    unsafe column.storage.storeBytes(
                        of: number, toByteOffset: index * 8, as: Double.self)
                }
            }
            return column
        }
        let features = FeatureColumns(columns: columns, capacityRows: rows)
        features.rowCount = rows
        return features
    }
}

/// Bytes of texts that stay where they are.
@safe final class TextStore {
    private var buffers: [UnsafeMutablePointer<UInt8>]

    init() { unsafe buffers = [] }

    deinit {
        for index in unsafe buffers.indices { unsafe buffers[index].deallocate() }
    }

    func add(_ text: String) -> TextSlice {
        let bytes = Array(text.utf8)
        let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, bytes.count))
        for index in bytes.indices { unsafe (buffer + index).initialize(to: bytes[index]) }
        unsafe buffers.append(buffer)
        return unsafe TextSlice(start: buffer, count: bytes.count)
    }
}

enum LightGBMRun {
    static func program(_ file: BoosterFile) throws -> TreeProgram {
        try LightGBMLoader.program(LightGBMText(file.bytes), path: file.path)
    }

    /// All outputs of a program for the rows of an expectation, by name.
    static func outputs(
        _ program: TreeProgram, _ expected: LightGBMExpectation
    ) throws -> [String: LightGBMExpectation.Output] {
        let model = try TreeModel(program, path: "m.txt")
        let names = model.signature.outputs.map(\.name)
        let session = try model.makeSession(outputs: names, maxRows: expected.rows)
        let texts = TextStore()
        let features = try expected.features(texts)
        try session.predict(features, rows: 0..<expected.rows)
        var outputs: [String: LightGBMExpectation.Output] = [:]
        for column in session.predictions.columns {
            let base = try unsafe #require(column.base)
            let values = (0..<expected.rows * column.width).map { index in
                column.type == .int64
                    ? unsafe Double(base.load(fromByteOffset: index * 8, as: Int64.self))
                    : unsafe base.load(fromByteOffset: index * 8, as: Double.self)
            }
            outputs[column.name] = LightGBMExpectation.Output(width: column.width, values: values)
        }
        withExtendedLifetime(texts) {}
        return outputs
    }

    /// What loading a text fails with; nil where it loads.
    static func failure(_ text: String) -> ModelError? {
        failure(bytes: Array(text.utf8))
    }

    static func failure(bytes: [UInt8]) -> ModelError? {
        do throws(ModelError) {
            let program = try LightGBMLoader.program(LightGBMText(bytes), path: "m.txt")
            _ = try TreeModel(program, path: "m.txt")
            return nil
        } catch {
            return error
        }
    }
}
