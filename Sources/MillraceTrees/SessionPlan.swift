import MillraceCore

/// The operations of a session in their order, and where they read and write.
@safe final class SessionPlan {
    /// One an output; they point at the results for good.
    private(set) var columns: [PredictionColumn] = []

    private let memory: MatrixMemory
    private var bindings: [Binding] = []
    private var operations: [Operation] = []

    private let checked: CheckedProgram
    private let maxRows: Int
    private let path: String
    /// By step, those that the outputs need.
    private var places: [Int: MatrixPlace] = [:]
    /// How often a step's matrix is read, outputs included.
    private var uses: [Int]
    private var viewCount = 0

    init(
        _ checked: CheckedProgram, outputs: [TreeProgram.Output], maxRows: Int, path: String
    ) throws(ModelError) {
        self.checked = checked
        self.maxRows = maxRows
        self.path = path
        let steps = checked.program.steps
        uses = steps.map { _ in 0 }
        var views = 0
        for output in outputs {
            // Twice, so that nothing is written over its matrix.
            uses[output.matrix] += 2
            views += checked.shapes[output.matrix].width
        }
        for index in steps.indices.reversed() where uses[index] > 0 {
            for matrix in steps[index].reads { uses[matrix] += 1 }
            views += checked.shapes[index].width
            // An input of another type has as many of its own.
            if case .input(let input, let number) = steps[index],
                checked.program.inputs[input].type == number.elementType
            {
                continue
            }
            views += checked.shapes[index].width
        }
        memory = MatrixMemory(viewCount: views)
        for index in steps.indices where uses[index] > 0 {
            places[index] = try place(of: steps[index], index)
        }
        for output in outputs { try add(output) }
    }

    /// Points all views at the columns, which have the types and shapes of the inputs.
    func bind(_ columns: [FeatureColumn], start: Int) {
        for index in bindings.indices {
            unsafe bindings[index].run(columns, start: start, views: memory.views)
        }
    }

    /// False where a label was asked for that there is not.
    func run(rows: Int) -> Bool {
        for index in operations.indices {
            guard unsafe operations[index].run(rows: rows, views: memory.views) else {
                return false
            }
        }
        return true
    }

    private func place(
        of step: TreeProgram.Step, _ index: Int
    ) throws(ModelError) -> MatrixPlace {
        let shape = checked.shapes[index]
        switch step {
        case .input(let input, _): return try self.input(input, shape)
        case .cast(let matrix, let number):
            let from = try read(matrix)
            guard from.number != number else {
                return view(shape) { first in
                    unsafe [.copy(from: from.first, first: first, width: from.width)]
                }
            }
            return try unsafe add(.convert, from, shape)
        case .encodeTexts(let input, let list): return try look(up: input, shape, in: list)
        case .encodeNumbers(let matrix, let list):
            return try unsafe add(.placesOfNumbers(NumberTable(list)), read(matrix), shape)
        case .join(let matrices):
            var parts: [(first: Int, width: Int)] = []
            for matrix in matrices {
                let from = try read(matrix)
                parts.append((from.first, from.width))
            }
            return view(shape) { first in
                var next = first
                return parts.map { part in
                    defer { next += part.width }
                    return .copy(from: part.first, first: next, width: part.width)
                }
            }
        case .pick(let matrix, let columns):
            let from = try read(matrix)
            return view(shape) { first in
                unsafe [.pick(from: from.first, columns: columns, first: first)]
            }
        case .impute(let matrix, let replaced, let values):
            let from = try read(matrix)
            // No whole number equals it.
            if shape.number == .int64, Int64(exactly: replaced) == nil {
                return try unsafe add(.convert, from, shape)
            }
            return try unsafe add(
                .impute(replaced: replaced), from, shape, constants: values,
                into: reusable(matrix))
        case .arithmetic(let matrix, let arithmetic, let constants):
            return try unsafe add(
                .arithmetic(arithmetic), read(matrix), shape, constants: constants,
                into: reusable(matrix))
        case .trees(let matrix, _):
            guard let layout = checked.layouts[index] else { throw broken }
            return try unsafe add(.trees(TreeScorer(layout)), read(matrix), shape)
        case .function(let matrix, let function):
            return try unsafe add(
                .function(function), read(matrix), shape, into: reusable(matrix))
        case .rowFunction(let matrix, let function):
            var from = try read(matrix)
            if unsafe reusable(matrix) == nil { from = try unsafe add(.convert, from, shape) }
            return try unsafe add(.rowFunction(function), from, shape, into: from.base)
        case .combine(let matrix, let arithmetic, let second):
            return try unsafe add(
                .combine(arithmetic, second: read(second).first), read(matrix), shape,
                into: reusable(matrix))
        case .greatest(let matrix): return try unsafe add(.greatest, read(matrix), shape)
        case .complement(let matrix):
            return try unsafe add(.pair(isComplement: true), read(matrix), shape)
        case .opposite(let matrix):
            return try unsafe add(.pair(isComplement: false), read(matrix), shape)
        }
    }

