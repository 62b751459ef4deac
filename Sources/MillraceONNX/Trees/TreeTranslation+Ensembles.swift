import MillraceCore
import MillraceTrees

// Tree ensembles as ONNX Runtime 1.32 computes them: what the standard leaves open was seen there.
extension TreeTranslation {
    private enum Post: String {
        case none = "NONE"
        case logistic = "LOGISTIC"
        case softmax = "SOFTMAX"
        case softmaxZero = "SOFTMAX_ZERO"
        case probit = "PROBIT"
    }

    mutating func translateTrees(_ node: Node) throws(TreesFailure) {
        let numbers = try numbers(node, 0)
        guard numbers.layout == .matrix else { throw .declined("reads no matrix") }
        switch node.operation {
        case "TreeEnsembleClassifier":
            guard [.float32, .float64, .int64, .int32].contains(numbers.type) else {
                throw .declined("reads numbers of type \(numbers.type)")
            }
            try translateClassifier(node, numbers)
        case "TreeEnsembleRegressor":
            try checkFloating(numbers)
            try set(node.outputs.first, try regressor(node, numbers))
        default:
            try checkFloating(numbers)
            try set(node.outputs.first, .numbers(try fifthEnsemble(node, numbers)))
        }
    }

    private func checkFloating(_ numbers: Numbers) throws(TreesFailure) {
        guard numbers.type.isFloatingPoint else {
            throw .declined("reads numbers of type \(numbers.type)")
        }
    }

    private func post(_ text: String) throws(TreesFailure) -> Post {
        guard let post = Post(rawValue: text) else {
            throw .invalid("attribute 'post_transform' is '\(printable(text, limit: 40))'")
        }
        return post
    }

    private func emptyEnsemble(_ numbers: Numbers, targets: Int) -> TreeEnsemble {
        let precision: TreeEnsemble.Precision = numbers.type == .float64 ? .float64 : .float32
        return TreeEnsemble(
            featureCount: numbers.width, targetCount: targets, comparing: precision,
            summing: precision)
    }

    /// The trees' sums.
    private mutating func sums(
        _ numbers: Numbers, _ ensemble: TreeEnsemble
    ) throws(TreesFailure) -> Numbers {
        let number: TreeProgram.Number = ensemble.comparing == .float64 ? .float64 : .float32
        let features = try matrix(numbers, as: number)
        let matrix = try add(.trees(features, ensemble), width: ensemble.targetCount)
        return Numbers(
            source: .step(matrix, number), width: ensemble.targetCount,
            type: number == .float64 ? .float64 : .float32)
    }

    private func checkTargets(_ count: Int64) throws(TreesFailure) -> Int {
        guard count > 0 else { throw .invalid("attribute 'n_targets' is \(count)") }
        guard count <= 1 << 16 else { throw .declined("has \(count) targets") }
        return Int(count)
    }

    // MARK: - Regressors

    private mutating func regressor(
        _ node: Node, _ numbers: Numbers
    ) throws(TreesFailure) -> Value {
        let attributes = node.attributes
        guard let declared = try attributes.integer("n_targets") else {
            throw .declined("has no attribute 'n_targets'")
        }
        let isDouble = numbers.type == .float64
        var ensemble = emptyEnsemble(numbers, targets: try checkTargets(declared))
        switch try attributes.text("aggregate_function") ?? "SUM" {
        case "SUM": ensemble.aggregate = .sum
        case "AVERAGE": ensemble.aggregate = .average
        case "MIN": ensemble.aggregate = .minimum
        case "MAX": ensemble.aggregate = .maximum
        case let other:
            throw .invalid("attribute 'aggregate_function' is '\(printable(other, limit: 40))'")
        }
        ensemble.base = try attributes.list("base_values", isDouble: isDouble)
        guard ensemble.base.isEmpty || ensemble.base.count == ensemble.targetCount else {
            throw .invalid(
                "attribute 'base_values' has \(ensemble.base.count) entries for "
                    + "\(ensemble.targetCount) targets")
        }
        let post = try post(try attributes.text("post_transform") ?? "NONE")
        let trees = try OnnxTrees(attributes, prefix: "target", isDouble: isDouble)
        let (built, coverage) = try TreeBuilding.build(trees, into: ensemble)
        guard built.targetCount > 1 || coverage.hasNoEmptyLeaf else {
            throw .declined("has leaves without a weight")
        }
        try checkBase(built, coverage)
        if built.roots.count == 1, built.targetCount == 1, built.base.isEmpty, post != .probit,
            !isDouble
        {
            return addLeaves(numbers, built)
        }
        return .numbers(try transformedTargets(try sums(numbers, built), post))
    }

