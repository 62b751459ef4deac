import Glibc
import MillraceCore
import MillraceTrees

// What a graph computes from the output of a single tree depends on the row's leaf alone: it is
// computed here, once a leaf, and the tree gets new leaves. The graphs that skl2onnx makes of
// isolation forests are mostly that, and become one ensemble.
extension TreeTranslation {
    /// Numbers that depend on the row's leaf in one tree.
    struct Leaves {
        /// Index into `leafGroups`.
        var group: Int
        /// By leaf of the group's ensemble; whole numbers and bools too.
        var values: [Double]
        var type: ElementType
        var layout: Layout
    }

    /// A tree of which every leaf gives one value to the one target.
    struct LeafGroup {
        let features: Numbers
        let ensemble: TreeEnsemble
    }

    /// One tree's own numbers.
    mutating func addLeaves(_ features: Numbers, _ ensemble: TreeEnsemble) -> Value {
        leafGroups.append(LeafGroup(features: features, ensemble: ensemble))
        return .leaves(
            Leaves(
                group: leafGroups.count - 1, values: ensemble.leafValues,
                type: .float32, layout: .matrix))
    }

    /// The numbers as a matrix.
    mutating func numbers(_ leaves: Leaves) throws(TreesFailure) -> Numbers {
        let group = leafGroups[leaves.group]
        leafWorkLeft -= leaves.values.count
        guard leafWorkLeft > 0 else { throw .declined("computes with one tree too often") }
        var ensemble = TreeEnsemble(
            featureCount: group.ensemble.featureCount, targetCount: 1, comparing: .float32,
            summing: leaves.type == .int64 ? .float64 : .float32)
        ensemble.addTree(of: group.ensemble, leafValues: leaves.values)
        let features = try matrix(group.features, as: .float32)
        var result = Numbers(
            source: .step(try add(.trees(features, ensemble), width: 1), .float32), width: 1,
            type: leaves.type, layout: leaves.layout)
        if leaves.type == .int64, case .step(let matrix, _) = result.source {
            result.source = .step(try add(.cast(matrix, to: .int64), width: 1), .int64)
        }
        if leaves.type == .bool { result.bound = 2 }
        return result
    }

    /// What the node makes of leaves and single constants; nil where it has other inputs, or is
    /// none of the operations that are known here.
    mutating func folded(_ node: Node) throws(TreesFailure) -> Value? {
        var parts: [Leaves] = []
        var operands: [(leaves: Leaves?, number: Double)] = []
        var types: Set<ElementType> = []
        for index in node.inputs.indices {
            guard !node.inputs[index].isEmpty else { return nil }
            switch try value(node, index) {
            case .leaves(let leaves):
                parts.append(leaves)
                operands.append((leaves, 0))
                types.insert(leaves.type)
            case .constant(let tensor):
                guard tensor.count == 1, let number = tensor.asNumbers?.first else {
                    if node.operation == "Reshape" { continue }
                    return nil
                }
                guard tensor.dimensions.count < 2 else { return nil }
                operands.append((nil, number))
                types.insert(tensor.type)
            default: return nil
            }
        }
        guard let first = parts.first, parts.allSatisfy({ $0.layout == first.layout }) else {
            return nil
        }
        leafWorkLeft -= first.values.count
        guard leafWorkLeft > 0 else { return nil }
        if node.operation == "Reshape" { return try reshapedLeaves(node, first) }
        if node.operation == "Sum" { return try merged(parts, operands.count) }
        guard parts.allSatisfy({ $0.group == first.group }) else { return nil }
        if operands.count == 1 { return try unary(node, first) }
        guard operands.count == 2, types == [.float32] else { return nil }
        var result = first
        for leaf in result.values.indices {
            let (a, b) = (
                Float(operands[0].leaves?.values[leaf] ?? operands[0].number),
                Float(operands[1].leaves?.values[leaf] ?? operands[1].number)
            )
            guard let value = Self.binary(node.operation, a, b) else { return nil }
            result.values[leaf] = value
        }
        if ["Equal", "Greater", "Less"].contains(node.operation) { result.type = .bool }
        return .leaves(result)
    }

    private static func binary(_ operation: String, _ a: Float, _ b: Float) -> Double? {
        switch operation {
        case "Add": Double(a + b)
        case "Sub": Double(a - b)
        case "Mul": Double(a * b)
        case "Div": Double(a / b)
        case "Max": a.isNaN || b.isNaN ? nil : Double(Swift.max(a, b))
        case "Equal": a == b ? 1 : 0
        case "Greater": a > b ? 1 : 0
        case "Less": a < b ? 1 : 0
        default: nil
        }
    }

