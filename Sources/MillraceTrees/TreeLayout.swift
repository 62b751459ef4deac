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
    let rows: RowLayout?
    let runs: [Run]
    let divisor: Double
    let scale: Double
    /// Of the type that is summed; nil where there are none.
    let base: Base?
    let addsBaseFirst: Bool
    let treeCount: Int

    /// Trees that follow each other and are scored in the same way; as many as stay in the caches
    /// while a tile's blocks go through them.
    struct Run: Sendable {
        var trees: Range<UInt32>
        let isInBlocks: Bool
    }

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
        let questions = NodeQuestions(ensemble)
        leaves = LaidOutLeaves(ensemble, leafOfTree: Self.leafOfTree(ensemble))
        walks = WalkLayout(questions)
        blocks =
            loops == .best && ct_has_blocks()
            ? BlockLayout(questions, depths: walks.depths, leaves: leaves) : nil
        rows = blocks.flatMap { RowLayout($0) }
        runs = Self.runs(blocks, walks)
        divisor = ensemble.aggregate == .average ? Double(max(1, treeCount)) : 1
        scale = ensemble.scale
        addsBaseFirst = ensemble.basePlace == .first
        base = ensemble.base.isEmpty ? nil : Base(ensemble.base, ensemble.summing)
    }

    private static func leafOfTree(_ ensemble: TreeEnsemble) -> [Int] {
        ensemble.roots.map { root in
            var place = root
            while place >= 0 { place = ensemble.left[Int(place)] }
            return Int(~place)
        }
    }

    private static func runs(_ blocks: BlockLayout?, _ walks: WalkLayout) -> [Run] {
        var runs: [Run] = []
        var bytes = 0
        for tree in 0..<walks.depths.count {
            let isInBlocks = blocks?.isHere[tree] ?? false
            let own = isInBlocks ? blocks?.byteCount(tree) ?? 0 : walks.byteCount(tree)
            let end = UInt32(clamping: tree + 1)
            if let last = runs.last, last.isInBlocks == isInBlocks, bytes + own <= runBytes {
                runs[runs.count - 1].trees = last.trees.lowerBound..<end
                bytes += own
            } else {
                runs.append(Run(trees: UInt32(clamping: tree)..<end, isInBlocks: isInBlocks))
                bytes = own
            }
        }
        return runs
    }

    /// A quarter of a usual second-level cache.
    private static let runBytes = 1 << 18
}
