import MillraceCore

/// A program of which every step is known to be sound, with its ensembles laid out.
struct CheckedProgram: Sendable {
    /// Type and width of the matrix that a step makes.
    struct Shape: Sendable, Equatable {
        let number: TreeProgram.Number
        let width: Int
    }

    /// The ensembles of its steps are empty: `layouts` has them.
    let program: TreeProgram
    /// By step.
    let shapes: [Shape]
    /// By step.
    let layouts: [Int: TreeLayout]

    /// - Parameter path: for messages.
    init(_ program: consuming TreeProgram, path: String) throws(ModelError) {
        var checker = ProgramChecker(program, path: path)
        try checker.checkInputs()
        for index in program.steps.indices {
            try checker.check(program.steps[index])
            program.emptyEnsemble(of: index)
        }
        try checker.checkOutputs(program.outputs)
        shapes = checker.shapes
        layouts = checker.layouts
        self.program = program
    }
}

/// Follows the steps of a program and refuses what cannot be run.
private struct ProgramChecker {
    typealias Shape = CheckedProgram.Shape

    /// Columns of one matrix, and of all together: joins of joins grow without end.
    private static let widthLimit = 1 << 20
    private static let columnLimit = 1 << 22

    private let inputs: [ModelInput]
    private let path: String
    private var columns = 0
    private(set) var shapes: [Shape] = []
    private(set) var layouts: [Int: TreeLayout] = [:]

    init(_ program: borrowing TreeProgram, path: String) {
        inputs = program.inputs
        self.path = path
    }

    func checkInputs() throws(ModelError) {
        guard !inputs.isEmpty else {
            throw ModelError(.unsupported, "\(path): the model has no inputs")
        }
        guard Set(inputs.map(\.name)).count == inputs.count else {
            throw ModelError(.invalid, "\(path): two inputs of the model have one name")
        }
        for input in inputs {
            guard let width = input.width else {
                throw ModelError(
                    .unsupported, "\(path): input '\(input.name)' leaves its width open")
            }
            guard width > 0, width <= Self.widthLimit else {
                throw ModelError(
                    .unsupported,
                    "\(path): input '\(input.name)' has \(width) values a row, "
                        + "not 1 to \(Self.widthLimit)")
            }
        }
    }

    mutating func check(_ step: TreeProgram.Step) throws(ModelError) {
        let shape = try shape(of: step)
        guard shape.width > 0 else { throw invalid("makes no column") }
        columns += min(shape.width, Self.widthLimit + 1)
        guard shape.width <= Self.widthLimit, columns <= Self.columnLimit else {
            throw ModelError(
                .unsupported, "\(path): \(place) makes \(shape.width) columns, which is too many")
        }
        shapes.append(shape)
    }

    private mutating func shape(of step: TreeProgram.Step) throws(ModelError) -> Shape {
        switch step {
        case .input(let index, let number): return try input(index, number)
        case .cast(let matrix, let number):
            return Shape(number: number, width: try read(matrix).width)
        case .encodeTexts(let index, _):
            guard inputs.indices.contains(index), inputs[index].type == .string else {
                throw invalid("looks up texts of an input that has none")
            }
            return Shape(number: .float64, width: inputs[index].width ?? 0)
        case .encodeNumbers(let matrix, _):
            let shape = try read(matrix)
            guard shape.number == .float64 else { throw invalid("looks up numbers not of float64") }
            return shape
        case .join(let matrices): return try join(matrices)
        case .pick(let matrix, let columns): return try pick(matrix, columns)
        case .impute(let matrix, _, let values):
            let shape = try read(matrix)
            try checkConstants(values, shape)
            return shape
        case .arithmetic(let matrix, let operation, let constants):
            let shape = try read(matrix)
            try checkConstants(constants, shape)
            if shape.number == .int64, operation == .divide, constants.contains(0) {
                throw invalid("divides whole numbers by zero")
            }
            return shape
        case .trees(let matrix, let ensemble): return try trees(matrix, ensemble)
        case .function(let matrix, let function):
            let shape = try read(matrix)
            if !function.takesWholeNumbers { try checkReal(shape) }
            return shape
        case .rowFunction(let matrix, _):
            let shape = try read(matrix)
            try checkReal(shape)
            return shape
        case .combine(let first, _, let second):
            let shape = try read(first)
            guard try read(second) == shape else {
                throw invalid("combines matrices of different widths or types")
            }
            return shape
        case .greatest(let matrix):
            _ = try read(matrix)
            return Shape(number: .int64, width: 1)
        case .complement(let matrix), .opposite(let matrix):
            let shape = try read(matrix)
            guard shape.width == 1 else {
                throw invalid("needs one column, not \(shape.width)")
            }
            return Shape(number: shape.number, width: 2)
        }
    }

