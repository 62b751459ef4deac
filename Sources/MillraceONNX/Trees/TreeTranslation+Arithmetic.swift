import Glibc
import MillraceCore
import MillraceTrees

// Operations of the standard's own domain that compute.
extension TreeTranslation {
    static let standardOperations: [String: Make] = [
        "Abs": { t, node throws(TreesFailure) in try t.function(node, .absolute) },
        "Add": { t, node throws(TreesFailure) in try t.arithmetic(node, .add) },
        "ArgMax": { t, node throws(TreesFailure) in try t.argMax(node) },
        "Cast": { t, node throws(TreesFailure) in try t.cast(node) },
        "Concat": { t, node throws(TreesFailure) in try t.concatenate(node) },
        "Constant": { t, node throws(TreesFailure) in try t.constantValue(node) },
        "ConstantOfShape": { t, node throws(TreesFailure) in try t.constantOfShape(node) },
        "Div": { t, node throws(TreesFailure) in try t.arithmetic(node, .divide) },
        "Equal": { t, node throws(TreesFailure) in try t.equal(node) },
        "Exp": { t, node throws(TreesFailure) in try t.function(node, .exponential) },
        "Flatten": { t, node throws(TreesFailure) in try t.flatten(node) },
        "Gather": { t, node throws(TreesFailure) in try t.gather(node) },
        "Greater": { t, node throws(TreesFailure) in try t.compare(node, isGreater: true) },
        "Identity": { t, node throws(TreesFailure) in try t.value(node, 0) },
        "Less": { t, node throws(TreesFailure) in try t.compare(node, isGreater: false) },
        "Log": { t, node throws(TreesFailure) in try t.function(node, .log) },
        "LpNormalization": { t, node throws(TreesFailure) in try t.normalizeRows(node) },
        "Max": { t, node throws(TreesFailure) in
            throw .declined("computes with something else than the leaves of one tree")
        },
        "Mean": { t, node throws(TreesFailure) in try t.sum(node, isMean: true) },
        "Mul": { t, node throws(TreesFailure) in try t.arithmetic(node, .multiply) },
        "Neg": { t, node throws(TreesFailure) in try t.function(node, .negative) },
        "Not": { t, node throws(TreesFailure) in try t.not(node) },
        "Pow": { t, node throws(TreesFailure) in try t.power(node) },
        "ReduceMean": { t, node throws(TreesFailure) in try t.reduce(node, isMean: true) },
        "ReduceSum": { t, node throws(TreesFailure) in try t.reduce(node, isMean: false) },
        "Reshape": { t, node throws(TreesFailure) in try t.reshape(node) },
        "Shape": { t, node throws(TreesFailure) in try t.shape(node) },
        "Sigmoid": { t, node throws(TreesFailure) in try t.function(node, .sigmoid) },
        "Slice": { t, node throws(TreesFailure) in try t.slice(node) },
        "Softmax": { t, node throws(TreesFailure) in try t.softmax(node) },
        "Softplus": { t, node throws(TreesFailure) in try t.function(node, .softplus) },
        "Sqrt": { t, node throws(TreesFailure) in try t.function(node, .squareRoot) },
        "Squeeze": { t, node throws(TreesFailure) in try t.squeeze(node) },
        "Sub": { t, node throws(TreesFailure) in try t.arithmetic(node, .subtract) },
        "Sum": { t, node throws(TreesFailure) in try t.sum(node, isMean: false) },
        "Unsqueeze": { t, node throws(TreesFailure) in try t.unsqueeze(node) },
        "Where": { t, node throws(TreesFailure) in try t.select(node) },
    ]

    /// Numbers that a step made, of the same shape and type as others.
    private func made(_ matrix: TreeProgram.Matrix, like: Numbers) -> Numbers {
        var result = like
        result.source = .step(matrix, number(of: like))
        result.bound = nil
        return result
    }