    /// ONNX Runtime adds the base to a sum of at least one weight only, except to those of a
    /// classifier of three classes or more.
    private func checkBase(
        _ ensemble: TreeEnsemble, _ coverage: TreeBuilding.Coverage
    ) throws(TreesFailure) {
        for target in ensemble.base.indices
        where ensemble.base[target] != 0 && !coverage.isCovered[target] {
            throw .declined("has a base value for sums that may have no weight")
        }
    }

    private mutating func fifthEnsemble(
        _ node: Node, _ numbers: Numbers
    ) throws(TreesFailure) -> Numbers {
        let attributes = node.attributes
        guard let declared = try attributes.integer("n_targets") else {
            throw .declined("has no attribute 'n_targets'")
        }
        var ensemble = emptyEnsemble(numbers, targets: try checkTargets(declared))
        switch try attributes.integer("aggregate_function") ?? 1 {
        case 0: ensemble.aggregate = .average
        case 1: ensemble.aggregate = .sum
        case 2: ensemble.aggregate = .minimum
        case 3: ensemble.aggregate = .maximum
        case let other: throw .invalid("attribute 'aggregate_function' is \(other)")
        }
        let posts: [Post] = [.none, .softmax, .logistic, .softmaxZero, .probit]
        let code = try attributes.integer("post_transform") ?? 0
        guard code >= 0, code < posts.count else {
            throw .invalid("attribute 'post_transform' is \(code)")
        }
        let trees = try OnnxTrees(fifth: attributes, isDouble: numbers.type == .float64)
        // Of numbers 1 and 2 ONNX Runtime takes one for the other's, against the standard.
        guard declared == 1 || (code != 1 && code != 2) else {
            throw .declined("transforms \(declared) targets with number \(code)")
        }
        let (built, _) = try TreeBuilding.build(trees, into: ensemble)
        let sums = try sums(numbers, built)
        let type = sums.type
        var result = try transformedTargets(sums, posts[Int(code)])
        guard result.type != type else { return result }
        // Of float64 models the outputs are float64.
        guard code == 0 else { throw .declined("transforms numbers of type float64") }
        result = sums
        return result
    }

    /// The outputs of a regressor, float32: of a single target only PROBIT is computed.
    private mutating func transformedTargets(
        _ sums: Numbers, _ post: Post
    ) throws(TreesFailure) -> Numbers {
        let scores = try single(sums)
        return sums.width == 1 && post != .probit ? scores : try transformed(scores, post)
    }

    private mutating func single(_ numbers: Numbers) throws(TreesFailure) -> Numbers {
        guard numbers.type != .float32 else { return numbers }
        return Numbers(
            source: .step(try matrix(numbers, as: .float32), .float32), width: numbers.width,
            type: .float32, layout: numbers.layout)
    }

    private mutating func transformed(
        _ numbers: Numbers, _ post: Post
    ) throws(TreesFailure) -> Numbers {
        let matrix = try matrix(numbers)
        let step: TreeProgram.Step
        switch post {
        case .none: return numbers
        case .logistic: step = .function(matrix, .logistic)
        case .probit: step = .function(matrix, .probit)
        case .softmax: step = .rowFunction(matrix, .softmax)
        case .softmaxZero: step = .rowFunction(matrix, .softmaxZero)
        }
        var result = numbers
        result.source = .step(try add(step, width: numbers.width), .float32)
        return result
    }

    // MARK: - Classifiers

    private mutating func translateClassifier(
        _ node: Node, _ numbers: Numbers
    ) throws(TreesFailure) {
        let attributes = node.attributes
        let isDouble = numbers.type == .float64
        let labels = try labels(attributes)
        let post = try post(try attributes.text("post_transform") ?? "NONE")
        let base = try attributes.list("base_values", isDouble: isDouble)
        let trees = try OnnxTrees(attributes, prefix: "class", isDouble: isDouble)
        let outcome =
            labels.count == 2
            ? try binary(numbers, trees, base, post, labels)
            : try multiclass(numbers, trees, base, post, labels)
        let isText = if case .text = labels[0] { true } else { false }
        try set(
            node.outputs.first,
            .labels(
                Labels(
                    index: outcome.index, labels: outcome.labels, type: isText ? .string : .int64,
                    layout: .flat)))
        if node.outputs.count > 1 { try set(node.outputs[1], .numbers(outcome.scores)) }
    }

