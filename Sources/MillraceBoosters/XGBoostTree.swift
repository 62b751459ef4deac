import MillraceTrees

/// One tree of an XGBoost file: numbers by node, in lists that all trees of a file share in turn.
struct XGBoostTree {
    private var left: [Int32] = []
    private var right: [Int32] = []
    private var missingGoesLeft: [Int32] = []
    private var features: [Int32] = []
    /// Of a split, or the value of a leaf.
    private var conditions: [Float] = []
    private var splitTypes: [Int32] = []
    private var categories: [Int32] = []
    private var categoryNodes: [Int32] = []
    private var categoryStarts: [Int32] = []
    private var categoryCounts: [Int32] = []
    /// Values of all targets by node (2.0 to 3.0), read for vector leaves only.
    private var nodeVectors: [Float] = []
    /// Values of all targets by leaf, which the right child of a leaf names (3.1 on).
    private var leafVectors: [Float] = []
    private var nodeCount: Int64?
    private var vectorSize: Int64 = 1
    /// Reused by `add`.
    private var order: [Int32] = []
    private var places: [Int32] = []

    /// Reads the tree's object in place of what was here.
    mutating func read(_ reader: inout DocumentReader) throws(DocumentError) {
        empty()
        var nodeVectors: DocumentReader?
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "left_children": try reader.integers(into: &left)
            case "right_children": try reader.integers(into: &right)
            case "default_left": try reader.integers(into: &missingGoesLeft)
            case "split_indices": try reader.integers(into: &features)
            case "split_conditions": try reader.floats(into: &conditions)
            case "split_type": try reader.integers(into: &splitTypes)
            case "categories": try reader.integers(into: &categories)
            case "categories_nodes": try reader.integers(into: &categoryNodes)
            case "categories_segments": try reader.integers(into: &categoryStarts)
            case "categories_sizes": try reader.integers(into: &categoryCounts)
            case "base_weights":
                nodeVectors = try reader.fork()
                try reader.skip()
            case "leaf_weights": try reader.floats(into: &leafVectors)
            case "tree_param":
                try reader.beginObject()
                while let name = try reader.nextKey() {
                    switch name {
                    case "num_nodes": nodeCount = try reader.looseInteger()
                    case "size_leaf_vector": vectorSize = try reader.looseInteger()
                    default: try reader.skip()
                    }
                }
            default: try reader.skip()
            }
        }
        if vectorSize > 1, leafVectors.isEmpty, var nodeVectors {
            try nodeVectors.floats(into: &self.nodeVectors)
        }
    }

    private mutating func empty() {
        left.removeAll(keepingCapacity: true)
        right.removeAll(keepingCapacity: true)
        missingGoesLeft.removeAll(keepingCapacity: true)
        features.removeAll(keepingCapacity: true)
        conditions.removeAll(keepingCapacity: true)
        splitTypes.removeAll(keepingCapacity: true)
        categories.removeAll(keepingCapacity: true)
        categoryNodes.removeAll(keepingCapacity: true)
        categoryStarts.removeAll(keepingCapacity: true)
        categoryCounts.removeAll(keepingCapacity: true)
        nodeVectors.removeAll(keepingCapacity: true)
        leafVectors.removeAll(keepingCapacity: true)
        nodeCount = nil
        vectorSize = 1
    }

    /// Adds the tree to an ensemble.
    ///
    /// - Parameters:
    ///   - target: what a leaf with one value gives it to.
    ///   - weight: of DART; leaves are multiplied by it, in float32.
    mutating func add(
        to ensemble: inout TreeEnsemble, target: Int, weight: Float?
    ) throws(TreeError) {
        try checkLengths(targets: ensemble.targetCount)
        let sets = try categorySets(&ensemble)
        let base = (nodes: ensemble.nodeCount, leaves: ensemble.leafCount)
        try arrange(featureCount: ensemble.featureCount)
        func child(_ node: Int32) -> TreeEnsemble.Child {
            let place = Int(places[Int(node)])
            return place < 0 ? .leaf(base.leaves + ~place) : .node(base.nodes + place)
        }
        for node in order {
            let node = Int(node)
            if left[node] < 0 {
                try addLeaf(node, to: &ensemble, target: target, weight: weight)
                continue
            }
            let isLeft = missingGoesLeft[node] != 0
            if let set = sets[Int32(node)] {
                // Here members go right; the ensemble's go left.
                ensemble.addSplit(
                    feature: Int(features[node]), .member(set: set, .truncatedNonnegative),
                    missing: isLeft ? .right : .left,
                    left: child(right[node]), right: child(left[node]))
            } else {
                guard splitTypes.isEmpty || splitTypes[node] == 0 else {
                    throw TreeError("node \(node): a categorical split without its categories")
                }
                guard !conditions[node].isNaN else {
                    throw TreeError("node \(node): the threshold is not a number")
                }
                ensemble.addSplit(
                    feature: Int(features[node]), .compare(.less, Double(conditions[node])),
                    missing: isLeft ? .left : .right,
                    left: child(left[node]), right: child(right[node]))
            }
        }
        ensemble.addTree(root: child(0))
    }

    private func checkLengths(targets: Int) throws(TreeError) {
        let count = left.count
        guard count > 0 else { throw TreeError("no nodes") }
        guard nodeCount == nil || nodeCount == Int64(count) else {
            throw TreeError("\(count) nodes where num_nodes says \(nodeCount ?? 0)")
        }
        for (name, other) in [
            ("right_children", right.count), ("default_left", missingGoesLeft.count),
            ("split_indices", features.count), ("split_conditions", conditions.count),
        ] where other != count {
            throw TreeError("\(other) numbers in \(name) for \(count) nodes")
        }
        guard splitTypes.isEmpty || splitTypes.count == count else {
            throw TreeError("\(splitTypes.count) numbers in split_type for \(count) nodes")
        }
        if vectorSize > 1 {
            guard vectorSize == Int64(targets) else {
                throw TreeError("leaves have \(vectorSize) values for \(targets) targets")
            }
            guard !leafVectors.isEmpty || nodeVectors.count == count * targets else {
                throw TreeError(
                    "\(nodeVectors.count) numbers in base_weights for \(count) nodes with "
                        + "\(targets) values each")
            }
        }
    }

    /// Index in the ensemble of each categorical node's set.
    private func categorySets(_ ensemble: inout TreeEnsemble) throws(TreeError) -> [Int32: Int] {
        guard !categoryNodes.isEmpty else { return [:] }
        guard categoryStarts.count == categoryNodes.count,
            categoryCounts.count == categoryNodes.count
        else {
            throw TreeError(
                "categories_nodes, _segments and _sizes have different lengths: "
                    + "\(categoryNodes.count), \(categoryStarts.count), \(categoryCounts.count)")
        }
        var sets: [Int32: Int] = [:]
        for (index, node) in categoryNodes.enumerated() {
            let start = Int(categoryStarts[index])
            let count = Int(categoryCounts[index])
            guard start >= 0, count >= 0, start + count <= categories.count else {
                throw TreeError("node \(node): its categories lie outside of the list")
            }
            guard node >= 0, node < left.count else {
                throw TreeError("node \(node): has categories, but is not in the tree")
            }
            let members = categories[start..<start + count]
            guard members.allSatisfy({ $0 >= 0 }) else {
                throw TreeError("node \(node): a category below 0")
            }
            // Splits that pruning has made leaves keep theirs.
            if left[Int(node)] < 0 { continue }
            // A damaged file may name one stretch for many nodes.
            guard sets.updateValue(ensemble.sets.count, forKey: node) == nil,
                index == 0
                    || start >= Int(categoryStarts[index - 1])
                        + Int(categoryCounts[index - 1])
            else { throw TreeError("node \(node): its categories are named twice") }
            _ = ensemble.addSet(members.map { Int64($0) })
        }
        return sets
    }

    /// Fills `order` with the nodes that the root leads to, parents first, and `places` with their
    /// index among splits, or the complement of that among leaves. Nodes that pruning has taken out
    /// are led to by none.
    private mutating func arrange(featureCount: Int) throws(TreeError) {
        let unseen = Int32.max
        order.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        places.append(contentsOf: repeatElement(unseen, count: left.count))
        var splits: Int32 = 0
        var leaves: Int32 = 0
        order.append(0)
        var next = 0
        while next < order.count {
            let node = Int(order[next])
            next += 1
            guard places[node] == unseen else {
                throw TreeError("node \(node): reached in two ways")
            }
            guard left[node] != -1 else {
                // Since 3.1 the right child of a vector leaf is the index of its values.
                guard right[node] == -1 || !leafVectors.isEmpty else {
                    throw TreeError("node \(node): has a right child only")
                }
                places[node] = ~leaves
                leaves += 1
                continue
            }
            for child in [left[node], right[node]] {
                guard child > 0, child < left.count else {
                    throw TreeError("node \(node): child \(child) is not in the tree")
                }
                order.append(child)
            }
            guard features[node] >= 0, features[node] < featureCount else {
                throw TreeError(
                    "node \(node): feature \(features[node]) of a model with \(featureCount)")
            }
            places[node] = splits
            splits += 1
            guard order.count <= left.count else {
                throw TreeError("node \(node): part of a cycle, or reached in two ways")
            }
        }
    }

    private func addLeaf(
        _ node: Int, to ensemble: inout TreeEnsemble, target: Int, weight: Float?
    ) throws(TreeError) {
        guard vectorSize > 1 else {
            let value = conditions[node] * (weight ?? 1)
            guard value.isFinite else { throw TreeError("node \(node): a leaf that is no number") }
            ensemble.addLeaf(Double(value), target: target)
            return
        }
        let targets = ensemble.targetCount
        let values: [Float]
        var start = node * targets
        if leafVectors.isEmpty {
            values = nodeVectors
        } else {
            values = leafVectors
            let leaf = Int(right[node])
            guard leaf >= 0, leaf < leafVectors.count / targets else {
                throw TreeError("node \(node): values \(leaf) are not in leaf_weights")
            }
            start = leaf * targets
        }
        guard start + targets <= values.count,
            values[start..<start + targets].allSatisfy({ $0.isFinite })
        else { throw TreeError("node \(node): a leaf that is no number") }
        ensemble.addLeaf(
            dense: values[start..<start + targets].map { Double($0 * (weight ?? 1)) }[...])
    }
}