    private mutating func function(
        _ node: Node, _ function: TreeProgram.Function
    ) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        guard data.type.isFloatingPoint else {
            throw .declined("reads numbers of type \(data.type)")
        }
        let matrix = try matrix(data)
        return .numbers(made(try add(.function(matrix, function), width: data.width), like: data))
    }

    private mutating func softmax(_ node: Node) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        let axis = try node.attributes.integer("axis") ?? (node.version < 13 ? 1 : -1)
        guard data.type.isFloatingPoint, data.layout == .matrix, axis == 1 || axis == -1 else {
            throw .declined("reads no matrix, or goes along the records")
        }
        let matrix = try matrix(data)
        return .numbers(
            made(try add(.rowFunction(matrix, .softmax), width: data.width), like: data))
    }

    private mutating func normalizeRows(_ node: Node) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        let axis = try node.attributes.integer("axis") ?? -1
        guard data.type.isFloatingPoint, data.layout == .matrix, axis == 1 || axis == -1,
            try node.attributes.integer("p") ?? 2 == 1
        else { throw .declined("reads no matrix, or has another norm than L1") }
        let matrix = try matrix(data)
        return .numbers(
            made(
                try add(.rowFunction(matrix, .normalized(.l1)), width: data.width), like: data))
    }

    private mutating func argMax(_ node: Node) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        let axis = try node.attributes.integer("axis") ?? 0
        guard data.layout == .matrix, axis == 1 || axis == -1,
            try node.attributes.integer("select_last_index") ?? 0 == 0
        else { throw .declined("reads no matrix, or goes along the records") }
        let isKept = try node.attributes.integer("keepdims") ?? 1 != 0
        let matrix = try matrix(data)
        return .numbers(
            Numbers(
                source: .step(try add(.greatest(matrix), width: 1), .int64), width: 1, type: .int64,
                layout: isKept ? .matrix : .flat, bound: data.width))
    }

    // MARK: - Two operands

    private mutating func arithmetic(
        _ node: Node, _ operation: TreeProgram.Arithmetic
    ) throws(TreesFailure) -> Value {
        let first = try value(node, 0)
        let second = try value(node, 1)
        if case .constant(let tensor) = second {
            return .numbers(try with(try numbers(node, 0), operation, tensor))
        }
        guard case .constant(let tensor) = first else {
            return .numbers(
                try combine(try numbers(node, 0), operation, try numbers(node, 1)))
        }
        let data = try numbers(node, 1)
        switch operation {
        case .add, .multiply: return .numbers(try with(data, operation, tensor))
        case .subtract:
            let matrix = try matrix(data)
            let negated = made(
                try add(.function(matrix, .negative), width: data.width), like: data)
            return .numbers(try with(negated, .add, tensor))
        case .divide:
            guard data.type.isFloatingPoint else { throw .declined("divides whole numbers") }
            let zeros = try zeros(like: data)
            return .numbers(try combine(try with(zeros, .add, tensor), .divide, data))
        }
    }

    /// A constant to the power of numbers.
    private mutating func power(_ node: Node) throws(TreesFailure) -> Value {
        guard case .constant(let tensor) = try value(node, 0), tensor.count == 1,
            let base = tensor.numbers.first, base > 0, base.isFinite, base != 1
        else { throw .declined("does not raise one number above 0, other than 1, to a power") }
        let data = try numbers(node, 1)
        guard data.type == .float32, tensor.type == .float32, data.layout == .matrix,
            tensor.dimensions.count <= 2
        else { throw .declined("reads no matrix of float32") }
        var matrix = try matrix(data, as: .float64)
        matrix = try add(
            .arithmetic(matrix, .multiply, constants: [log(base)]), width: data.width)
        matrix = try add(.function(matrix, .exponential), width: data.width)
        return .numbers(made(try add(.cast(matrix, to: .float32), width: data.width), like: data))
    }

    /// Zeros, one for each of the numbers.
    private mutating func zeros(like data: Numbers) throws(TreesFailure) -> Numbers {
        let matrix = try matrix(data)
        return made(
            try add(.function(matrix, .greater(than: .infinity)), width: data.width), like: data)
    }

    /// Arithmetic with a constant behind.
    private mutating func with(
        _ data: Numbers, _ operation: TreeProgram.Arithmetic, _ tensor: OnnxTensor
    ) throws(TreesFailure) -> Numbers {
        guard tensor.type == data.type, let constants = tensor.asNumbers,
            data.type.isFloatingPoint || (data.type == .int64 && operation != .divide)
        else { throw .declined("computes with \(data.type) and \(tensor.type)") }
        let data = try fitted(data, to: tensor)
        let matrix = try matrix(data)
        return made(
            try add(.arithmetic(matrix, operation, constants: constants), width: data.width),
            like: data)
    }

    /// The numbers, repeated where the constant has more columns.
    private mutating func fitted(
        _ data: Numbers, to tensor: OnnxTensor
    ) throws(TreesFailure) -> Numbers {
        let dimensions = tensor.dimensions
        let rank = data.layout == .flat ? 1 : 2
        guard dimensions.count <= rank, dimensions.dropLast().allSatisfy({ $0 == 1 }),
            data.layout != .transposed
        else { throw .declined("computes with a constant of shape \(dimensions)") }
        let width = dimensions.last ?? 1
        if width == 1 || width == data.width && rank == 2 { return data }
        guard data.width == 1, rank == 2, width > 0, width <= columnLimit else {
            throw .declined(
                "computes with a constant of shape \(dimensions) and \(data.width) columns")
        }
        return try pick(data, Array(repeating: 0, count: width))
    }

    private var columnLimit: Int { 1 << 16 }

    private mutating func combine(
        _ first: Numbers, _ operation: TreeProgram.Arithmetic, _ second: Numbers
    ) throws(TreesFailure) -> Numbers {
        guard first.type == second.type, first.layout == second.layout,
            first.layout != .transposed, first.type.isFloatingPoint,
            number(of: first) == number(of: second)
        else { throw .declined("computes with tensors of different ranks or types") }
        guard first.width == second.width || min(first.width, second.width) == 1 else {
            throw .declined("computes with \(first.width) and \(second.width) columns")
        }
        let width = max(first.width, second.width)
        let repeated = Array(repeating: 0, count: width)
        let a = first.width == width ? first : try pick(first, repeated)
        let b = second.width == width ? second : try pick(second, repeated)
        let (left, right) = (try matrix(a), try matrix(b))
        return made(try add(.combine(left, operation, right), width: width), like: a)
    }

    // MARK: - Sums

    private mutating func sum(_ node: Node, isMean: Bool) throws(TreesFailure) -> Value {
        var parts: [Numbers] = []
        for index in node.inputs.indices { parts.append(try numbers(node, index)) }
        return .numbers(try sum(parts, isMean: isMean))
    }

    private mutating func sum(_ parts: [Numbers], isMean: Bool) throws(TreesFailure) -> Numbers {
        guard var result = parts.first else { throw .declined("has no inputs") }
        for part in parts.dropFirst() { result = try combine(result, .add, part) }
        guard isMean else { return result }
        let count = OnnxTensor(
            type: result.type, dimensions: [], numbers: [Double(parts.count)])
        return try with(result, .divide, count)
    }

    private mutating func reduce(_ node: Node, isMean: Bool) throws(TreesFailure) -> Value {
        let axes = try axes(node)
        let isKept = try node.attributes.integer("keepdims") ?? 1 != 0
        if case .stack(let parts) = try value(node, 0) {
            guard axes == [0], !isKept else { throw .declined("has the axes \(axes ?? [])") }
            return .numbers(try sum(parts, isMean: isMean))
        }
        let data = try numbers(node, 0)
        guard data.layout == .matrix, axes == [1] || axes == [-1], data.type.isFloatingPoint else {
            throw .declined("has the axes \(axes ?? [])")
        }
        var columns: [Numbers] = []
        for column in 0..<data.width { columns.append(try pick(data, [column])) }
        var result = try sum(columns, isMean: isMean)
        result.layout = isKept ? .matrix : .flat
        return .numbers(result)
    }

    // MARK: - Conditions, numbers of 0 and 1

    private mutating func compare(_ node: Node, isGreater: Bool) throws(TreesFailure) -> Value {
        var data = try numbers(node, 0)
        guard let tensor = try constant(node, 1), tensor.type == data.type, tensor.count == 1,
            tensor.dimensions.count <= (data.layout == .flat ? 1 : 2),
            let limit = tensor.asNumbers?.first, data.layout != .transposed
        else { throw .declined("compares with something else than one number") }
        var matrix = try matrix(data)
        let comparison: TreeProgram.Function =
            isGreater ? .greater(than: limit) : .less(than: limit)
        matrix = try add(.function(matrix, comparison), width: data.width)
        data = made(matrix, like: data)
        data.type = .bool
        data.bound = 2
        return .numbers(data)
    }

    private mutating func not(_ node: Node) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        guard data.type == .bool else { throw .declined("reads numbers of type \(data.type)") }
        return .numbers(try inverted(data))
    }

    private mutating func inverted(_ data: Numbers) throws(TreesFailure) -> Numbers {
        var matrix = try matrix(data)
        matrix = try add(.function(matrix, .negative), width: data.width)
        var result = made(
            try add(.arithmetic(matrix, .add, constants: [1]), width: data.width), like: data)
        result.bound = 2
        return result
    }

    private mutating func equal(_ node: Node) throws(TreesFailure) -> Value {
        guard case .numbers(var data) = try value(node, 0), var tensor = try constant(node, 1),
            tensor.type == data.type
        else { throw .declined("compares something else than numbers with a constant") }
        switch data.type {
        case .int32:
            // A constant at the edge of int32 may stand for numbers beyond it.
            guard tensor.integers.allSatisfy({ $0.magnitude < 1 << 31 }) else {
                throw .declined("compares with a number at the edge of int32")
            }
            data.type = .int64
            tensor = OnnxTensor(
                type: .int64, dimensions: tensor.dimensions, integers: tensor.integers)
        case .int64: break
        case .float32, .float64:
            // An infinity less itself is no 0.
            guard tensor.numbers.allSatisfy(\.isFinite) else {
                throw .declined("compares with a number that is not finite")
            }
        default: throw .declined("compares numbers of type \(data.type)")
        }
        return .numbers(try inverted(try truth(try with(data, .subtract, tensor))))
    }

    /// Whether numbers are not 0; NaN is not.
    mutating func truth(_ data: Numbers) throws(TreesFailure) -> Numbers {
        let matrix = try add(.function(try matrix(data), .nonzero), width: data.width)
        var result = made(matrix, like: data)
        result.type = .bool
        result.bound = 2
        result.isLoose = false
        return result
    }

    private mutating func constantOfShape(_ node: Node) throws(TreesFailure) -> Value {
        guard case .shape(let width) = try value(node, 0) else {
            throw .declined("has no shape of a matrix")
        }
        let tensor =
            try node.attributes.tensor("value")
            ?? OnnxTensor(type: .float32, dimensions: [1], numbers: [0])
        guard tensor.count == 1 else { throw .declined("holds \(tensor.count) numbers") }
        return .filled(tensor.reshaped([]), width: width)
    }

    /// One floating-point number, and the columns of the tensor that it fills.
    private mutating func choice(
        _ node: Node, _ index: Int
    ) throws(TreesFailure) -> (OnnxTensor, width: Int) {
        switch try value(node, index) {
        case .constant(let tensor) where tensor.count == 1 && tensor.dimensions.count <= 2:
            (tensor, 1)
        case .filled(let tensor, let width): (tensor, width)
        default: throw .declined("does not choose between two numbers")
        }
    }

    /// Where a condition chooses between two constants.
    private mutating func select(_ node: Node) throws(TreesFailure) -> Value {
        var condition = try numbers(node, 0)
        let (first, firstWidth) = try choice(node, 1)
        let (second, secondWidth) = try choice(node, 2)
        guard condition.type == .bool, condition.layout == .matrix, first.type == second.type,
            let a = first.numbers.first, let b = second.numbers.first, a.isFinite, b.isFinite
        else { throw .declined("does not choose between two numbers") }
        let width = max(condition.width, firstWidth, secondWidth)
        guard [condition.width, firstWidth, secondWidth].allSatisfy({ $0 == 1 || $0 == width })
        else { throw .declined("chooses between different numbers of columns") }
        if condition.width < width {
            condition = try pick(condition, Array(repeating: 0, count: width))
        }
        let type: TreeProgram.Number = first.type == .float32 ? .float32 : .float64
        var chosen = condition
        chosen.source = .step(try matrix(condition, as: type), type)
        chosen.type = first.type
        chosen.bound = nil
        var other = try inverted(condition)
        other.source = .step(try matrix(other, as: type), type)
        other.type = first.type
        other.bound = nil
        let number = { OnnxTensor(type: first.type, dimensions: [], numbers: [$0]) }
        return .numbers(
            try combine(
                try with(chosen, .multiply, number(a)), .add, try with(other, .multiply, number(b)))
        )
    }
}
