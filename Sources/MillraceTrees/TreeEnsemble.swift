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
    /// Where the values of each leaf begin in `leafValues`; one more entry for the end.
    package private(set) var leafStarts: [Int32] = [0]
    package private(set) var leafValues: [LeafValue] = []
    /// By leaf.
    package private(set) var linearLeaves: [Int32: LinearLeaf] = [:]
    /// Sorted whole numbers.
    package private(set) var sets: [[Int64]] = []

    /// Comparison or set, and missing rule of a node, in one word.
    package struct Rule: Sendable, Equatable {
        /// Nil for a comparison.
        package var reading: CategoryReading?
        package var comparison: Comparison
        package var missing: Missing
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
    package var leafCount: Int { leafStarts.count - 1 }

    /// Makes room for so many nodes and leaves.
    package mutating func reserve(nodes: Int, leaves: Int) {
        features.reserveCapacity(nodes)
        thresholds.reserveCapacity(nodes)
        rules.reserveCapacity(nodes)
        left.reserveCapacity(nodes)
        right.reserveCapacity(nodes)
        leafStarts.reserveCapacity(leaves + 1)
        leafValues.reserveCapacity(leaves)
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
        leafValues.append(LeafValue(target: target, value: value))
        leafStarts.append(Int32(clamping: leafValues.count))
        return leafCount - 1
    }

    /// Adds a leaf that gives values to several targets, each named once, or to none.
    @discardableResult
    package mutating func addLeaf(_ values: some Sequence<LeafValue>) -> Int {
        leafValues.append(contentsOf: values)
        leafStarts.append(Int32(clamping: leafValues.count))
        return leafCount - 1
    }

    /// Makes a leaf with exactly one value a linear one.
    package mutating func setLinear(_ linear: LinearLeaf, leaf: Int) {
        linearLeaves[Int32(clamping: leaf)] = linear
    }

    /// Adds a set of categories. Returns its index.
    package mutating func addSet(_ categories: some Sequence<Int64>) -> Int {
        sets.append(categories.sorted())
        return sets.count - 1
    }

    /// Adds a tree.
    package mutating func addTree(root: Child) { roots.append(Self.word(root)) }

    /// A negative index becomes one that no ensemble has.
    private static func word(_ child: Child) -> Int32 {
        switch child {
        case .node(let index): index < 0 ? .max : Int32(clamping: index)
        case .leaf(let index): ~(index < 0 ? .max : Int32(clamping: index))
        }
    }
}