    private func input(
        _ index: Int, _ number: TreeProgram.Number
    ) throws(ModelError) -> Shape {
        guard inputs.indices.contains(index) else {
            throw invalid("reads input \(index) of \(inputs.count)")
        }
        guard inputs[index].type != .string else {
            throw ModelError(
                .unsupported,
                "\(path): \(place) reads input '\(inputs[index].name)', which is text, as numbers")
        }
        return Shape(number: number, width: inputs[index].width ?? 0)
    }

    private func join(_ matrices: [Int]) throws(ModelError) -> Shape {
        guard let first = matrices.first else { throw invalid("joins nothing") }
        let number = try read(first).number
        var width = 0
        for matrix in matrices {
            let shape = try read(matrix)
            guard shape.number == number else { throw invalid("joins different types") }
            width += shape.width
            guard width <= Self.widthLimit else { break }
        }
        return Shape(number: number, width: width)
    }

    private func pick(_ matrix: Int, _ columns: [Int]) throws(ModelError) -> Shape {
        let shape = try read(matrix)
        for column in columns where !(0..<shape.width).contains(column) {
            throw invalid("picks column \(column) of \(shape.width)")
        }
        return Shape(number: shape.number, width: columns.count)
    }

    private mutating func trees(
        _ matrix: Int, _ ensemble: TreeEnsemble
    ) throws(ModelError) -> Shape {
        let shape = try read(matrix)
        let comparing: TreeProgram.Number = ensemble.comparing == .float32 ? .float32 : .float64
        guard shape.number == comparing else {
            throw invalid("compares \(comparing) numbers, but its matrix has \(shape.number)")
        }
        guard shape.width == ensemble.featureCount else {
            throw invalid(
                "has trees of \(ensemble.featureCount) features for \(shape.width) columns")
        }
        guard ensemble.targetCount > 0 else { throw invalid("has trees without a target") }
        // A scorer keeps something a feature, too.
        columns += min(ensemble.featureCount, Self.widthLimit)
        do {
            layouts[shapes.count] = try TreeLayout(ensemble)
        } catch {
            throw ModelError(.invalid, "\(path): \(error.message)")
        }
        return Shape(
            number: ensemble.summing == .float32 ? .float32 : .float64,
            width: ensemble.targetCount)
    }

    /// The shape of a matrix that is there when the next step runs.
    private func read(_ matrix: Int) throws(ModelError) -> Shape {
        guard shapes.indices.contains(matrix) else {
            throw invalid("reads step \(matrix), which is none before it")
        }
        return shapes[matrix]
    }

    private func checkReal(_ shape: Shape) throws(ModelError) {
        guard shape.number != .int64 else { throw invalid("needs floating-point numbers") }
    }

    private func checkConstants(_ values: [Double], _ shape: Shape) throws(ModelError) {
        guard values.count == 1 || values.count == shape.width else {
            throw invalid("has \(values.count) constants for \(shape.width) columns")
        }
        guard shape.number == .int64 else { return }
        for value in values where Int64(exactly: value) == nil {
            throw invalid("has the constant \(value) for whole numbers")
        }
    }

    func checkOutputs(_ outputs: [TreeProgram.Output]) throws(ModelError) {
        guard !outputs.isEmpty else {
            throw ModelError(.unsupported, "\(path): the model has no outputs")
        }
        guard Set(outputs.map(\.name)).count == outputs.count else {
            throw ModelError(.invalid, "\(path): two outputs of the model have one name")
        }
        for output in outputs {
            let place = "\(path): output '\(output.name)'"
            guard shapes.indices.contains(output.matrix) else {
                throw ModelError(
                    .invalid, "\(place) is step \(output.matrix) of \(shapes.count)")
            }
            let shape = shapes[output.matrix]
            if let labels = output.classLabels, labels.count != shape.width {
                throw ModelError(
                    .invalid, "\(place) has \(shape.width) columns for \(labels.count) classes")
            }
            guard case .labels(_, let labels) = output.content else { continue }
            guard shape.number == .int64 else {
                throw ModelError(.invalid, "\(place) takes labels by \(shape.number) numbers")
            }
            guard let first = labels.first else {
                throw ModelError(.invalid, "\(place) has no labels")
            }
            guard labels.allSatisfy({ $0.isText == first.isText }) else {
                throw ModelError(.invalid, "\(place) mixes numbers and texts as labels")
            }
        }
    }

    private var place: String { "step \(shapes.count)" }

    private func invalid(_ what: String) -> ModelError {
        ModelError(.invalid, "\(path): \(place) \(what)")
    }
}

extension TreeProgram.Function {
    /// Whether it is a function of int64 numbers too.
    fileprivate var takesWholeNumbers: Bool {
        switch self {
        case .absolute, .negative, .greater, .less, .nonzero: true
        default: false
        }
    }
}

extension TreeProgram.Output {
    /// The matrix that it shows.
    var matrix: TreeProgram.Matrix {
        switch content {
        case .numbers(let matrix, _), .labels(let matrix, _): matrix
        }
    }
}

extension ClassLabel {
    var isText: Bool {
        switch self {
        case .integer: false
        case .text: true
        }
    }
}
