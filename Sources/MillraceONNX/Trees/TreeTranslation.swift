import MillraceCore
import MillraceTrees

/// Turns the main graph of a model with tree ensembles into a program, node by node, or says which
/// node is in the way.
struct TreeTranslation {
    /// How the rows of a computed tensor lie in it.
    enum Layout { case flat, matrix, transposed }

    /// A tensor of numbers with a row for each record: [N], [N,width] or [1,N].
    struct Numbers {
        enum Source {
            /// A model input, of which each reader may have the numbers in its own type.
            case input(Int)
            case step(TreeProgram.Matrix, TreeProgram.Number)
        }

        var source: Source
        var width: Int
        /// As ONNX has it; bools and small integers are kept in another type.
        var type: ElementType
        var layout = Layout.matrix
        /// Whole numbers from 0 to less than this.
        var bound: Int?
        /// int32 cut from float32 numbers: right only where those are in the range of int32.
        var isLoose = false
    }

    /// A tensor of class labels, one a record.
    struct Labels {
        /// int64 numbers, indices into the labels.
        var index: TreeProgram.Matrix
        var labels: [ClassLabel]
        var type: ElementType
        var layout: Layout
    }

    enum Value {
        case constant(OnnxTensor)
        case numbers(Numbers)
        case labels(Labels)
        /// [N] or [N,1].
        case leaves(Leaves)
        /// [k,N,width]: matrices of one width and type behind each other.
        case stack([Numbers])
        /// The shape of a [N,width] tensor.
        case shape(width: Int)
        /// [N,width], everywhere the tensor's one number.
        case filled(OnnxTensor, width: Int)
        /// Of the model's text inputs.
        case texts
    }

    /// A node of the graph that is being translated.
    struct Node {
        let name: String
        let operation: String
        let inputs: [String]
        let outputs: [String]
        let attributes: NodeAttributes
        /// Of the operator set that the node is of.
        let version: UInt64
    }

    let scan: ModelScan
    var program: TreeProgram
    private var values: [String: Value] = [:]
    /// By model input: the steps that read it, each in a type of its own.
    private var inputSteps: [Int: [(TreeProgram.Number, TreeProgram.Matrix)]] = [:]
    private let versions: [String: UInt64]
    /// Columns that steps may still make: a bound on what small files can ask for.
    private var columnsLeft = 1 << 18
    /// Trees of which the graph may compute with their leaves.
    var leafGroups: [LeafGroup] = []
    /// Leaves that may still be computed with, several times those of a sound model.
    var leafWorkLeft: Int

    static func program(
        _ scan: ModelScan, facts: ModelFacts
    ) throws(TreesFailure) -> TreeProgram {
        let removal = ZipMapRemoval(scan)
        let outputs = scan.outputs.map { removal.replaced[$0.name]?.tensor ?? $0.name }
        let isNeeded = GraphPruning.needed(scan.nodes, by: Set(outputs))
        let nodes = scan.nodes.indices.filter { isNeeded[$0] }
        try checkOperations(scan, nodes)
        var translation = try TreeTranslation(scan, facts)
        for index in nodes {
            let node = translation.node(scan.nodes[index])
            do throws(TreesFailure) {
                try translation.translate(node)
            } catch {
                throw error.at("node '\(printable(node.name))' (operation \(node.operation))")
            }
        }
        try translation.addOutputs(tensors: outputs, removal)
        return translation.program
    }

    private init(_ scan: ModelScan, _ facts: ModelFacts) throws(TreesFailure) {
        self.scan = scan
        leafWorkLeft = scan.bytes.count
        let inputs = try Self.inputs(scan)
        program = TreeProgram(inputs: inputs, facts: facts)
        var versions: [String: UInt64] = [:]
        for set in facts.operatorSets {
            versions[set.domain == "ai.onnx" ? "" : set.domain] = set.version
        }
        self.versions = versions
        for (index, input) in inputs.enumerated() {
            if input.type == .string {
                values[input.name] = .texts
                continue
            }
            values[input.name] = .numbers(
                Numbers(
                    source: .input(index), width: input.width ?? 1, type: input.type,
                    layout: input.rowShape.isEmpty ? .flat : .matrix))
        }
    }

    private static func checkOperations(
        _ scan: ModelScan, _ nodes: [Int]
    ) throws(TreesFailure) {
        var hasTrees = false
        for index in nodes {
            let node = scan.nodes[index]
            let isKnown =
                node.domain == "ai.onnx.ml"
                ? treeOperations.contains(node.operation)
                    || learningOperations[node.operation] != nil
                : ["", "ai.onnx"].contains(node.domain)
                    && standardOperations[node.operation] != nil
            guard isKnown else {
                throw .declined(
                    "node '\(printable(node.name))' (operation "
                        + "\(printable(node.operation))) is not one that a tree model may have")
            }
            if treeOperations.contains(node.operation) { hasTrees = true }
        }
        if !hasTrees { throw .declined("no node of the graph is a tree ensemble") }
    }

    /// Makes what a node's first output holds.
    typealias Make = @Sendable (inout TreeTranslation, Node) throws(TreesFailure) -> Value

    static let treeOperations: Set<String> = [
        "TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble",
    ]

    // MARK: - Nodes

    private func node(_ node: ModelScan.Node) -> Node {
        Node(
            name: node.name, operation: node.operation, inputs: node.reads, outputs: node.writes,
            attributes: NodeAttributes(scan.bytes, node.attributes),
            version: versions[node.domain == "ai.onnx" ? "" : node.domain] ?? 1)
    }

