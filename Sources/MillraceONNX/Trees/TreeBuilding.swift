import MillraceTrees

/// Makes the kernel's ensemble of a file's trees, walking each from its root: every node has one
/// parent, or the model is refused. Leaves that give one value may have several.
struct TreeBuilding {
    /// What decides whether a row's leaves give each target a value.
    struct Coverage {
        /// By target: whether some tree gives it a value from each of its leaves.
        var isCovered: [Bool]
        /// Whether some tree gives a value above 0 from each of its leaves.
        var hasPositiveTree = false
        /// Whether each leaf gives a value.
        var hasNoEmptyLeaf = true
    }

    private(set) var ensemble: TreeEnsemble
    private(set) var coverage: Coverage

    private let trees: OnnxTrees
    private enum Mark: UInt8 { case new, open, closed }
    private var marks: [Mark]
    /// By node of the file: its index in the ensemble.
    private var numbers: [Int32]
    /// Splits in the ensemble's order: the node, and its children as a node or `~leaf`.
    private var splits: [(node: Int32, whenTrue: Int32, whenFalse: Int32)] = []
    /// Leaves in the ensemble's order.
    private var leaves: [Int32] = []
    /// By the first node of a chain of questions for single categories.
    private var chains: [Int32: [Int64]] = [:]

    /// - Parameter ensemble: empty, with its counts and types.
    static func build(
        _ trees: OnnxTrees, into ensemble: TreeEnsemble
    ) throws(TreesFailure) -> (TreeEnsemble, Coverage) {
        var building = TreeBuilding(trees, ensemble)
        for tree in trees.roots.indices { try building.addTree(tree) }
        for node in 0..<min(trees.count, trees.splitCount) where building.marks[node] == .new {
            throw .declined("\(trees.place(node, tree: 0)) is reached from no other node")
        }
        return (building.ensemble, building.coverage)
    }

    private init(_ trees: OnnxTrees, _ ensemble: TreeEnsemble) {
        self.trees = trees
        self.ensemble = ensemble
        coverage = Coverage(isCovered: Array(repeating: false, count: ensemble.targetCount))
        marks = Array(repeating: .new, count: trees.count)
        numbers = Array(repeating: 0, count: trees.count)
        targetCounts = Array(repeating: 0, count: ensemble.targetCount)
        let leaves = trees.modes.reduce(0) { $0 + ($1 == .leaf ? 1 : 0) }
        self.ensemble.reserve(nodes: trees.count - leaves, leaves: leaves)
    }

    private mutating func addTree(_ tree: Int) throws(TreesFailure) {
        let root = trees.roots[tree]
        splits.removeAll(keepingCapacity: true)
        leaves.removeAll(keepingCapacity: true)
        guard marks[Int(root)] == .new else { throw shared(root, tree) }
        if trees.modes[Int(root)] == .leaf {
            marks[Int(root)] = .closed
            leaves.append(root)
            try addLeaves(tree)
            return ensemble.addTree(root: .leaf(ensemble.leafCount - 1))
        }
        let first = ensemble.nodeCount
        try walk(root, tree)
        let firstLeaf = ensemble.leafCount
        try addLeaves(tree)
        for split in splits { try addSplit(split, firstLeaf: firstLeaf, tree) }
        ensemble.addTree(root: .node(first))
    }

    /// Finds the tree's splits and leaves, in the order in which they will lie.
    private mutating func walk(_ root: Int32, _ tree: Int) throws(TreesFailure) {
        let first = ensemble.nodeCount
        // A node, or `~node` for the end of its subtree.
        var waiting = [root]
        while let place = waiting.popLast() {
            guard place >= 0 else {
                marks[Int(~place)] = .closed
                continue
            }
            let node = Int(place)
            guard marks[node] == .new else { throw shared(place, tree) }
            marks[node] = .open
            numbers[node] = Int32(clamping: first + splits.count)
            waiting.append(~place)
            let whenFalse = try foldChain(node, tree)
            let whenTrue = trees.trueChildren[node]
            splits.append((place, child(whenTrue), child(whenFalse)))
            if trees.modes[Int(whenFalse)] != .leaf { waiting.append(whenFalse) }
            if trees.modes[Int(whenTrue)] != .leaf { waiting.append(whenTrue) }
        }
    }

    private func shared(_ node: Int32, _ tree: Int) -> TreesFailure {
        let place = trees.place(Int(node), tree: tree)
        return marks[Int(node)] == .open
            ? .invalid("\(place) leads back to itself")
            : .declined("\(place) is reached from two nodes")
    }

    /// A leaf gets its place now, a node stays what it is.
    private mutating func child(_ place: Int32) -> Int32 {
        let node = Int(place)
        guard trees.modes[node] == .leaf else { return place }
        marks[node] = marks[node] == .new ? .closed : .open
        leaves.append(place)
        return ~Int32(clamping: leaves.count - 1)
    }

