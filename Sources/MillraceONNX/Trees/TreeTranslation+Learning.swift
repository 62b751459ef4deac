import MillraceCore
import MillraceTrees

// Operations of ai.onnx.ml that stand around tree ensembles.
extension TreeTranslation {
    static let learningOperations: [String: Make] = [
        "ArrayFeatureExtractor": { t, node throws(TreesFailure) in try t.extract(node) },
        "Imputer": { t, node throws(TreesFailure) in try t.impute(node) },
        "LabelEncoder": { t, node throws(TreesFailure) in
            throw .declined("encodes something else than the leaves of one tree")
        },
        "Normalizer": { t, node throws(TreesFailure) in try t.normalize(node) },
        "Scaler": { t, node throws(TreesFailure) in try t.scale(node) },
    ]

    private mutating func extract(_ node: Node) throws(TreesFailure) -> Value {
        if case .constant(let data) = try value(node, 0) {
            let index = try numbers(node, 1)
            guard
                data.dimensions.count == 1
                    || (data.dimensions.count == 2 && data.dimensions[0] == 1)
            else { throw .declined("takes labels from a tensor of shape \(data.dimensions)") }
            return .labels(try labels(data, at: index, layout: .transposed))
        }
        let data = try numbers(node, 0)
        guard data.layout == .matrix, let indices = try constant(node, 1) else {
            throw .declined("takes columns of something that is no matrix")
        }
        return .numbers(try pick(data, indices.integers.map { Int($0) }))
    }

    /// Labels by index, as `ArgMax` makes it.
    mutating func labels(
        _ data: OnnxTensor, at index: Numbers, layout: Layout
    ) throws(TreesFailure) -> Labels {
        guard let bound = index.bound, index.width == 1, bound <= data.count,
            index.layout != .transposed
        else { throw .declined("chooses labels by numbers that are no indices of theirs") }
        let labels =
            switch data.type {
            // No more than can be chosen: a file may choose from one long constant many times.
            case .string: data.texts.prefix(bound).map { ClassLabel.text($0) }
            case .int32, .int64: data.integers.prefix(bound).map { ClassLabel.integer($0) }
            default: throw TreesFailure.declined("chooses labels of type \(data.type)")
            }
        return Labels(
            index: try matrix(index, as: .int64), labels: labels, type: data.type, layout: layout)
    }

    mutating func pick(_ data: Numbers, _ columns: [Int]) throws(TreesFailure) -> Numbers {
        guard !columns.isEmpty, columns.allSatisfy({ 0..<data.width ~= $0 }) else {
            throw .declined("takes columns that its input of \(data.width) columns does not have")
        }
        var result = data
        result.width = columns.count
        if columns.count == data.width && columns.elementsEqual(0..<data.width) { return result }
        let from = try matrix(data)
        result.source = .step(
            try add(.pick(from, columns: columns), width: columns.count), number(of: data))
        return result
    }

    /// Where the operation's output is float32 whatever its input.
    private mutating func floating(_ numbers: Numbers) throws(TreesFailure) -> TreeProgram.Matrix {
        switch numbers.type {
        case .float32, .int64, .int32: try matrix(numbers, as: .float32)
        case .float64: try matrix(numbers)
        default: throw .declined("reads numbers of type \(numbers.type)")
        }
    }

    private mutating func scale(_ node: Node) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        guard data.layout == .matrix else { throw .declined("reads no matrix") }
        var result = try floating(data)
        for (name, operation) in [
            ("offset", TreeProgram.Arithmetic.subtract), ("scale", .multiply),
        ] {
            let constants = try node.attributes.numbers(name) ?? []
            guard constants.count == 1 || constants.count == data.width else {
                throw .declined("has \(constants.count) numbers for \(data.width) columns")
            }
            result = try add(
                .arithmetic(result, operation, constants: constants), width: data.width)
        }
        return .numbers(try single(result, data))
    }

    /// The matrix as float32 numbers of the same shape as others.
    private mutating func single(
        _ matrix: TreeProgram.Matrix, _ like: Numbers
    ) throws(TreesFailure) -> Numbers {
        var result = like
        let isDouble = like.type == .float64
        result.source = .step(
            isDouble ? try add(.cast(matrix, to: .float32), width: like.width) : matrix, .float32)
        result.type = .float32
        result.bound = nil
        return result
    }

    private mutating func normalize(_ node: Node) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        guard data.layout == .matrix, data.type == .float32 else {
            throw .declined("reads no matrix of float32")
        }
        let norm: TreeProgram.Norm
        switch try node.attributes.text("norm") ?? "MAX" {
        case "MAX": norm = .max
        case "L1": norm = .l1
        case "L2": norm = .l2
        case let other: throw .invalid("attribute 'norm' is '\(printable(other, limit: 40))'")
        }
        let matrix = try matrix(data)
        var result = data
        result.source = .step(
            try add(.rowFunction(matrix, .normalized(norm)), width: data.width), .float32)
        result.bound = nil
        return .numbers(result)
    }

    private mutating func impute(_ node: Node) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        let values = try node.attributes.numbers("imputed_value_floats") ?? []
        guard data.type == .float32, data.layout == .matrix,
            values.count == 1 || values.count == data.width
        else { throw .declined("has \(values.count) float32 values for \(data.width) columns") }
        let replaced = try node.attributes.number("replaced_value_float") ?? 0
        let matrix = try matrix(data)
        var result = data
        result.source = .step(
            try add(.impute(matrix, replaced: replaced, values: values), width: data.width),
            .float32)
        result.bound = nil
        return .numbers(result)
    }
}
