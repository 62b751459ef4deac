/// Why an ensemble cannot be scored; a loader adds the file and what its tool calls the place.
package struct TreeError: Error, Sendable, Equatable {
    /// What is wrong, one line, lower case.
    package let message: String

    package init(_ message: String) { self.message = message }
}

/// Refuses ensembles that would lead a walk out of their arrays or round in a circle.
enum TreeChecks {
    /// Features that a row may have; a table of columns is kept by feature.
    static let featureLimit = 1 << 22
    /// Numbers that come out for a row.
    static let targetLimit = 1 << 16

    static func check(_ ensemble: TreeEnsemble) throws(TreeError) {
        guard ensemble.featureCount >= 0, ensemble.featureCount <= featureLimit else {
            throw TreeError(
                "\(ensemble.featureCount) features; at most \(featureLimit) are possible")
        }
        guard ensemble.targetCount >= 1, ensemble.targetCount <= targetLimit else {
            throw TreeError(
                "\(ensemble.targetCount) results a row; 1 to \(targetLimit) are possible")
        }
        guard ensemble.base.isEmpty || ensemble.base.count == ensemble.targetCount else {
            throw TreeError(
                "\(ensemble.base.count) base values for \(ensemble.targetCount) results")
        }
        guard ensemble.nodeCount + ensemble.leafCount < Int(Int32.max),
            ensemble.leafValues.count < Int(Int32.max)
        else { throw TreeError("more than 2 billion nodes") }
        try checkNodes(ensemble)
        try checkLeaves(ensemble)
        try checkTrees(ensemble)
    }

    private static func checkNodes(_ ensemble: TreeEnsemble) throws(TreeError) {
        for node in 0..<ensemble.nodeCount {
            let feature = Int(ensemble.features[node])
            guard feature >= 0, feature < ensemble.featureCount else {
                throw TreeError(
                    "node \(node) asks for feature \(feature) of \(ensemble.featureCount)")
            }
            if ensemble.rules[node].reading != nil,
                Int(exactly: ensemble.thresholds[node]).map(ensemble.sets.indices.contains)
                    != true
            {
                throw TreeError("node \(node) asks for a set that is not there")
            }
        }
    }

    private static func checkLeaves(_ ensemble: TreeEnsemble) throws(TreeError) {
        for leaf in 0..<ensemble.leafCount {
            for place in ensemble.values(ofLeaf: leaf) {
                let target = ensemble.target(ofValue: place, leaf: leaf)
                guard target >= 0, target < ensemble.targetCount else {
                    throw TreeError(
                        "leaf \(leaf) gives to result \(target) of \(ensemble.targetCount)")
                }
            }
        }
        for (leaf, line) in ensemble.linearLeaves {
            guard leaf >= 0, Int(leaf) < ensemble.leafCount,
                line.terms.allSatisfy({ $0.feature >= 0 && $0.feature < ensemble.featureCount })
            else { throw TreeError("leaf \(leaf) is linear in a feature that is not there") }
            guard !line.constant.isNaN else {
                throw TreeError("leaf \(leaf) is linear with a constant that is not a number")
            }
        }
    }

    /// Each node and leaf is reached at most once, which rules out circles.
    private static func checkTrees(_ ensemble: TreeEnsemble) throws(TreeError) {
        var seen = Seen(ensemble)
        var waiting: [Int32] = []
        for tree in ensemble.roots.indices {
            if let symmetric = ensemble.symmetric(tree: tree) {
                try check(symmetric, ensemble, tree, &seen)
                continue
            }
            waiting.append(ensemble.roots[tree])
            while let place = waiting.popLast() {
                guard place >= 0 else {
                    try seen.see(leaf: Int(~place), tree)
                    continue
                }
                let node = Int(place)
                try seen.see(node: node, tree)
                waiting.append(ensemble.left[node])
                waiting.append(ensemble.right[node])
            }
        }
    }

    private static func check(
        _ symmetric: TreeEnsemble.SymmetricTree, _ ensemble: TreeEnsemble, _ tree: Int,
        _ seen: inout Seen
    ) throws(TreeError) {
        let levels = Int(symmetric.levels)
        guard levels < 31 else { throw TreeError("tree \(tree) has \(levels) levels") }
        let first = Int(ensemble.roots[tree])
        for node in first..<first + levels { try seen.see(node: node, tree) }
        let firstLeaf = Int(symmetric.firstLeaf)
        guard firstLeaf >= 0, firstLeaf + 1 << levels <= ensemble.leafCount else {
            throw TreeError("tree \(tree) has no leaf \(firstLeaf + 1 << levels - 1)")
        }
        for leaf in firstLeaf..<firstLeaf + 1 << levels { try seen.see(leaf: leaf, tree) }
    }

    /// Nodes and leaves that trees have come to.
    private struct Seen {
        private var nodes: [Bool]
        private var leaves: [Bool]

        init(_ ensemble: TreeEnsemble) {
            nodes = Array(repeating: false, count: ensemble.nodeCount)
            leaves = Array(repeating: false, count: ensemble.leafCount)
        }

        mutating func see(leaf: Int, _ tree: Int) throws(TreeError) {
            guard leaves.indices.contains(leaf) else {
                throw TreeError("tree \(tree) has no leaf \(leaf)")
            }
            guard !leaves[leaf] else { throw TreeError("tree \(tree) comes to leaf \(leaf) twice") }
            leaves[leaf] = true
        }

        mutating func see(node: Int, _ tree: Int) throws(TreeError) {
            guard nodes.indices.contains(node) else {
                throw TreeError("tree \(tree) has no node \(node)")
            }
            guard !nodes[node] else {
                throw TreeError("tree \(tree) comes to node \(node) twice (a circle)")
            }
            nodes[node] = true
        }
    }
}