    private mutating func unary(_ node: Node, _ leaves: Leaves) throws(TreesFailure) -> Value? {
        var result = leaves
        switch (node.operation, leaves.type) {
        case ("Identity", _): return .leaves(leaves)
        case ("Log", .float32): result.values = leaves.values.map { Double(logf(Float($0))) }
        case ("Exp", .float32): result.values = leaves.values.map { Double(expf(Float($0))) }
        case ("Neg", .float32): result.values = leaves.values.map { -$0 }
        case ("Abs", .float32): result.values = leaves.values.map(\.magnitude)
        case ("Cast", _):
            let code = try node.attributes.integer("to") ?? 0
            switch (leaves.type, code) {
            case (.float32, 7):
                // Whole numbers that float32 holds, and so nothing is lost on the way.
                guard leaves.values.allSatisfy({ $0.magnitude <= 0x1p24 }) else { return nil }
                result.values = leaves.values.map { $0.rounded(.towardZero) }
                result.type = .int64
            case (.bool, 1), (.int64, 1): result.type = .float32
            case (.bool, 7): result.type = .int64
            default: return nil
            }
        case ("LabelEncoder", .int64): return try encoded(node, leaves)
        default: return nil
        }
        // A leaf that is NaN is refused by nobody, but no sound model has one.
        return result.values.contains(where: \.isNaN) ? nil : .leaves(result)
    }

    private func encoded(_ node: Node, _ leaves: Leaves) throws(TreesFailure) -> Value? {
        guard let keys = try node.attributes.integers("keys_int64s"),
            let values = try node.attributes.numbers("values_floats"), keys.count == values.count
        else { return nil }
        let known = Dictionary(zip(keys, values)) { first, _ in first }
        let missing = try node.attributes.number("default_float") ?? -0.0
        var result = leaves
        result.values = leaves.values.map { known[Int64($0)] ?? missing }
        result.type = .float32
        return .leaves(result)
    }

    private mutating func reshapedLeaves(
        _ node: Node, _ leaves: Leaves
    ) throws(TreesFailure) -> Value? {
        guard let shape = try constant(node, 1)?.integers else { return nil }
        var result = leaves
        switch shape {
        case [-1, 1]: result.layout = .matrix
        case [-1]: result.layout = .flat
        default: return nil
        }
        return .leaves(result)
    }

    /// The sum of several trees over the same features: one ensemble.
    private mutating func merged(
        _ parts: [Leaves], _ count: Int
    ) throws(TreesFailure) -> Value? {
        guard parts.count == count, let first = parts.first else { return nil }
        let features = leafGroups[first.group].features
        var ensemble = TreeEnsemble(
            featureCount: features.width, targetCount: 1, comparing: .float32, summing: .float32)
        for part in parts {
            let group = leafGroups[part.group]
            leafWorkLeft -= part.values.count
            guard leafWorkLeft > 0, part.type == .float32, group.features.isSame(as: features)
            else { return nil }
            ensemble.addTree(of: group.ensemble, leafValues: part.values)
        }
        let matrix = try matrix(features, as: .float32)
        return .numbers(
            Numbers(
                source: .step(try add(.trees(matrix, ensemble), width: 1), .float32), width: 1,
                type: .float32, layout: first.layout))
    }
}

extension TreeTranslation.Numbers {
    /// Whether both are the same columns.
    fileprivate func isSame(as other: Self) -> Bool {
        guard width == other.width else { return false }
        switch (source, other.source) {
        case (.input(let a), .input(let b)): return a == b
        case (.step(let a, _), .step(let b, _)): return a == b
        default: return false
        }
    }
}

extension TreeEnsemble {
    /// Adds the one tree of another ensemble, with other values in its leaves.
    fileprivate mutating func addTree(of other: TreeEnsemble, leafValues: [Double]) {
        let (firstNode, firstLeaf) = (nodeCount, leafCount)
        func child(_ place: Int32) -> Child {
            place < 0 ? .leaf(firstLeaf + Int(~place)) : .node(firstNode + Int(place))
        }
        let firstSet = sets.count
        for set in other.sets { _ = addSet(set) }
        for node in 0..<other.nodeCount {
            let rule = other.rules[node]
            let threshold = other.thresholds[node]
            let condition: Condition =
                if let reading = rule.reading {
                    .member(set: firstSet + Int(threshold), reading)
                } else {
                    .compare(rule.comparison, threshold)
                }
            addSplit(
                feature: Int(other.features[node]), condition, missing: rule.missing,
                left: child(other.left[node]), right: child(other.right[node]))
        }
        for value in leafValues { addLeaf(value) }
        for root in other.roots { addTree(root: child(root)) }
    }
}