    /// Converters write a set of categories as questions in a row, `x == a`, else `x == b`, else
    /// ..., that lead to the same place. Marks those behind the first as visited; where the last
    /// one's false branch leads.
    private mutating func foldChain(_ first: Int, _ tree: Int) throws(TreesFailure) -> Int32 {
        var last = first
        var next = trees.falseChildren[first]
        guard trees.modes[first] == .equal, let category = category(first) else { return next }
        var categories = [category]
        while true {
            let node = Int(next)
            guard trees.modes[node] == .equal, marks[node] == .new,
                trees.features[node] == trees.features[first],
                trees.trueChildren[node] == trees.trueChildren[first],
                let category = self.category(node)
            else { break }
            marks[node] = .closed
            categories.append(category)
            // ONNX Runtime takes small categories for one question, and the first one's word for
            // all of them.
            guard
                trees.tracksMissing.isEmpty
                    || trees.tracksMissing[node] == trees.tracksMissing[first]
            else {
                throw .declined(
                    "\(trees.place(node, tree: tree)) sends missing values elsewhere than the node "
                        + "before it")
            }
            last = node
            next = trees.falseChildren[node]
        }
        if last != first { chains[Int32(clamping: first)] = categories }
        return next
    }

    private func category(_ node: Int) -> Int64? {
        let threshold = trees.thresholds[node]
        return abs(threshold) <= OnnxTrees.categoryLimit ? Int64(exactly: threshold) : nil
    }

    private mutating func addSplit(
        _ split: (node: Int32, whenTrue: Int32, whenFalse: Int32), firstLeaf: Int, _ tree: Int
    ) throws(TreesFailure) {
        let node = Int(split.node)
        let feature = Int(trees.features[node])
        guard feature >= 0, feature < ensemble.featureCount else {
            throw .invalid(
                "\(trees.place(node, tree: tree)) asks for feature \(feature); the input has "
                    + "\(ensemble.featureCount)")
        }
        let threshold = trees.thresholds[node]
        guard !threshold.isNaN else {
            throw .invalid("\(trees.place(node, tree: tree)) compares with NaN")
        }
        let tracksMissing = trees.tracksMissing.isEmpty ? false : trees.tracksMissing[node]
        let condition: TreeEnsemble.Condition
        switch trees.modes[node] {
        case .equal:
            if let categories = chains[split.node] {
                condition = .member(set: ensemble.addSet(categories), .exact)
            } else {
                condition = .compare(.equal, threshold)
            }
        case .member:
            condition = .member(set: ensemble.addSet(trees.sets[Int(threshold)]), .exact)
        case .less: condition = .compare(.less, threshold)
        case .greater: condition = .compare(.greater, threshold)
        case .greaterOrEqual: condition = .compare(.greaterOrEqual, threshold)
        case .notEqual: condition = .compare(.notEqual, threshold)
        case .lessOrEqual, .leaf: condition = .compare(.lessOrEqual, threshold)
        }
        ensemble.addSplit(
            feature: feature, condition, missing: tracksMissing ? .left : .compared,
            left: reference(split.whenTrue, firstLeaf), right: reference(split.whenFalse, firstLeaf)
        )
    }

    private func reference(_ child: Int32, _ firstLeaf: Int) -> TreeEnsemble.Child {
        child < 0 ? .leaf(firstLeaf + Int(~child)) : .node(Int(numbers[Int(child)]))
    }

    // MARK: - Leaves

    /// By target: leaves of the tree that give it a value.
    private var targetCounts: [Int]

    private mutating func addLeaves(_ tree: Int) throws(TreesFailure) {
        var touched: [Int] = []
        var positives = 0
        for leaf in leaves {
            let node = Int(leaf)
            let own = Int(trees.valueStarts[node])..<Int(trees.valueStarts[node + 1])
            if own.isEmpty { coverage.hasNoEmptyLeaf = false }
            if own.count > 1, marks[node] == .open {
                throw .declined("\(trees.place(node, tree: tree)) is reached from two nodes")
            }
            var isPositive = false
            for place in own {
                let value = trees.values[place]
                let target = Int(trees.targets[place])
                guard target >= 0, target < ensemble.targetCount else {
                    throw .invalid(
                        "\(trees.place(node, tree: tree)) has a weight for target or class "
                            + "\(target); there are \(ensemble.targetCount)")
                }
                guard !value.isNaN else {
                    throw .invalid("\(trees.place(node, tree: tree)) has the weight NaN")
                }
                if value > 0 { isPositive = true }
                if targetCounts[target] == 0 { touched.append(target) }
                targetCounts[target] += 1
            }
            try checkRepeats(own, node, tree)
            if isPositive { positives += 1 }
            if own.count == 1 {
                let place = own.lowerBound
                ensemble.addLeaf(trees.values[place], target: Int(trees.targets[place]))
            } else {
                ensemble.addLeaf(
                    own.map {
                        TreeEnsemble.LeafValue(
                            target: Int(trees.targets[$0]), value: trees.values[$0])
                    })
            }
        }
        if positives == leaves.count { coverage.hasPositiveTree = true }
        for target in touched {
            if targetCounts[target] == leaves.count { coverage.isCovered[target] = true }
            targetCounts[target] = 0
        }
    }

    /// A leaf may name a target once; in real files its targets ascend.
    private func checkRepeats(
        _ own: Range<Int>, _ node: Int, _ tree: Int
    ) throws(TreesFailure) {
        guard own.count > 1 else { return }
        var ascends = true
        for place in own.dropFirst()
        where trees.targets[place - 1] >= trees.targets[place] {
            ascends = false
            break
        }
        guard ascends || Set(trees.targets[own]).count == own.count else {
            throw .declined(
                "\(trees.place(node, tree: tree)) has two weights for one target or class")
        }
    }
}
