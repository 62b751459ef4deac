import MillraceCore
import MillraceTrees
import Testing

typealias Step = TreeProgram.Step

/// A program of the inputs `x` (float32, [N,2] unless told otherwise) and its steps; all of them
/// are outputs, named by their index.
func program(
    of inputs: [ModelInput] = [ModelInput(name: "x", type: .float32, rowShape: [2])],
    _ steps: [Step], outputs: [TreeProgram.Output]? = nil
) -> TreeProgram {
    var program = TreeProgram(inputs: inputs, facts: ModelFacts(format: "test"))
    for step in steps { _ = program.add(step) }
    program.outputs =
        outputs
        ?? steps.indices.map {
            TreeProgram.Output(name: "\($0)", content: .numbers($0, isFlat: false))
        }
    return program
}

/// Rows of numbers for one input.
func column(
    _ input: ModelInput, _ rows: [[Double]], capacity: Int? = nil
) throws -> FeatureColumn {
    let column = try #require(
        FeatureColumn(
            name: input.name, type: input.type, rowShape: input.rowShape.compactMap { $0 },
            capacityRows: capacity ?? rows.count))
    let base = try unsafe #require(column.storage.baseAddress)
    func write<Number>(_ values: [Number]) {
        for index in values.indices {
            unsafe base.storeBytes(
                of: values[index], toByteOffset: index * MemoryLayout<Number>.stride,
                as: Number.self)
        }
    }
    let values = rows.flatMap(\.self)
    switch input.type {
    case .float32: write(values.map { Float($0) })
    case .float64: write(values)
    case .int8: write(values.map { Int8($0) })
    case .int16: write(values.map { Int16($0) })
    case .int32: write(values.map { Int32($0) })
    case .int64: write(values.map { Int64($0) })
    case .uint8, .bool: write(values.map { UInt8($0) })
    case .uint16: write(values.map { UInt16($0) })
    case .uint32: write(values.map { UInt32($0) })
    case .uint64: write(values.map { UInt64($0) })
    case .string: break
    }
    return column
}

/// What a column holds, as numbers.
func numbers(_ column: PredictionColumn, rows: Int) -> [[Double]] {
    guard let base = unsafe column.base else { return [] }
    return (0..<rows).map { row in
        (0..<column.width).map { position in
            let index = row * column.width + position
            return switch column.type {
            case .float32: unsafe Double(base.load(fromByteOffset: index * 4, as: Float.self))
            case .float64: unsafe base.load(fromByteOffset: index * 8, as: Double.self)
            default: unsafe Double(base.load(fromByteOffset: index * 8, as: Int64.self))
            }
        }
    }
}

func texts(_ column: PredictionColumn, rows: Int) -> [String] {
    guard let base = unsafe column.base else { return [] }
    let slices = unsafe base.assumingMemoryBound(to: TextSlice.self)
    return (0..<rows * column.width).map { index in
        let slice = unsafe slices[index]
        return unsafe String(
            decoding: UnsafeBufferPointer(start: slice.start, count: slice.count), as: UTF8.self)
    }
}

/// Scores rows with all outputs of a program of one input; the numbers of each output.
func run(_ program: TreeProgram, _ rows: [[Double]]) throws -> [[[Double]]] {
    let model = try TreeModel(program, path: "test")
    let session = try model.makeSession(
        outputs: model.signature.outputs.map(\.name), maxRows: rows.count)
    let features = FeatureColumns(
        columns: [try column(program.inputs[0], rows)], capacityRows: rows.count)
    try session.predict(features, rows: 0..<rows.count)
    #expect(session.predictions.rowCount == rows.count)
    return session.predictions.columns.map { numbers($0, rows: rows.count) }
}

/// The last output alone.
func last(of inputs: [ModelInput]? = nil, _ steps: [Step], _ rows: [[Double]]) throws -> [[Double]]
{
    let output = TreeProgram.Output(
        name: "y", content: .numbers(steps.count - 1, isFlat: false))
    let made =
        inputs.map { program(of: $0, steps, outputs: [output]) }
        ?? program(steps, outputs: [output])
    return try #require(try run(made, rows).first)
}

/// The message of what a body throws.
func failure(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return (error as? ModelError).map { "\($0.kind): \($0.message)" } ?? "\(error)"
    }
}

/// x0 < 0.5 gives 1 to target 0, else 10 to target 0; x1 likewise to the last target.
func twoStumps(targets: Int = 1, _ precision: TreeEnsemble.Precision = .float32) -> TreeEnsemble {
    var ensemble = TreeEnsemble(
        featureCount: 2, targetCount: targets, comparing: precision, summing: precision)
    for feature in 0..<2 {
        let low = ensemble.addLeaf(1, target: feature == 0 ? 0 : targets - 1)
        let high = ensemble.addLeaf(10, target: feature == 0 ? 0 : targets - 1)
        let node = ensemble.addSplit(
            feature: feature, .compare(.less, 0.5), missing: .left, left: .leaf(low),
            right: .leaf(high))
        ensemble.addTree(root: .node(node))
    }
    return ensemble
}
