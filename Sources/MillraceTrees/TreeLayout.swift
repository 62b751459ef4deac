internal import CTrees

/// A checked ensemble, laid out for scoring; immutable, shared by the scorers of all lanes.
package final class TreeLayout: Sendable {
    /// Which loops score.
    package enum Loops: Sendable {
        /// What is fastest on this processor.
        case best
        /// What every processor can; the same bits.
        case portable
    }

    let featureCount: Int
    let targetCount: Int
    let leaves: LaidOutLeaves
    let walks: WalkLayout
    let blocks: BlockLayout?
    /// Trees that follow each other and are scored in the same way, where there are `blocks`.
    let runs: [(trees: Range<UInt32>, isInBlocks: Bool)]
    let divisor: Double
    let scale: Double
    /// Of the type that is summed; nil where all are 0.
    let base: Base?
    let addsBaseFirst: Bool
    let treeCount: Int

    /// Base values in memory, as the wall reads them.
    struct Base: Sendable {
        private let singles: AlignedArray<Float>
        private let doubles: AlignedArray<Double>
        private let isDouble: Bool

        init(_ values: [Double], _ precision: TreeEnsemble.Precision) {
            isDouble = precision == .float64
            doubles = AlignedArray(isDouble ? values : [], or: 0)
            singles = AlignedArray(isDouble ? [] : values.map { Float($0) }, or: 0)
        }

        var pointer: UnsafeRawPointer {
            unsafe isDouble ? UnsafeRawPointer(doubles.base) : UnsafeRawPointer(singles.base)
        }
    }

    /// Refuses circles, nodes and leaves with two parents, and indices out of range.
    package init(_ ensemble: TreeEnsemble, loops: Loops = .best) throws(TreeError) {
        try TreeChecks.check(ensemble)
        featureCount = ensemble.featureCount
        targetCount = ensemble.targetCount
        treeCount = ensemble.roots.count
        var table = ColumnTable(featureCount: ensemble.featureCount)
        var columnOfNode = [Int32](repeating: 0, count: ensemble.nodeCount)
        for node in columnOfNode.indices {
            let question = Question(
                rule: ensemble.rules[node], threshold: ensemble.thresholds[node],
                comparing: ensemble.comparing)
            let column = table.column(question, feature: Int(ensemble.features[node]))
            columnOfNode[node] = Int32(clamping: column)
        }
        table.finish()
        leaves = LaidOutLeaves(ensemble, leafOfTree: Self.leafOfTree(ensemble))
        walks = WalkLayout(ensemble, table, columnOfNode: columnOfNode)
        blocks =
            loops == .best && ct_has_blocks()
            ? BlockLayout(
                ensemble, table, columnOfNode: columnOfNode, depths: walks.depths, leaves: leaves)
            : nil
        runs = blocks.map { Self.runs($0.isHere) } ?? []
        divisor = ensemble.aggregate == .average ? Double(max(1, treeCount)) : 1
        scale = ensemble.scale
        addsBaseFirst = ensemble.basePlace == .first
        base =
            ensemble.base.contains { $0 != 0 }
            ? Base(ensemble.base, ensemble.summing) : nil
    }

    /// How the trees are scored, for people.
    package var description: String {
        let inBlocks = blocks.map { $0.isHere.count { $0 } } ?? 0
        let walked = treeCount - inBlocks
        if inBlocks == 0 { return "\(walked) trees walked" }
        return "\(inBlocks) trees in blocks of 64 rows, \(walked) walked"
    }

    private static func leafOfTree(_ ensemble: TreeEnsemble) -> [Int] {
        ensemble.roots.map { root in
            var place = root
            while place >= 0 { place = ensemble.left[Int(place)] }
            return Int(~place)
        }
    }

    private static func runs(_ isHere: [Bool]) -> [(trees: Range<UInt32>, isInBlocks: Bool)] {
        var runs: [(trees: Range<UInt32>, isInBlocks: Bool)] = []
        var start = 0
        for tree in isHere.indices
        where tree + 1 == isHere.count || isHere[tree + 1] != isHere[tree] {
            runs.append((UInt32(start)..<UInt32(tree + 1), isHere[tree]))
            start = tree + 1
        }
        return runs
    }
}
