import MillraceCore
import MillraceTrees

// Operations of the standard's own domain that move numbers and do not change them.
extension TreeTranslation {
    mutating func cast(_ node: Node) throws(TreesFailure) -> Value {
        guard let code = try node.attributes.integer("to"),
            let type = Int32(exactly: code).flatMap({ ElementType(onnxCode: $0) })
        else { throw .declined("casts to a type that tree models do not have") }
        if case .labels(var labels) = try value(node, 0) {
            switch (labels.type, type) {
            case (.string, .string): return .labels(labels)
            case (.int64, .int64), (.int32, .int32), (.int32, .int64):
                labels.type = type
                return .labels(labels)
            case (.int32, .string), (.int64, .string):
                labels.labels = labels.labels.map { .text($0.description) }
                labels.type = .string
                return .labels(labels)
            default: break
            }
        }
        var data = try numbers(node, 0)
        if data.type == type { return .numbers(data) }
        let small: Set<ElementType> = [.bool, .int8, .int16, .int32, .uint8, .uint16]
        let target: TreeProgram.Number
        switch type {
        case .float32: target = .float32
        case .float64: target = .float64
        case .int64: target = .int64
        case .int32 where small.contains(data.type) || data.bound.map({ $0 <= 1 << 31 }) == true:
            target = .int64
        case .int32 where data.type.isFloatingPoint:
            target = .int64
            data.isLoose = true
        case .bool where data.type.isFloatingPoint: return .numbers(try truth(data))
        default: throw .declined("casts \(data.type) to \(type)")
        }
        data.source = .step(try matrix(data, as: target), target)
        data.type = type
        return .numbers(data)
    }

    mutating func concatenate(_ node: Node) throws(TreesFailure) -> Value {
        let axis = try node.attributes.integer("axis") ?? (node.version < 4 ? 1 : 0)
        if axis == 0 { return try concatenateStacks(node) }
        guard axis == 1 || axis == -1 else { throw .declined("has the axis \(axis)") }
        var parts: [Numbers] = []
        for index in node.inputs.indices { parts.append(try numbers(node, index)) }
        guard let first = parts.first else { throw .declined("has no inputs") }
        var width = 0
        var matrices: [TreeProgram.Matrix] = []
        let type = number(of: first)
        for part in parts {
            guard part.layout == .matrix, part.type == first.type, first.type != .bool else {
                throw .declined("puts things together that are not matrices of one type")
            }
            width += part.width
            matrices.append(try matrix(part, as: type))
        }
        guard parts.count > 1 else { return .numbers(first) }
        return .numbers(
            Numbers(
                source: .step(try add(.join(matrices), width: width), type), width: width,
                type: first.type))
    }

    private mutating func concatenateStacks(_ node: Node) throws(TreesFailure) -> Value {
        var all: [Numbers] = []
        for index in node.inputs.indices {
            guard case .stack(let parts) = try value(node, index) else {
                throw .declined("puts records behind each other")
            }
            for part in parts {
                guard part.width == all.first?.width ?? part.width,
                    part.type == all.first?.type ?? part.type
                else { throw .declined("puts matrices of different shapes or types together") }
                all.append(part)
            }
            guard all.count <= 1 << 16 else { throw .declined("has too many inputs") }
        }
        return .stack(all)
    }

    /// A value in another shape that has the same rows.
    mutating func reshape(_ node: Node) throws(TreesFailure) -> Value {
        guard let shape = try constant(node, 1)?.integers else {
            throw .declined("has no constant shape")
        }
        if case .constant(let tensor) = try value(node, 0) {
            return .constant(try reshaped(tensor, shape))
        }
        if case .labels(var labels) = try value(node, 0) {
            labels.layout = try layout(shape, width: 1, from: labels.layout)
            return .labels(labels)
        }
        var data = try numbers(node, 0)
        if shape.count == 3, shape[0] == 1, shape[1] == -1, shape[2] == Int64(data.width),
            data.layout == .matrix
        {
            return .stack([data])
        }
        data.layout = try layout(shape, width: data.width, from: data.layout)
        return .numbers(data)
    }

    private func layout(
        _ shape: [Int64], width: Int, from: Layout
    ) throws(TreesFailure) -> Layout {
        let keepsRows = shape.first == -1 || (shape.first == 0 && from != .transposed)
        switch shape.count {
        case 1 where keepsRows && width == 1 && (shape[0] == -1 || from == .flat): return .flat
        case 2 where keepsRows:
            if shape[1] == Int64(width) { return .matrix }
            if shape == [0, -1] { return .matrix }
            if shape[1] == 0 && from == .matrix { return .matrix }
        default: break
        }
        throw .declined("gives the shape \(shape), which may not keep the rows")
    }

    private func reshaped(
        _ tensor: OnnxTensor, _ shape: [Int64]
    ) throws(TreesFailure) -> OnnxTensor {
        var dimensions = shape.map { Int($0) }
        var known = 1
        for dimension in dimensions where dimension != -1 {
            let (next, overflow) = known.multipliedReportingOverflow(by: dimension)
            guard !overflow, dimension > 0 else {
                throw .declined("gives a constant the shape \(shape)")
            }
            known = next
        }
        let free = dimensions.indices.filter { dimensions[$0] == -1 }
        if free.count == 1 { dimensions[free[0]] = tensor.count / known }
        guard free.count < 2, dimensions.reduce(1, &*) == tensor.count else {
            throw .declined("gives a constant the shape \(shape)")
        }
        return tensor.reshaped(dimensions)
    }

