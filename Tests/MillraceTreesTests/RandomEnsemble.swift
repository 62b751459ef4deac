import MillraceTestKit
import MillraceTrees

/// Ensembles of all kinds, and rows that meet their thresholds.
struct RandomEnsemble {
    private(set) var ensemble: TreeEnsemble
    private var numbers: SeededRandom
    private var pool: [Double]
    private let comparisons: [TreeEnsemble.Comparison]
    private let missing: [TreeEnsemble.Missing]
    private let hasSets: Bool
    private let isVector: Bool
    private let isOblivious: Bool

    static let special: [Double] = [
        0, -0.0, 1, -1, 0.5, .infinity, -.infinity, Double(Float(1e-35)), -1e-35, 2e-35, 1e-300,
        1e-40,
        Double(Float.leastNonzeroMagnitude), .greatestFiniteMagnitude, 3.4e38, 16_777_216,
    ]

    init(seed: UInt64) {
        numbers = SeededRandom(seed: seed)
        let isSingle = numbers.chance(0.5)
        let features = 1 + numbers.below(numbers.chance(0.2) ? 60 : 6)
        let targets = numbers.chance(0.6) ? 1 : 1 + numbers.below(4)
        ensemble = TreeEnsemble(
            featureCount: features, targetCount: targets,
            comparing: isSingle ? .float32 : .float64,
            summing: numbers.chance(0.5) ? .float32 : .float64)
        let kinds = TreeEnsemble.Comparison.allCases
        comparisons = numbers.chance(0.5) ? [kinds[numbers.below(6)]] : kinds
        let ways = TreeEnsemble.Missing.allCases
        missing = numbers.chance(0.5) ? [ways[numbers.below(6)]] : ways
        hasSets = numbers.chance(0.25)
        isVector = numbers.chance(0.3)
        isOblivious = numbers.chance(0.15)
        // Few different thresholds, so that rows meet them.
        pool = Self.special
        let many = numbers.chance(0.2) ? 600 : 12
        for _ in 0..<many { pool.append(Double.random(in: -4...4, using: &numbers)) }
        if isSingle { pool = pool.map { Double(Float($0)) } }
        addShape()
        for _ in 0..<(1 + numbers.below(numbers.chance(0.3) ? 40 : 6)) { addTree() }
    }

    private mutating func addShape() {
        let aggregates: [TreeEnsemble.Aggregate] = [.sum, .sum, .sum, .average, .minimum, .maximum]
        ensemble.aggregate = aggregates[numbers.below(6)]
        if numbers.chance(0.4) {
            ensemble.base = (0..<ensemble.targetCount).map { _ in
                Double.random(in: -1...1, using: &numbers)
            }
        }
        ensemble.basePlace = numbers.chance(0.5) && ensemble.aggregate == .sum ? .first : .last
        if numbers.chance(0.2) { ensemble.scale = 0.3 }
    }

    private mutating func addTree() {
        let depth = numbers.below(numbers.chance(0.2) ? 12 : 7)
        if isOblivious {
            var questions: [(Int, TreeEnsemble.Condition, TreeEnsemble.Missing)] = []
            for _ in 0..<depth { questions.append(question()) }
            if !addSymmetric(questions) { ensemble.addTree(root: oblivious(questions[...])) }
        } else {
            // Balanced or leaning to a side.
            let share = numbers.chance(0.3) ? 1 : Double.random(in: 0.5...1, using: &numbers)
            let target = numbers.below(ensemble.targetCount)
            ensemble.addTree(root: grown(depth, share: share, target: target))
        }
    }

    /// Half of those without sets by their levels alone.
    private mutating func addSymmetric(
        _ questions: [(Int, TreeEnsemble.Condition, TreeEnsemble.Missing)]
    ) -> Bool {
        var levels: [TreeEnsemble.Level] = []
        for (feature, condition, missing) in questions {
            guard case .compare(let comparison, let threshold) = condition else { return false }
            levels.append(
                TreeEnsemble.Level(
                    feature: feature, comparison, threshold, missing: missing,
                    isUpperWhenTrue: numbers.chance(0.5)))
        }
        guard numbers.chance(0.5) else { return false }
        let firstLeaf = ensemble.leafCount
        for _ in 0..<1 << levels.count { _ = leaf(target: 0) }
        ensemble.addSymmetricTree(levels, firstLeaf: firstLeaf)
        return true
    }

