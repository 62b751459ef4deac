import MillraceTrees

/// One tree of a LightGBM file; used again for the next one, so that its lists keep their room.
struct LightGBMTree {
    /// The lines of a tree that say what it computes; others are for people and for training.
    private enum Key: Int, CaseIterable {
        case leaves, categoricals, features, thresholds, decisions, zeros, left, right, values
        case boundaries, categories, isLinear, constants, termCounts, termFeatures, coefficients

        /// As the file has it.
        var name: StaticString {
            switch self {
            case .leaves: "num_leaves"
            case .categoricals: "num_cat"
            case .features: "split_feature"
            case .thresholds: "threshold"
            case .decisions: "decision_type"
            case .zeros: "default_value"
            case .left: "left_child"
            case .right: "right_child"
            case .values: "leaf_value"
            case .boundaries: "cat_boundaries"
            case .categories: "cat_threshold"
            case .isLinear: "is_linear"
            case .constants: "leaf_const"
            case .termCounts: "num_features"
            case .termFeatures: "leaf_features"
            case .coefficients: "leaf_coeff"
            }
        }
    }

    /// LightGBM takes what is at most this large for zero. It has it as a float32.
    static let zeroLimit = Double(Float(1e-35))

    /// Of files without a version, which may be of a LightGBM before 2.0.5.
    private let mayBeOldest: Bool
    /// By key.
    private var lines = [LightGBMValue?](repeating: nil, count: Key.allCases.count)
    private var number = 0
    private var firstLine = 0
    private var features: [Int32] = []
    private var thresholds: [Double] = []
    private var decisions: [Int32] = []
    /// What zero is at each node; empty where the decisions tell what becomes of it.
    private var zeros: [Double] = []
    private var left: [Int32] = []
    private var right: [Int32] = []
    private var values: [Double] = []
    private var boundaries: [Int32] = []
    private var categories: [UInt32] = []
    /// Sets of the ensemble, by the tree's own numbers; -1 where none is made yet.
    private var sets: [Int] = []
    private var hasParent: [Bool] = []
    private var leafHasParent: [Bool] = []

    /// Sets of the ensemble that hold one category, by it.
    private var setsOfOne: [Int32: Int] = [:]

    /// Whether some tree had `leaf_parent`, as all have before LightGBM 2.0.7.
    private(set) var hasLeafParents = false
    /// Greatest and least leaf value so far.
    private(set) var leastValue = Double.infinity
    private(set) var greatestValue = -Double.infinity

    /// Bytes of the blank lines that `read` has passed last.
    private(set) var blankBytes = 0

    /// - Parameter mayBeOldest: whether the file has no version.
    init(mayBeOldest: Bool) { self.mayBeOldest = mayBeOldest }

    /// Reads the lines of the tree whose `Tree=` line has just been passed, up to its last one.
    mutating func read(_ text: inout LightGBMText, number: Int) throws(LightGBMError) {
        self.number = number
        firstLine = text.line
        for index in lines.indices { lines[index] = nil }
        blankBytes = 0
        while let line = try text.peek(), !LightGBMLoader.endsTree(line, text) {
            _ = try text.next()
            blankBytes = line.isEmpty ? blankBytes + 1 : 0
            if line.isEmpty { continue }
            guard let sign = text.find(UInt8(ascii: "="), in: line) else {
                throw LightGBMError(line: text.line, "tree \(number): a line that is no key=value")
            }
            let name = line.lowerBound..<sign
            let key = Key.allCases.first {
                $0.name.utf8CodeUnitCount == name.count && text.starts(name, with: $0.name)
            }
            guard let key else {
                if text.starts(name, with: "leaf_parent") { hasLeafParents = true }
                continue
            }
            guard lines[key.rawValue] == nil else {
                throw LightGBMError(line: text.line, "tree \(number): a second \(key.name)")
            }
            lines[key.rawValue] = LightGBMValue(line: text.line, range: sign + 1..<line.upperBound)
        }
    }