    mutating func flatten(_ node: Node) throws(TreesFailure) -> Value {
        var data = try numbers(node, 0)
        guard try node.attributes.integer("axis") ?? 1 == 1, data.layout != .transposed else {
            throw .declined("does not keep the rows")
        }
        data.layout = .matrix
        return .numbers(data)
    }

    mutating func squeeze(_ node: Node) throws(TreesFailure) -> Value {
        let axes = try axes(node)
        func squeezed(_ layout: Layout, _ width: Int) throws(TreesFailure) -> Layout {
            switch layout {
            case .matrix where width == 1 && (axes == [1] || axes == [-1]): .flat
            case .transposed where axes == [0] || axes == [-2]: .flat
            default: throw .declined("has the axes \(axes ?? []), which may not keep the rows")
            }
        }
        if case .labels(var labels) = try value(node, 0) {
            labels.layout = try squeezed(labels.layout, 1)
            return .labels(labels)
        }
        var data = try numbers(node, 0)
        data.layout = try squeezed(data.layout, data.width)
        return .numbers(data)
    }

    mutating func unsqueeze(_ node: Node) throws(TreesFailure) -> Value {
        let axes = try axes(node)
        var data = try numbers(node, 0)
        guard data.layout == .flat, axes == [1] || axes == [-1] else {
            throw .declined("has the axes \(axes ?? []), which may not keep the rows")
        }
        data.layout = .matrix
        return .numbers(data)
    }

    /// An attribute, or since version 13 an input; nil where there is neither.
    mutating func axes(_ node: Node) throws(TreesFailure) -> [Int64]? {
        if let axes = try node.attributes.integers("axes") { return axes }
        return try constant(node, 1)?.integers
    }

    mutating func gather(_ node: Node) throws(TreesFailure) -> Value {
        let axis = try node.attributes.integer("axis") ?? 0
        if case .constant(let data) = try value(node, 0) {
            let index = try numbers(node, 1)
            guard axis == 0, data.dimensions.count == 1 else {
                throw .declined("takes labels from a tensor of shape \(data.dimensions)")
            }
            return .labels(try labels(data, at: index, layout: index.layout))
        }
        let data = try numbers(node, 0)
        guard data.layout == .matrix, axis == 1 || axis == -1,
            let indices = try constant(node, 1), indices.dimensions.count < 2
        else { throw .declined("takes something else than columns of a matrix") }
        var picked = try pick(
            data, indices.integers.map { Int($0 < 0 ? $0 &+ Int64(data.width) : $0) })
        if indices.dimensions.isEmpty { picked.layout = .flat }
        return .numbers(picked)
    }

    mutating func slice(_ node: Node) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        let names = ["starts", "ends", "axes", "steps"]
        var lists: [[Int64]?] = []
        for (index, name) in names.enumerated() {
            lists.append(
                node.version < 10
                    ? try node.attributes.integers(name) : try constant(node, index + 1)?.integers)
        }
        guard data.layout == .matrix, let starts = lists[0], let ends = lists[1],
            starts.count == 1, ends.count == 1, lists[2] == [1] || lists[2] == [-1],
            lists[3] == nil || lists[3] == [1]
        else { throw .declined("takes something else than columns of a matrix") }
        let width = Int64(data.width)
        let bounds = [starts[0], ends[0]].map { min(max($0 < 0 ? $0 &+ width : $0, 0), width) }
        guard bounds[0] < bounds[1] else { throw .declined("takes no columns") }
        return .numbers(try pick(data, Array(Int(bounds[0])..<Int(bounds[1]))))
    }

    mutating func constantValue(_ node: Node) throws(TreesFailure) -> Value {
        let attributes = node.attributes
        if let tensor = try attributes.tensor("value") { return .constant(tensor) }
        if let number = try attributes.number("value_float") {
            return .constant(OnnxTensor(type: .float32, dimensions: [], numbers: [number]))
        }
        if let numbers = try attributes.numbers("value_floats") {
            return .constant(
                OnnxTensor(type: .float32, dimensions: [numbers.count], numbers: numbers))
        }
        if let integer = try attributes.integer("value_int") {
            return .constant(OnnxTensor(type: .int64, dimensions: [], integers: [integer]))
        }
        if let integers = try attributes.integers("value_ints") {
            return .constant(
                OnnxTensor(type: .int64, dimensions: [integers.count], integers: integers))
        }
        throw .declined("holds none of numbers")
    }

    mutating func shape(_ node: Node) throws(TreesFailure) -> Value {
        let data = try numbers(node, 0)
        guard data.layout == .matrix, !node.attributes.has("start"), !node.attributes.has("end")
        else { throw .declined("asks for the shape of no matrix") }
        return .shape(width: data.width)
    }
}