    private mutating func oblivious(
        _ questions: ArraySlice<(Int, TreeEnsemble.Condition, TreeEnsemble.Missing)>
    ) -> TreeEnsemble.Child {
        guard let (feature, condition, missing) = questions.first else { return leaf(target: 0) }
        let left = oblivious(questions.dropFirst())
        let right = oblivious(questions.dropFirst())
        return .node(
            ensemble.addSplit(
                feature: feature, condition, missing: missing, left: left, right: right))
    }

    private mutating func grown(_ depth: Int, share: Double, target: Int) -> TreeEnsemble.Child {
        guard depth > 0, numbers.chance(share) else { return leaf(target: target) }
        let (feature, condition, missing) = question()
        let isShort = share < 1 && numbers.chance(0.3)
        let left = grown(isShort ? 0 : depth - 1, share: share, target: target)
        let right = grown(depth - 1, share: share, target: target)
        return .node(
            ensemble.addSplit(
                feature: feature, condition, missing: missing, left: left, right: right))
    }

    private mutating func question() -> (Int, TreeEnsemble.Condition, TreeEnsemble.Missing) {
        let feature = numbers.below(ensemble.featureCount)
        let way = missing[numbers.below(missing.count)]
        if hasSets, numbers.chance(0.4) {
            let isWide = numbers.chance(0.2)
            let setLimit = [3, 70, 256, 400][numbers.below(4)]
            let categories = Set(
                (0..<numbers.below(8)).map { _ in
                    Int64(numbers.below(isWide ? 100_000 : setLimit)) - (isWide ? 50_000 : 0)
                })
            let reading = TreeEnsemble.CategoryReading.allCases[numbers.below(3)]
            return (feature, .member(set: ensemble.addSet(Array(categories)), reading), way)
        }
        let comparison = comparisons[numbers.below(comparisons.count)]
        let threshold = numbers.chance(0.01) ? Double.nan : pool[numbers.below(pool.count)]
        return (feature, .compare(comparison, threshold), way)
    }

    private mutating func leaf(target: Int) -> TreeEnsemble.Child {
        var value = Double.random(in: -1...1, using: &numbers)
        if numbers.chance(0.02) { value = 1e30 }
        if isVector {
            let isSparse = numbers.chance(0.1)
            let given = (0..<ensemble.targetCount).filter { _ in !isSparse || numbers.chance(0.5) }
            return .leaf(
                ensemble.addLeaf(
                    given.map { TreeEnsemble.LeafValue(target: $0, value: value / Double($0 + 1)) }
                ))
        }
        let leaf = ensemble.addLeaf(value, target: target)
        if ensemble.summing == .float64, numbers.chance(0.02) {
            let terms = (0..<numbers.below(3)).map { _ in
                (feature: Int32(numbers.below(ensemble.featureCount)), coefficient: 0.25)
            }
            ensemble.setLinear(TreeEnsemble.LinearLeaf(constant: value, terms: terms), leaf: leaf)
        }
        return .leaf(leaf)
    }

    /// Rows of the compared type, as doubles.
    mutating func rows(_ count: Int) -> [[Double]] {
        (0..<count).map { _ in
            (0..<ensemble.featureCount).map { _ in
                if numbers.chance(0.1) { return .nan }
                var value = pool[numbers.below(pool.count)]
                if numbers.chance(0.3) { value = Double.random(in: -4...70, using: &numbers) }
                if numbers.chance(0.1) { value = Double(250 + numbers.below(160)) }
                if numbers.chance(0.2) { value = value.rounded() }
                return ensemble.comparing == .float32 ? Double(Float(value)) : value
            }
        }
    }
}