    /// Adds what `read` has read.
    mutating func add(
        to ensemble: inout TreeEnsemble, target: Int, _ text: LightGBMText
    ) throws(LightGBMError) {
        let leafCount = try text.integer(try line(.leaves), "num_leaves")
        guard leafCount >= 1, leafCount <= text.size else {
            throw failure(.leaves, "num_leaves=\(leafCount)")
        }
        let nodes = ensemble.nodeCount
        let leaves = ensemble.leafCount
        guard leafCount < Int(Int32.max) - max(nodes, leaves) else {
            throw failure(.leaves, "more than \(Int32.max) leaves in all")
        }
        try readLeaves(leafCount, text)
        if leafCount > 1 { try readNodes(leafCount - 1, text) }
        for value in values {
            leastValue = min(leastValue, value)
            greatestValue = max(greatestValue, value)
            ensemble.addLeaf(value, target: target)
        }
        try addLinearLeaves(to: &ensemble, from: leaves, text)
        if leafCount == 1 {
            ensemble.addTree(root: .leaf(leaves))
            return
        }
        try checkShape()
        for node in features.indices {
            try addNode(node, to: &ensemble, nodes: nodes, leaves: leaves)
        }
        ensemble.addTree(root: .node(nodes))
    }

    // MARK: Lines

    private func failure(_ key: Key, _ what: String) -> LightGBMError {
        LightGBMError(line: lines[key.rawValue]?.line ?? firstLine, "tree \(number): \(what)")
    }

    private func line(_ key: Key) throws(LightGBMError) -> LightGBMValue {
        guard let value = lines[key.rawValue] else {
            throw failure(key, "no \(key.name); is the file cut short?")
        }
        return value
    }

    private func check(_ count: Int, _ key: Key, _ expected: Int) throws(LightGBMError) {
        guard count == expected else {
            throw failure(key, "\(count) numbers in \(key.name) where \(expected) should be")
        }
    }

    private func read<Number: FixedWidthInteger>(
        _ key: Key, _ count: Int, _ text: LightGBMText, into list: inout [Number]
    ) throws(LightGBMError) {
        try text.integers(try line(key), "\(key.name)", into: &list)
        try check(list.count, key, count)
    }

    private func read(
        _ key: Key, _ count: Int, _ text: LightGBMText, into list: inout [Double]
    ) throws(LightGBMError) {
        try text.doubles(try line(key), "\(key.name)", into: &list)
        try check(list.count, key, count)
    }

    private mutating func readLeaves(_ count: Int, _ text: LightGBMText) throws(LightGBMError) {
        // The oldest files give no value to a tree that is one leaf: it is 0.
        if count == 1, lines[Key.values.rawValue] == nil {
            values = [0]
            return
        }
        try text.doubles(try line(.values), "leaf_value", into: &values)
        try check(values.count, .values, count)
    }

    private mutating func readNodes(_ count: Int, _ text: LightGBMText) throws(LightGBMError) {
        try text.integers(try line(.features), "split_feature", into: &features)
        try check(features.count, .features, count)
        try text.doubles(try line(.thresholds), "threshold", into: &thresholds)
        try check(thresholds.count, .thresholds, count)
        try text.integers(try line(.left), "left_child", into: &left)
        try check(left.count, .left, count)
        try text.integers(try line(.right), "right_child", into: &right)
        try check(right.count, .right, count)
        if let value = lines[Key.decisions.rawValue] {
            try text.integers(value, "decision_type", into: &decisions)
            try check(decisions.count, .decisions, count)
        } else {
            decisions.removeAll(keepingCapacity: true)
            decisions.append(contentsOf: repeatElement(0, count: count))
        }
        try readZeros(count, text)
        try readCategories(text)
    }

    /// LightGBM 2.0.5 has num_cat for the first time, and default_value no more.
    private mutating func readZeros(_ count: Int, _ text: LightGBMText) throws(LightGBMError) {
        zeros.removeAll(keepingCapacity: true)
        guard mayBeOldest, lines[Key.categoricals.rawValue] == nil else { return }
        guard lines[Key.zeros.rawValue] != nil else {
            throw LightGBMError(
                line: firstLine,
                "tree \(number): neither num_cat nor default_value; models of LightGBM 2.0 and "
                    + "later have one of them", .unsupported)
        }
        try read(.zeros, count, text, into: &zeros)
    }

