internal import CTrees

/// The trees of a `BlockLayout` for few rows: all nodes of a tree are asked at once for one row.
final class RowLayout: Sendable {
    /// Rows from which on a block is less work.
    let blockRowsMin: Int
    private let trees: AlignedArray<ct_row_tree>
    private let questions: AlignedArray<ct_questions>
    private let blocks: BlockLayout

    /// Lanes of a `ct_questions`.
    private static let lanes = 64
    private static let perfectDepthMax = 6

    /// Nil where the processor cannot, or one of the trees has too many nodes or columns for it.
    init?(_ blocks: BlockLayout) {
        guard ct_has_rows(), blocks.columns.count <= Int(CT_ROW_COLUMNS) else { return nil }
        self.blocks = blocks
        var trees = AlignedList<ct_row_tree>()
        var questions = AlignedList<ct_questions>()
        var used = Self.lanes
        var cost = 0.0
        for index in blocks.isHere.indices {
            let tree = blocks.trees[index]
            var made = ct_row_tree()
            made.shape = tree.shape
            made.depth = tree.depth
            made.first_leaf = tree.first_leaf
            let depth = Int(tree.depth)
            let isOblivious = Int(tree.shape) == Int(CT_OBLIVIOUS.rawValue)
            if !blocks.isHere[index] {
                used = Self.lanes
            } else if isOblivious {
                if used + depth > Self.lanes {
                    questions.append(Self.empty)
                    used = 0
                }
                made.first_answer = UInt8(clamping: used)
                for level in 0..<depth {
                    // The first level is the highest bit of the leaf's number.
                    Self.put(
                        blocks.nodes[Int(tree.first_node) + level], at: used + depth - 1 - level,
                        in: &questions[questions.count - 1])
                }
                used += depth
                cost += Self.obliviousCost
            } else if Int(tree.shape) == Int(CT_PERFECT.rawValue), depth <= Self.perfectDepthMax {
                questions.append(Self.empty)
                used = Self.lanes
                for node in 0..<Int(tree.nodes) {
                    Self.put(
                        blocks.nodes[Int(tree.first_node) + node], at: node + 1,
                        in: &questions[questions.count - 1])
                }
                cost += Self.perfectCost(depth: depth)
            } else {
                return nil
            }
            made.questions = UInt32(clamping: max(0, questions.count - 1))
            trees.append(made)
        }
        self.trees = AlignedArray(trees, or: ct_row_tree())
        self.questions = AlignedArray(questions, or: ct_questions())
        blockRowsMin = max(2, Int((blocks.cost / max(1, cost)).rounded(.up)))
    }

    /// Cycles of a row and tree, in the proportions of `TreeSketch`'s.
    private static let obliviousCost = 3.2
    private static func perfectCost(depth: Int) -> Double { 3 + 1.2 * Double(depth) }

    /// Lanes without a question say no.
    private static var empty: ct_questions {
        var empty = ct_questions()
        unsafe withUnsafeMutableBytes(of: &empty.ranks) { ranks in
            for lane in ranks.indices { unsafe ranks[lane] = 255 }
        }
        return empty
    }

    private static func put(_ node: ct_block_node, at lane: Int, in questions: inout ct_questions) {
        let column = UInt8(clamping: Int(node.column) / Int(CT_BLOCK_ROWS))
        guard lane >= 0, lane < lanes else { return }
        unsafe withUnsafeMutableBytes(of: &questions.columns) { unsafe $0[lane] = column }
        unsafe withUnsafeMutableBytes(of: &questions.ranks) { unsafe $0[lane] = node.rank }
    }

    /// Valid as long as this object.
    var wall: ct_row_trees {
        let own = unsafe blocks.wall
        var wall = unsafe ct_row_trees()
        unsafe wall.trees = UnsafePointer(trees.base)
        unsafe wall.questions = UnsafePointer(questions.base)
        unsafe wall.leaf_values = unsafe own.leaf_values
        unsafe wall.leaf_of = unsafe own.leaf_of
        return unsafe wall
    }
}
