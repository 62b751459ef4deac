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
            let values = Int(ensemble.leafStarts[leaf])..<Int(ensemble.leafStarts[leaf + 1])
            for value in values {
                let target = Int(ensemble.leafValues[value].target)
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
        var isNodeSeen = [Bool](repeating: false, count: ensemble.nodeCount)
        var isLeafSeen = [Bool](repeating: false, count: ensemble.leafCount)
        var waiting: [Int32] = []
        for tree in ensemble.roots.indices {
            waiting.append(ensemble.roots[tree])
            while let place = waiting.popLast() {
                if place < 0 {
                    let leaf = Int(~place)
                    guard leaf < isLeafSeen.count else {
                        throw TreeError("tree \(tree) has no leaf \(leaf)")
                    }
                    guard !isLeafSeen[leaf] else {
                        throw TreeError("tree \(tree) comes to leaf \(leaf) twice")
                    }
                    isLeafSeen[leaf] = true
                    continue
                }
                let node = Int(place)
                guard node < isNodeSeen.count else {
                    throw TreeError("tree \(tree) has no node \(node)")
                }
                guard !isNodeSeen[node] else {
                    throw TreeError("tree \(tree) comes to node \(node) twice (a circle)")
                }
                isNodeSeen[node] = true
                waiting.append(ensemble.left[node])
                waiting.append(ensemble.right[node])
            }
        }
    }
}