    private mutating func readCategories(_ text: LightGBMText) throws(LightGBMError) {
        let count =
            if let value = lines[Key.categoricals.rawValue] {
                try text.integer(value, "num_cat")
            } else { 0 }
        guard count >= 0, count <= features.count else {
            throw failure(.categoricals, "num_cat=\(count)")
        }
        sets.removeAll(keepingCapacity: true)
        guard count > 0 else { return }
        try text.integers(try line(.boundaries), "cat_boundaries", into: &boundaries)
        try check(boundaries.count, .boundaries, count + 1)
        try text.integers(try line(.categories), "cat_threshold", into: &categories)
        guard boundaries[0] == 0, Int(boundaries[count]) == categories.count,
            (0..<count).allSatisfy({ boundaries[$0] <= boundaries[$0 + 1] })
        else {
            throw failure(
                .boundaries,
                "cat_boundaries do not go from 0 up to the \(categories.count) words of "
                    + "cat_threshold")
        }
        sets.append(contentsOf: repeatElement(-1, count: count))
    }

    // MARK: Shape

    /// Each node but the first, and each leaf, must have exactly one parent, and the first node
    /// must lead to all of them.
    private mutating func checkShape() throws(LightGBMError) {
        hasParent.removeAll(keepingCapacity: true)
        hasParent.append(contentsOf: repeatElement(false, count: features.count))
        leafHasParent.removeAll(keepingCapacity: true)
        leafHasParent.append(contentsOf: repeatElement(false, count: values.count))
        var isInOrder = true
        for node in features.indices {
            try take(left[node], .left, parent: node)
            try take(right[node], .right, parent: node)
            // LightGBM numbers a child higher than its parent.
            for child in [left[node], right[node]] where child >= 0 && Int(child) <= node {
                isInOrder = false
            }
        }
        if !isInOrder { try walk() }
    }

    private mutating func take(
        _ child: Int32, _ key: Key, parent: Int
    ) throws(LightGBMError) {
        let isLeaf = child < 0
        let index = Int(isLeaf ? ~child : child)
        guard index < (isLeaf ? values.count : features.count) else {
            throw failure(key, "node \(parent): child \(child) is not in the tree")
        }
        let isTaken = isLeaf ? leafHasParent[index] : hasParent[index] || index == 0
        guard !isTaken else {
            throw failure(key, "node \(parent): child \(child) has another parent")
        }
        if isLeaf { leafHasParent[index] = true } else { hasParent[index] = true }
    }

    /// Where no node has two parents and the first has none, a walk from there ends; nodes that it
    /// does not meet lie on a cycle.
    private func walk() throws(LightGBMError) {
        var open: [Int32] = [0]
        var count = 0
        while let node = open.popLast() {
            count += 1
            for child in [left[Int(node)], right[Int(node)]] where child >= 0 { open.append(child) }
        }
        guard count == features.count else {
            throw failure(.left, "\(features.count - count) nodes lead to themselves in a cycle")
        }
    }

    // MARK: Nodes

    private mutating func addNode(
        _ node: Int, to ensemble: inout TreeEnsemble, nodes: Int, leaves: Int
    ) throws(LightGBMError) {
        let feature = features[node]
        guard feature >= 0, Int(feature) < ensemble.featureCount else {
            throw failure(.features, "node \(node): feature \(feature) of \(ensemble.featureCount)")
        }
        let decision = decisions[node]
        guard decision >= 0, decision < (zeros.isEmpty ? 12 : 2) else {
            throw failure(.decisions, "node \(node): decision_type \(decision) is not known")
        }
        let isLeft = decision & 2 != 0
        var missing = TreeEnsemble.Missing.zero
        var condition: TreeEnsemble.Condition
        if !zeros.isEmpty {
            (condition, missing) = try oldestQuestion(of: node, in: &ensemble)
        } else if decision & 1 != 0 {
            // NaN is in no set, whatever the bits say about missing values.
            missing = .right
            condition = .member(set: try set(of: node, in: &ensemble), .truncated)
        } else {
            switch decision >> 2 {
            case 0: missing = .zero
            case 1: missing = isLeft ? .zeroOrNaNLeft : .zeroOrNaNRight
            default: missing = isLeft ? .left : .right
            }
            condition = .compare(.lessOrEqual, Self.limit(thresholds[node]))
        }
        ensemble.addSplit(
            feature: Int(feature), condition, missing: missing,
            left: Self.child(left[node], nodes, leaves),
            right: Self.child(right[node], nodes, leaves))
    }