    /// The places of an input's texts.
    private func look(
        up input: Int, _ shape: CheckedProgram.Shape, in list: [String?]
    ) throws(ModelError) -> MatrixPlace {
        let first = takeViews(shape.width)
        bindings.append(.input(input, first: first, width: shape.width))
        let texts = unsafe MatrixPlace(
            first: first, width: shape.width, number: shape.number, base: nil)
        return try unsafe add(.placesOfTexts(TextTable(list)), texts, shape, source: .string)
    }

    /// The input itself where it has the type that is wanted.
    private func input(
        _ index: Int, _ shape: CheckedProgram.Shape
    ) throws(ModelError) -> MatrixPlace {
        let type = checked.program.inputs[index].type
        let first = takeViews(shape.width)
        bindings.append(.input(index, first: first, width: shape.width))
        let place = unsafe MatrixPlace(
            first: first, width: shape.width, number: shape.number, base: nil)
        if type == shape.number.elementType { return place }
        return try unsafe add(.convert, place, shape, source: type)
    }

    private func takeViews(_ count: Int) -> Int {
        defer { viewCount += count }
        return viewCount
    }

    /// A matrix whose columns are those of others.
    private func view(
        _ shape: CheckedProgram.Shape, _ make: (_ first: Int) -> [Binding]
    ) -> MatrixPlace {
        let first = takeViews(shape.width)
        bindings += make(first)
        return unsafe MatrixPlace(
            first: first, width: shape.width, number: shape.number, base: nil)
    }

    /// Appends an operation; its results are a matrix of its own.
    private func add(
        _ work: Operation.Work, _ from: MatrixPlace, _ shape: CheckedProgram.Shape,
        source: ElementType? = nil, constants: [Double] = [],
        into reused: UnsafeMutableRawPointer? = nil
    ) throws(ModelError) -> MatrixPlace {
        let type = shape.number.elementType
        let base =
            if let reused = unsafe reused {
                unsafe reused
            } else {
                try unsafe block(width: shape.width, elementBytes: type.byteCount)
            }
        var operation = unsafe Operation(
            work: work, first: from.first, width: from.width,
            source: source ?? from.number.elementType, target: shape.number, base: base)
        if !constants.isEmpty {
            let all = (0..<shape.width).map { constants[constants.count == 1 ? 0 : $0] }
            unsafe operation.constants =
                switch shape.number {
                case .float32: unsafe memory.constants(all, as: Float.self)
                case .float64: unsafe memory.constants(all, as: Double.self)
                case .int64: unsafe memory.constants(all, as: Int64.self)
                }
        }
        operations.append(operation)
        let first = takeViews(shape.width)
        for column in 0..<shape.width {
            unsafe memory.views[first + column] = FeatureView(
                base: UnsafeRawPointer(base + column * type.byteCount),
                strideBytes: shape.width * type.byteCount)
        }
        return unsafe MatrixPlace(
            first: first, width: shape.width, number: shape.number, base: base)
    }

    /// The rows of a matrix that nobody else reads: the next step may write over them.
    private func reusable(_ matrix: Int) -> UnsafeMutableRawPointer? {
        unsafe uses[matrix] == 1 ? places[matrix]?.base : nil
    }