    private func labels(_ attributes: NodeAttributes) throws(TreesFailure) -> [ClassLabel] {
        let numbers = try attributes.integers("classlabels_int64s") ?? []
        let texts = try attributes.texts("classlabels_strings")
        guard numbers.isEmpty != texts.isEmpty else {
            throw .declined("has labels of both kinds or of none")
        }
        let labels = numbers.map { ClassLabel.integer($0) } + texts.map { ClassLabel.text($0) }
        guard labels.count > 1 else { throw .declined("has a single class") }
        guard labels.count <= 1 << 16 else { throw .declined("has \(labels.count) classes") }
        return labels
    }

    private typealias Outcome = (
        index: TreeProgram.Matrix, labels: [ClassLabel], scores: Numbers
    )

    private mutating func multiclass(
        _ numbers: Numbers, _ trees: OnnxTrees, _ base: [Double], _ post: Post,
        _ labels: [ClassLabel]
    ) throws(TreesFailure) -> Outcome {
        var ensemble = emptyEnsemble(numbers, targets: labels.count)
        guard base.isEmpty || base.count == labels.count else {
            throw .invalid(
                "attribute 'base_values' has \(base.count) entries for \(labels.count) classes")
        }
        ensemble.base = base
        let (built, coverage) = try TreeBuilding.build(trees, into: ensemble)
        // Where a class has no weight for a row, it cannot be the row's label, whatever the sums.
        guard
            !base.isEmpty || !coverage.isCovered.contains(false)
                || (coverage.hasPositiveTree && trees.values.allSatisfy { $0 >= 0 })
        else { throw .declined("has classes to which some rows' leaves give no weight") }
        let sums = try sums(numbers, built)
        let index = try add(.greatest(try matrix(sums)), width: 1)
        return (index, labels, try transformed(try single(sums), post))
    }

    private mutating func binary(
        _ numbers: Numbers, _ trees: OnnxTrees, _ base: [Double], _ post: Post,
        _ labels: [ClassLabel]
    ) throws(TreesFailure) -> Outcome {
        let hasFirst = trees.targets.contains(0)
        let hasSecond = trees.targets.contains { $0 != 0 }
        guard base.count < (hasFirst ? 2 : 1) else {
            throw .declined("has \(base.count) base values for two classes")
        }
        let isPositive = trees.values.allSatisfy { $0 >= 0 }
        if !hasSecond {
            return try oneScore(numbers, trees, base, post, labels, isPositive: isPositive)
        }
        var ensemble = emptyEnsemble(numbers, targets: 2)
        if !base.isEmpty { ensemble.base = [base[0], 0] }
        let (built, coverage) = try TreeBuilding.build(trees, into: ensemble)
        guard coverage.isCovered[1] else {
            throw .declined("has leaves that give no weight to the second class")
        }
        try checkBase(built, coverage)
        let sums = try sums(numbers, built)
        let second = try add(.pick(try matrix(sums), columns: [1]), width: 1)
        let limit = !hasFirst && isPositive ? 0.5 : 0
        let index = try index(second, above: limit)
        var chosen = labels
        if hasFirst, case .integer = labels[0] {
            // ONNX Runtime answers with its default labels then.
            chosen = [.integer(0), .integer(1)]
        }
        return (index, chosen, try transformed(try single(sums), post))
    }

    /// All weights are those of one class, the second one's score.
    private mutating func oneScore(
        _ numbers: Numbers, _ trees: OnnxTrees, _ base: [Double], _ post: Post,
        _ labels: [ClassLabel], isPositive: Bool
    ) throws(TreesFailure) -> Outcome {
        guard post != .probit else { throw .declined("transforms a single score with PROBIT") }
        var ensemble = emptyEnsemble(numbers, targets: 1)
        ensemble.base = base
        let (built, coverage) = try TreeBuilding.build(trees, into: ensemble)
        try checkBase(built, coverage)
        let sums = try sums(numbers, built)
        let index = try index(try matrix(sums), above: isPositive ? 0.5 : 0)
        let score = try matrix(try single(sums))
        let both = try add(
            post != .logistic && isPositive ? .complement(score) : .opposite(score), width: 2)
        let scores = Numbers(source: .step(both, .float32), width: 2, type: .float32)
        return (index, labels, post == .logistic ? try transformed(scores, post) : scores)
    }

    private mutating func index(
        _ matrix: TreeProgram.Matrix, above limit: Double
    ) throws(TreesFailure) -> TreeProgram.Matrix {
        let isAbove = try add(.function(matrix, .greater(than: limit)), width: 1)
        return try add(.cast(isAbove, to: .int64), width: 1)
    }
}