    /// Before 2.0.5 a node compares with one category, and takes its `default_value` for zero and
    /// for what is missing.
    private mutating func oldestQuestion(
        of node: Int, in ensemble: inout TreeEnsemble
    ) throws(LightGBMError) -> (TreeEnsemble.Condition, TreeEnsemble.Missing) {
        let threshold = thresholds[node]
        let zero = zeros[node]
        guard decisions[node] == 1 else {
            return (
                .compare(.lessOrEqual, threshold),
                zero <= threshold ? .zeroOrNaNLeft : .zeroOrNaNRight
            )
        }
        let whole = threshold.rounded(.towardZero)
        guard let category = Int32(exactly: whole) else {
            throw failure(.thresholds, "node \(node): category \(threshold)")
        }
        let set = setsOfOne[category] ?? ensemble.addSet([Int64(category)])
        setsOfOne[category] = set
        let isLeft = zero.rounded(.towardZero) == whole
        return (.member(set: set, .truncated), isLeft ? .zeroOrNaNLeft : .zeroOrNaNRight)
    }

    private static func child(_ child: Int32, _ nodes: Int, _ leaves: Int) -> TreeEnsemble.Child {
        child < 0 ? .leaf(leaves + Int(~child)) : .node(nodes + Int(child))
    }

    /// Before it walks, LightGBM makes values of at most `zeroLimit` zero: the same decisions come
    /// from a threshold that has all of them on one side.
    private static func limit(_ threshold: Double) -> Double {
        if threshold >= 0 && threshold < zeroLimit { return zeroLimit }
        if threshold < 0 && threshold >= -zeroLimit { return (-zeroLimit).nextDown }
        return threshold
    }

    private mutating func set(
        of node: Int, in ensemble: inout TreeEnsemble
    ) throws(LightGBMError) -> Int {
        guard let index = Int(exactly: thresholds[node]), sets.indices.contains(index) else {
            throw failure(
                .thresholds, "node \(node): set \(thresholds[node]) of \(sets.count) in num_cat")
        }
        if sets[index] >= 0 { return sets[index] }
        let words = categories[Int(boundaries[index])..<Int(boundaries[index + 1])]
        sets[index] = ensemble.addSet(CategorySet(words: words))
        return sets[index]
    }

    // MARK: Linear trees

    private func addLinearLeaves(
        to ensemble: inout TreeEnsemble, from first: Int, _ text: LightGBMText
    ) throws(LightGBMError) {
        guard let flag = lines[Key.isLinear.rawValue], try text.integer(flag, "is_linear") != 0
        else { return }
        var constants: [Double] = []
        try read(.constants, values.count, text, into: &constants)
        var counts: [Int32] = []
        try read(.termCounts, values.count, text, into: &counts)
        var features: [Int32] = []
        try text.integers(try line(.termFeatures), "leaf_features", into: &features)
        var coefficients: [Double] = []
        try read(.coefficients, features.count, text, into: &coefficients)
        var place = 0
        for (leaf, count) in counts.enumerated() {
            guard count >= 0, Int(count) <= features.count - place else {
                throw failure(.termCounts, "leaf \(leaf): num_features says \(count)")
            }
            let terms = (place..<place + Int(count)).map { (features[$0], coefficients[$0]) }
            place += Int(count)
            // Then the leaf's own value says all.
            if terms.isEmpty && constants[leaf] == values[leaf] { continue }
            for (feature, _) in terms where feature < 0 || Int(feature) >= ensemble.featureCount {
                throw failure(
                    .termFeatures,
                    "leaf \(leaf): feature \(feature) of \(ensemble.featureCount)")
            }
            ensemble.setLinear(
                TreeEnsemble.LinearLeaf(constant: constants[leaf], terms: terms),
                leaf: first + leaf)
        }
        guard place == features.count else {
            throw failure(
                .termFeatures,
                "\(features.count) leaf_features, but num_features says "
                    + "\(place)")
        }
    }
}