    private func add(_ output: TreeProgram.Output) throws(ModelError) {
        let from = try read(output.matrix)
        let shape = checked.shapes[output.matrix]
        let column: PredictionColumn
        switch output.content {
        case .numbers:
            column = PredictionColumn(
                name: output.name, type: shape.number.elementType, width: shape.width)
            let own = unsafe from.base == nil ? try unsafe add(.convert, from, shape) : from
            unsafe column.base = unsafe UnsafeRawPointer(own.base)
        case .labels(_, let labels):
            let isText = labels.first?.isText == true
            column = PredictionColumn(
                name: output.name, type: isText ? .string : .int64, width: shape.width)
            let base = try unsafe block(
                width: shape.width, elementBytes: column.type.byteCount)
            var operation = unsafe Operation(
                work: isText
                    ? .textLabels(count: labels.count) : .integerLabels(count: labels.count),
                first: from.first, width: from.width, source: .int64, target: .int64, base: base)
            unsafe operation.constants =
                isText ? try unsafe texts(labels) : try unsafe integers(labels)
            operations.append(operation)
            unsafe column.base = UnsafeRawPointer(base)
        }
        columns.append(column)
    }

    private func integers(_ labels: [ClassLabel]) throws(ModelError) -> UnsafeMutableRawPointer {
        let block = try unsafe block(width: labels.count, elementBytes: 8, rows: 1)
        let numbers = unsafe block.bindMemory(to: Int64.self, capacity: labels.count)
        for index in labels.indices {
            guard case .integer(let value) = labels[index] else { throw broken }
            unsafe (numbers + index).initialize(to: value)
        }
        return unsafe block
    }

    private func texts(_ labels: [ClassLabel]) throws(ModelError) -> UnsafeMutableRawPointer {
        let bytes = labels.map { Array($0.description.utf8) }
        var place = try unsafe block(
            width: bytes.reduce(0) { $0 + $1.count }, elementBytes: 1, rows: 1
        ).assumingMemoryBound(to: UInt8.self)
        let block = try unsafe block(
            width: labels.count, elementBytes: ElementType.string.byteCount, rows: 1)
        let slices = unsafe block.bindMemory(to: TextSlice.self, capacity: labels.count)
        for index in bytes.indices {
            for byte in bytes[index].indices {
                unsafe (place + byte).initialize(to: bytes[index][byte])
            }
            unsafe (slices + index).initialize(
                to: TextSlice(start: UnsafePointer(place), count: bytes[index].count))
            unsafe place += bytes[index].count
        }
        return unsafe block
    }

    private func block(
        width: Int, elementBytes: Int, rows: Int? = nil
    ) throws(ModelError) -> UnsafeMutableRawPointer {
        guard
            let block = unsafe memory.block(
                rows: rows ?? maxRows, width: width, elementBytes: elementBytes)
        else {
            throw ModelError(
                .unsupported,
                "\(path): \(width) numbers a row are too large for batches of \(maxRows) records;"
                    + " lower batch.max_records")
        }
        return unsafe block
    }

    private func read(_ matrix: Int) throws(ModelError) -> MatrixPlace {
        guard let place = places[matrix] else { throw broken }
        return place
    }

    /// Cannot be: ProgramCheck has seen to it.
    private var broken: ModelError {
        ModelError(.invalid, "\(path): the steps of the model do not fit together")
    }
}

extension TreeProgram.Step {
    /// The matrices that it reads.
    var reads: [TreeProgram.Matrix] {
        switch self {
        case .input, .encodeTexts: []
        case .cast(let matrix, _), .pick(let matrix, _), .impute(let matrix, _, _),
            .encodeNumbers(let matrix, _),
            .arithmetic(let matrix, _, _), .trees(let matrix, _), .function(let matrix, _),
            .rowFunction(let matrix, _), .greatest(let matrix), .complement(let matrix),
            .opposite(let matrix):
            [matrix]
        case .join(let matrices): matrices
        case .combine(let first, _, let second): [first, second]
        }
    }
}
