/// Decision trees as a loader hands them over: flat arrays that know no file format.
///
/// A tree is a root; a node is a split with two children; a child is another node or a leaf, and
/// each node and leaf has exactly one parent. A leaf gives values to targets. What the ensemble
/// computes for a row is, per target, the aggregate of what the row's leaves give, tree by tree in
/// the order of `roots`, and then `scale` and `base`. Nothing here is trusted before
/// `TreeLayout` has checked it.
package struct TreeEnsemble: Sendable, Equatable {
    /// In which floating-point type something is computed, each step rounded to it.
    package enum Precision: Sendable, Equatable { case float32, float64 }

    /// How the splits of a node compare a value `x`; a row for which it is true goes left.
    package enum Comparison: UInt8, Sendable, CaseIterable {
        case less, lessOrEqual, greater, greaterOrEqual, equal, notEqual
    }

    /// What a split does with a value that is not there.
    package enum Missing: UInt8, Sendable, CaseIterable {
        /// NaN is compared as IEEE 754 has it: only `notEqual` is true. It is in no set.
        case compared
        /// NaN goes left.
        case left
        /// NaN goes right.
        case right
        /// NaN is taken for 0.
        case zero
        /// NaN, and values of at most 1e-35 (the float32, LightGBM's kZeroThreshold) in
        /// magnitude, go left.
        case zeroOrNaNLeft
        /// The same, right.
        case zeroOrNaNRight
    }

    /// How a value becomes a category, a whole number that a set may hold.
    package enum CategoryReading: UInt8, Sendable, CaseIterable {
        /// Only whole numbers are categories (ONNX's BRANCH_MEMBER).
        case exact
        /// The value's whole part, so that -0.5 is category 0 (LightGBM's cast to int).
        case truncated
        /// The whole part of values that are not negative; -0.5 is none (XGBoost).
        case truncatedNonnegative
    }

    /// The question that a node asks.
    package enum Condition: Sendable, Equatable {
        /// Whether `x comparison threshold`; with `.float32` the threshold is rounded to it first.
        case compare(Comparison, Double)
        /// Whether the row's category lies in the set of this index, see `addSet`.
        case member(set: Int, CategoryReading)
    }

    /// Where a split leads: indices as `addSplit` and `addLeaf` returned them.
    package enum Child: Sendable, Equatable {
        case node(Int)
        case leaf(Int)
    }

    /// One value that a leaf gives to a target.
    package struct LeafValue: Sendable, Equatable {
        package var target: Int32
        package var value: Double

        package init(target: Int, value: Double) {
            self.target = Int32(clamping: target)
            self.value = value
        }
    }

    /// A leaf that is a linear function of features (LightGBM's linear trees): `constant` plus the
    /// sum of `coefficient * feature`, summed in float64 in this order; where one of the features
    /// is NaN the leaf's own values count instead.
    package struct LinearLeaf: Sendable, Equatable {
        package var constant: Double
        package var terms: [(feature: Int32, coefficient: Double)]

        package init(constant: Double, terms: [(feature: Int32, coefficient: Double)]) {
            self.constant = constant
            self.terms = terms
        }

        package static func == (a: Self, b: Self) -> Bool {
            a.constant == b.constant && a.terms.count == b.terms.count
                && zip(a.terms, b.terms).allSatisfy { $0 == $1 }
        }
    }

    /// How a target's values from all trees become one.
    package enum Aggregate: Sendable, Equatable { case sum, average, minimum, maximum }

    /// When `base` is added: before the first tree (XGBoost), or behind the last one.
    package enum BasePlace: Sendable, Equatable { case first, last }

    /// Values of one row; splits name them by index.
    package var featureCount: Int
    /// Numbers that come out for a row.
    package var targetCount: Int
    /// Type of features and thresholds.
    package var comparing: Precision
    /// Type in which values are summed and scaled.
    package var summing: Precision
    package var aggregate = Aggregate.sum
    package var basePlace = BasePlace.last
    /// One a target, or empty for 0.
    package var base: [Double] = []
    /// The aggregate is multiplied by it (CatBoost's scale), then `base` is added if it comes last.
    package var scale = 1.0

    /// The first node, or the only leaf, of each tree.
    package private(set) var roots: [Int32] = []
    /// Of the nodes, in the order of `addSplit`. A child below 0 is the leaf `~child`.
    package private(set) var features: [Int32] = []
    package private(set) var thresholds: [Double] = []
    package private(set) var rules: [Rule] = []
    package private(set) var left: [Int32] = []
    package private(set) var right: [Int32] = []
    /// What the leaves give, leaf by leaf.
    package private(set) var leafValues: [Double] = []
    /// By leaf.
    package private(set) var linearLeaves: [Int32: LinearLeaf] = [:]
    package private(set) var sets: [CategorySet] = []

    /// Where the values of each leaf begin in `leafValues`, one more entry for the end; empty as
    /// long as each leaf has one.
    private var leafStarts: [Int32] = []
    /// Of each value; empty as long as each leaf gives its values to targets 0, 1, ...
    private var leafTargets: [Int32] = []
    /// Of each tree; empty as long as none is symmetric.
    private var symmetricTrees: [SymmetricTree] = []

    /// Comparison or set, and missing rule of a node, in one word.
    package struct Rule: Sendable, Equatable {
        /// Nil for a comparison.
        package var reading: CategoryReading?
        package var comparison: Comparison
        package var missing: Missing
    }

    /// A tree in which all nodes of a level ask the same. The nodes `root`, `root + 1`, ... stand
    /// for its levels: their left and right are 0 and 1, or 1 and 0, which, from the highest bit
    /// on, are the number of the leaf.
    package struct SymmetricTree: Sendable, Equatable {
        /// 0 for a tree of another shape.
        package var levels: Int32
        package var firstLeaf: Int32
    }

    /// One level of a symmetric tree.
    package struct Level: Sendable {
        package var feature: Int
        package var comparison: Comparison
        package var threshold: Double
        package var missing: Missing
        /// Which half of the leaves is for rows for which the comparison is true.
        package var isUpperWhenTrue: Bool

        package init(
            feature: Int, _ comparison: Comparison, _ threshold: Double, missing: Missing,
            isUpperWhenTrue: Bool
        ) {
            self.feature = feature
            self.comparison = comparison
            self.threshold = threshold
            self.missing = missing
            self.isUpperWhenTrue = isUpperWhenTrue
        }
    }

    package init(
        featureCount: Int, targetCount: Int, comparing: Precision, summing: Precision
    ) {
        self.featureCount = featureCount
        self.targetCount = targetCount
        self.comparing = comparing
        self.summing = summing
    }

    /// Splits of all trees.
    package var nodeCount: Int { features.count }
    /// Leaves of all trees.
    package var leafCount: Int { leafStarts.isEmpty ? leafValues.count : leafStarts.count - 1 }
    /// Whether leaf i has value i, and no other.
    var haveLeavesOneValue: Bool { leafStarts.isEmpty }

    /// The places of a leaf's values in `leafValues`.
    package func values(ofLeaf leaf: Int) -> Range<Int> {
        leafStarts.isEmpty ? leaf..<leaf + 1 : Int(leafStarts[leaf])..<Int(leafStarts[leaf + 1])
    }

    /// The target of one of the leaf's values.
    package func target(ofValue place: Int, leaf: Int) -> Int {
        if !leafTargets.isEmpty { return Int(leafTargets[place]) }
        return leafStarts.isEmpty ? 0 : place - Int(leafStarts[leaf])
    }

    /// Nil for a tree whose nodes have children.
    package func symmetric(tree: Int) -> SymmetricTree? {
        guard symmetricTrees.indices.contains(tree), symmetricTrees[tree].levels > 0 else {
            return nil
        }
        return symmetricTrees[tree]
    }

    /// Makes room for so many nodes and leaves of one value.
    package mutating func reserve(nodes: Int, leaves: Int) {
        features.reserveCapacity(nodes)
        thresholds.reserveCapacity(nodes)
        rules.reserveCapacity(nodes)
        left.reserveCapacity(nodes)
        right.reserveCapacity(nodes)
        leafValues.reserveCapacity(leaves)
    }

    /// Makes room for the whole of a file of which this is what the first `done` of `total` bytes
    /// hold; some more, as trees differ.
    package mutating func reserve(done: Int, total: Int) {
        let times = Double(total) / Double(max(1, done)) * 1.03
        func whole(_ count: Int) -> Int { Int(min(Double(Int32.max), Double(count) * times)) }
        reserve(nodes: whole(nodeCount), leaves: whole(leafValues.count))
        if !leafStarts.isEmpty { leafStarts.reserveCapacity(whole(leafStarts.count)) }
        if !leafTargets.isEmpty { leafTargets.reserveCapacity(whole(leafTargets.count)) }
    }

    /// Adds a node; the children may come later. Returns its index.
    @discardableResult
    package mutating func addSplit(
        feature: Int, _ condition: Condition, missing: Missing, left: Child, right: Child
    ) -> Int {
        features.append(Int32(clamping: feature))
        switch condition {
        case .compare(let comparison, let threshold):
            thresholds.append(threshold)
            rules.append(Rule(reading: nil, comparison: comparison, missing: missing))
        case .member(let set, let reading):
            thresholds.append(Double(set))
            rules.append(Rule(reading: reading, comparison: .equal, missing: missing))
        }
        self.left.append(Self.word(left))
        self.right.append(Self.word(right))
        return features.count - 1
    }

    /// Adds a leaf that gives one value to one target. Returns its index.
    @discardableResult
    package mutating func addLeaf(_ value: Double, target: Int = 0) -> Int {
        add(value, target: target, place: 0)
        return endLeaf(values: 1)
    }

    /// Adds a leaf that gives values to several targets, each named once, or to none.
    @discardableResult
    package mutating func addLeaf(_ values: some Sequence<LeafValue>) -> Int {
        var count = 0
        for value in values {
            add(value.value, target: Int(value.target), place: count)
            count += 1
        }
        return endLeaf(values: count)
    }

    /// Adds a leaf that gives to targets 0, 1, ... in turn.
    @discardableResult
    package mutating func addLeaf(dense values: ArraySlice<Double>) -> Int {
        for (place, value) in values.enumerated() { add(value, target: place, place: place) }
        return endLeaf(values: values.count)
    }

    private mutating func add(_ value: Double, target: Int, place: Int) {
        let target = Int32(clamping: target)
        if leafTargets.isEmpty, Int(target) != place { nameTargets(next: place) }
        leafValues.append(value)
        if !leafTargets.isEmpty || Int(target) != place { leafTargets.append(target) }
    }

    /// From here on each value has its target written down.
    ///
    /// - Parameter next: values that the leaf at hand has so far.
    private mutating func nameTargets(next: Int) {
        leafTargets.reserveCapacity(leafValues.capacity)
        let ended = leafStarts.isEmpty ? leafValues.count - next : leafCount
        for leaf in 0..<ended {
            for place in 0..<values(ofLeaf: leaf).count {
                leafTargets.append(Int32(clamping: place))
            }
        }
        for place in 0..<next { leafTargets.append(Int32(clamping: place)) }
    }

    private mutating func endLeaf(values count: Int) -> Int {
        if leafStarts.isEmpty, count != 1 {
            leafStarts.reserveCapacity(leafValues.capacity + 1)
            for leaf in 0...(leafValues.count - count) { leafStarts.append(Int32(clamping: leaf)) }
        }
        if !leafStarts.isEmpty { leafStarts.append(Int32(clamping: leafValues.count)) }
        return leafCount - 1
    }

    /// Makes a leaf with exactly one value a linear one.
    package mutating func setLinear(_ linear: LinearLeaf, leaf: Int) {
        linearLeaves[Int32(clamping: leaf)] = linear
    }

    /// Adds a set of categories. Returns its index.
    package mutating func addSet(_ categories: [Int64]) -> Int {
        addSet(CategorySet(categories))
    }

    /// Adds a set of categories. Returns its index.
    package mutating func addSet(_ set: CategorySet) -> Int {
        sets.append(set)
        return sets.count - 1
    }

    /// Adds a tree.
    package mutating func addTree(root: Child) {
        roots.append(Self.word(root))
        if !symmetricTrees.isEmpty {
            symmetricTrees.append(SymmetricTree(levels: 0, firstLeaf: 0))
        }
    }

    /// Adds a tree whose nodes ask the same in each level, the root's first. Its leaves, as many as
    /// the levels can tell apart, lie side by side from `firstLeaf` on.
    package mutating func addSymmetricTree(_ levels: [Level], firstLeaf: Int) {
        guard !levels.isEmpty else { return addTree(root: .leaf(firstLeaf)) }
        if symmetricTrees.isEmpty {
            symmetricTrees = roots.map { _ in SymmetricTree(levels: 0, firstLeaf: 0) }
        }
        roots.append(Self.word(.node(nodeCount)))
        symmetricTrees.append(
            SymmetricTree(
                levels: Int32(clamping: levels.count), firstLeaf: Int32(clamping: firstLeaf)))
        for level in levels {
            features.append(Int32(clamping: level.feature))
            thresholds.append(level.threshold)
            rules.append(
                Rule(reading: nil, comparison: level.comparison, missing: level.missing))
            left.append(level.isUpperWhenTrue ? 1 : 0)
            right.append(level.isUpperWhenTrue ? 0 : 1)
        }
    }

    /// A negative index becomes one that no ensemble has.
    private static func word(_ child: Child) -> Int32 {
        switch child {
        case .node(let index): index < 0 ? .max : Int32(clamping: index)
        case .leaf(let index): ~(index < 0 ? .max : Int32(clamping: index))
        }
    }
}
