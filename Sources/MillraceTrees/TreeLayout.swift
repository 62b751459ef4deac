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

    /// Features from the first up to the last that is asked for.
    let viewCount: Int
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
        targetCount = ensemble.targetCount
        treeCount = ensemble.roots.count
        let questions = NodeQuestions(ensemble)
        viewCount =
            1
            + max(
                questions.table.columns.reduce(-1) { max($0, $1.feature) },
                ensemble.linearLeaves.values.lazy.flatMap(\.terms).reduce(-1) {
                    max($0, Int($1.feature))
                })
        let sets = LaidOutSets(ensemble.sets)
        let giving = LaidOutLeaves.giving(ensemble)
        let blocks =
            loops == .best && ct_has_blocks()
            ? BlockLayout(questions, sets: sets, giving: giving) : nil
        self.blocks = blocks
        rows = blocks.flatMap { RowLayout($0) }
        // What is scored in blocks is walked for few rows, unless there is a way for those too.
        let areBlocksWalked = rows == nil
        func isWalked(_ tree: Int) -> Bool { areBlocksWalked || blocks?.isHere[tree] != true }
        walks = WalkLayout(questions, sets: sets, isWalked: isWalked)
        leaves = LaidOutLeaves(
            ensemble, giving: giving,
            keepsValues: ensemble.roots.indices.contains(where: isWalked))
        runs = Self.runs(blocks, walks)
        divisor = ensemble.aggregate == .average ? Double(max(1, treeCount)) : 1
        scale = ensemble.scale
        addsBaseFirst = ensemble.basePlace == .first
        base = ensemble.base.isEmpty ? nil : Base(ensemble.base, ensemble.summing)
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