    private mutating func translate(_ node: Node) throws(TreesFailure) {
        if Self.treeOperations.contains(node.operation) { return try translateTrees(node) }
        guard
            let make = Self.standardOperations[node.operation]
                ?? Self.learningOperations[node.operation]
        else { throw .declined("is not one that a tree model may have") }
        if let value = try folded(node) { return try set(node.outputs.first, value) }
        try set(node.outputs.first, try make(&self, node))
        // Others, a mask or an index, are not made; who reads one finds nothing.
    }

    mutating func set(_ name: String?, _ value: Value) throws(TreesFailure) {
        guard let name, !name.isEmpty else { return }
        guard values.updateValue(value, forKey: name) == nil else {
            throw .declined("makes '\(printable(name))', which is there already")
        }
    }

    /// What the input of the node holds.
    mutating func value(_ node: Node, _ index: Int) throws(TreesFailure) -> Value {
        guard index < node.inputs.count else { throw .declined("has no input \(index + 1)") }
        return try value(node.inputs[index])
    }

    mutating func value(_ name: String) throws(TreesFailure) -> Value {
        if let value = values[name] { return value }
        guard let range = scan.initializers[name] else {
            throw .declined(
                "reads '\(printable(name))', which no node before it makes for a tree model")
        }
        let value = Value.constant(try OnnxTensor(scan.bytes, range))
        values[name] = value
        return value
    }

    /// A tensor of numbers with a row for each record.
    mutating func numbers(_ node: Node, _ index: Int) throws(TreesFailure) -> Numbers {
        switch try value(node, index) {
        case .numbers(let numbers):
            if numbers.isLoose { throw .declined("computes with int32 numbers") }
            return numbers
        case .labels(let labels): return try numbers(labels)
        case .leaves(let leaves):
            let numbers = try numbers(leaves)
            values[node.inputs[index]] = .numbers(numbers)
            return numbers
        case .constant: throw .declined("computes with constants alone")
        case .stack, .shape, .filled: throw .declined("computes with a tensor of unusual shape")
        case .texts: throw .declined("reads texts")
        }
    }

    /// Labels as the numbers that they are, where these are evenly spaced.
    mutating func numbers(_ labels: Labels) throws(TreesFailure) -> Numbers {
        var values: [Int64] = []
        for case .integer(let value) in labels.labels { values.append(value) }
        guard values.count == labels.labels.count, let first = values.first,
            values.allSatisfy({ $0.magnitude <= 1 << 31 })
        else { throw .declined("computes with class labels") }
        let step = values.count > 1 ? values[1] - first : 1
        for (index, value) in values.enumerated() where value != first + Int64(index) * step {
            throw .declined("computes with class labels that are not evenly spaced")
        }
        var matrix = labels.index
        if step != 1 {
            matrix = try add(.arithmetic(matrix, .multiply, constants: [Double(step)]), width: 1)
        }
        if first != 0 {
            matrix = try add(.arithmetic(matrix, .add, constants: [Double(first)]), width: 1)
        }
        let bound = step > 0 && first >= 0 ? (values.last ?? 0) + 1 : nil
        return Numbers(
            source: .step(matrix, .int64), width: 1, type: labels.type, layout: labels.layout,
            bound: bound.map { Int($0) })
    }

    /// A constant that the node reads; nil where the node leaves it out.
    mutating func constant(_ node: Node, _ index: Int) throws(TreesFailure) -> OnnxTensor? {
        guard index < node.inputs.count, !node.inputs[index].isEmpty else { return nil }
        guard case .constant(let tensor) = try value(node.inputs[index]) else {
            throw .declined("reads '\(printable(node.inputs[index]))', which is no constant")
        }
        return tensor
    }

    // MARK: - Steps

    /// Adds a step that makes so many columns.
    mutating func add(
        _ step: TreeProgram.Step, width: Int
    ) throws(TreesFailure) -> TreeProgram.Matrix {
        columnsLeft -= min(max(1, width), columnsLeft + 1)
        guard columnsLeft >= 0 else { throw .declined("makes more columns than a tree model has") }
        return program.add(step)
    }

    /// The step that makes the numbers, in the type that they are kept in or in another one.
    mutating func matrix(
        _ numbers: Numbers, as type: TreeProgram.Number? = nil
    ) throws(TreesFailure) -> TreeProgram.Matrix {
        switch numbers.source {
        case .step(let matrix, let own):
            guard let type, type != own else { return matrix }
            return try add(.cast(matrix, to: type), width: numbers.width)
        case .input(let index):
            let type = type ?? Self.own(numbers.type)
            if let known = inputSteps[index]?.first(where: { $0.0 == type }) { return known.1 }
            let matrix = try add(.input(index, as: type), width: numbers.width)
            inputSteps[index, default: []].append((type, matrix))
            return matrix
        }
    }

    /// The type in which numbers are kept.
    func number(of numbers: Numbers) -> TreeProgram.Number {
        switch numbers.source {
        case .input: Self.own(numbers.type)
        case .step(_, let type): type
        }
    }

    private static func own(_ type: ElementType) -> TreeProgram.Number {
        switch type {
        case .float32: .float32
        case .float64: .float64
        default: .int64
        }
    }
}

extension TreesFailure {
    /// The same, with the node that it is about.
    fileprivate func at(_ place: String) -> TreesFailure {
        switch self {
        case .scan: self
        case .declined(let reason): .declined("\(place) \(reason)")
        case .invalid(let what): .invalid("\(place): \(what)")
        }
    }
}
