internal import CTrees

/// Trees of which every node is asked for 64 rows at once, where that is less work than walks.
final class BlockLayout: Sendable {
    /// By tree: whether it is here; the others are walked.
    let isHere: [Bool]
    /// Rows from which on a block is less work than as many walks.
    let rowsMin: Int
    let columns: LaidOutColumns
    /// Work of a block, in the unit of `TreeSketch`.
    let cost: Double
    let trees: AlignedArray<ct_block_tree>
    let nodes: AlignedArray<ct_block_node>
    private let members: AlignedArray<ct_block_member>
    /// 4 words each.
    private let sets: AlignedArray<UInt64>
    /// Where each leaf has one value: the values, by the trees' leaves from left to right.
    private let singles: AlignedArray<Float>
    private let doubles: AlignedArray<Double>
    /// Of the others: the ensemble's leaves, in the same order.
    private let leafOf: AlignedArray<UInt32>
    private let isDouble: Bool

    /// Nil where no tree gains.
    init?(_ questions: NodeQuestions, sets: LaidOutSets, giving: ct_giving) {
        let ensemble = questions.ensemble
        var builder = Builder(questions: questions, isSingle: giving == CT_SINGLE)
        var blockCost = 0.0
        var walkCost = 0.0
        for tree in ensemble.roots.indices {
            guard let sketch = TreeSketch(questions, tree: tree),
                sketch.blockCost < 64 * TreeSketch.walkCost(depth: sketch.depth)
            else {
                builder.skip()
                continue
            }
            builder.add(sketch)
            blockCost += sketch.blockCost
            walkCost += TreeSketch.walkCost(depth: sketch.depth)
        }
        guard blockCost > 0, builder.columns.count <= Self.columnLimit else { return nil }
        cost = blockCost
        rowsMin = max(2, Int((blockCost / walkCost).rounded(.up)))
        isHere = builder.isHere
        columns = LaidOutColumns(builder.columns, sets: sets, comparing: ensemble.comparing)
        isDouble = ensemble.summing == .float64
        builder.padValues()
        trees = AlignedArray(builder.trees, or: ct_block_tree())
        nodes = AlignedArray(builder.nodes, or: ct_block_node())
        members = AlignedArray(builder.members, or: ct_block_member())
        self.sets = AlignedArray(builder.sets, or: 0)
        doubles = AlignedArray(builder.doubles, or: 0)
        singles = AlignedArray(builder.singles, or: 0)
        leafOf = AlignedArray(builder.leafOf, or: 0)
    }

    /// Bins of a block stay within what a processor keeps at hand: 4 MiB.
    private static let columnLimit = 1 << 16

    /// Memory that a block reads for the tree.
    func byteCount(_ tree: Int) -> Int {
        let tree = trees[tree]
        return Int(tree.nodes) * MemoryLayout<ct_block_node>.stride
            + Int(tree.leaves) * (isDouble ? 8 : 4)
    }

    /// Valid as long as this object.
    var wall: ct_block_trees {
        var wall = unsafe ct_block_trees()
        unsafe wall.trees = UnsafePointer(trees.base)
        unsafe wall.nodes = UnsafePointer(nodes.base)
        unsafe wall.members = UnsafePointer(members.base)
        unsafe wall.sets = UnsafeRawPointer(sets.base).assumingMemoryBound(to: UInt8.self)
        unsafe wall.leaf_values =
            isDouble ? UnsafeRawPointer(doubles.base) : UnsafeRawPointer(singles.base)
        unsafe wall.leaf_of = UnsafePointer(leafOf.base)
        return unsafe wall
    }

    private struct Builder: ~Copyable {
        let questions: NodeQuestions
        let isSingle: Bool
        private(set) var isHere: [Bool] = []
        private(set) var trees = AlignedList<ct_block_tree>()
        private(set) var nodes = AlignedList<ct_block_node>()
        private(set) var members = AlignedList<ct_block_member>()
        private(set) var sets = AlignedList<UInt64>()
        private(set) var columns: [BinColumn] = []
        private(set) var doubles = AlignedList<Double>()
        private(set) var singles = AlignedList<Float>()
        private(set) var leafOf = AlignedList<UInt32>()
        private var leafCount = 0
        /// Where the pieces of a table's column are in `columns`, one after the other; by column
        /// and piece.
        private var pieces: [Piece: Int] = [:]

        private struct Piece: Hashable {
            let column: Int
            let index: Int
        }

        /// Where a set's bits are in `sets`; by set and whether a missing value is above.
        private var setPlaces: [Piece: Int] = [:]
        /// Categories below it are looked up in 256 bits.
        private static let categoryLimit = Int64(CT_NARROW_HIGH)

        init(questions: NodeQuestions, isSingle: Bool) {
            self.questions = questions
            self.isSingle = isSingle
        }

        mutating func skip() {
            isHere.append(false)
            trees.append(ct_block_tree())
        }

        mutating func add(_ sketch: TreeSketch) {
            isHere.append(true)
            var tree = ct_block_tree()
            tree.first_node = UInt64(nodes.count)
            tree.first_member = UInt64(members.count)
            tree.first_leaf = UInt64(leafCount)
            tree.shape = UInt8(sketch.shape.rawValue)
            tree.depth = UInt8(clamping: sketch.depth)
            switch sketch.shape {
            case CT_PERFECT: addPerfect(sketch)
            case CT_OBLIVIOUS: addOblivious(sketch)
            default: addGeneric(sketch)
            }
            tree.nodes = UInt16(clamping: nodes.count - Int(tree.first_node))
            tree.members = UInt16(clamping: members.count - Int(tree.first_member))
            tree.leaves = UInt16(clamping: leafCount - Int(tree.first_leaf))
            trees.append(tree)
        }

        private mutating func addGeneric(_ sketch: TreeSketch) {
            let end = UInt16(CT_BLOCK_LEAVES)
            for (slot, node) in sketch.nodes.enumerated() {
                var made = question(node.index, slot: slot)
                made.left_slot = node.left.map { UInt16(clamping: $0) } ?? end
                made.right_slot = node.right.map { UInt16(clamping: $0) } ?? end
                made.left_leaves = UInt8(clamping: node.leftLeaves)
                nodes.append(made)
            }
            for leaf in sketch.leaves { add(leaf: leaf) }
        }

        /// Level by level; a leaf above the last level is in the place of all below it.
        private mutating func addPerfect(_ sketch: TreeSketch) {
            var level: [Int32] = [sketch.root]
            for _ in 0..<sketch.depth {
                var below: [Int32] = []
                for place in level {
                    if place >= 0 {
                        let (left, right) = questions.children(of: Int(place))
                        nodes.append(question(Int(place)))
                        below += [left, right]
                    } else {
                        // Either answer leads to the same leaf.
                        nodes.append(ct_block_node())
                        below += [place, place]
                    }
                }
                level = below
            }
            for place in level { add(leaf: Int(~place)) }
        }

        private mutating func addOblivious(_ sketch: TreeSketch) {
            for node in sketch.levels { nodes.append(question(node)) }
            for leaf in sketch.leaves { add(leaf: leaf) }
        }

        private mutating func add(leaf: Int) {
            leafCount += 1
            let ensemble = questions.ensemble
            if !isSingle {
                leafOf.append(UInt32(clamping: leaf))
            } else if ensemble.summing == .float64 {
                doubles.append(ensemble.leafValues[leaf])
            } else {
                singles.append(Float(ensemble.leafValues[leaf]))
            }
        }

        /// Look-ups read 64 values from a tree's first.
        mutating func padValues() {
            for _ in 0..<64 {
                doubles.append(0)
                singles.append(0)
            }
        }

        /// - Parameter slot: the node's place in a generic tree.
        private mutating func question(_ node: Int, slot: Int = 0) -> ct_block_node {
            let question = questions.question(of: node)
            let column = questions.column(of: node)
            if let set = questions.table.set(question, column: column) {
                return member(question, set, column, slot: slot)
            }
            let rank = questions.rank(of: node)
            let width = Int(CT_NARROW_THRESHOLDS)
            let whole = questions.table.columns[column]
            // "Above all" has a rank behind the last threshold, in the last piece.
            let last = max(0, (whole.thresholds.count - 1) / width)
            let piece = min((rank - 1) / width, last)
            var made = ct_block_node()
            made.column = UInt32(clamping: narrow(whole, column, piece) * Int(CT_BLOCK_ROWS))
            made.rank = UInt8(clamping: rank - piece * width)
            return made
        }

        /// A node that asks for a set: looked up where 256 bits hold it, else from a column of its
        /// own.
        private mutating func member(
            _ question: Question, _ set: Int, _ column: Int, slot: Int
        ) -> ct_block_node {
            let categories = questions.ensemble.sets[set]
            guard case .member(_, let reading) = question.kind,
                (categories.greatest ?? 0) < Self.categoryLimit
            else {
                var own = questions.table.columns[column]
                own.kind = question.kind
                var made = ct_block_node()
                let place = narrow(own, column, set)
                made.column = UInt32(clamping: place * Int(CT_BLOCK_ROWS))
                made.rank = 1
                return made
            }
            var codes = questions.table.columns[column]
            codes.kind = .codeByte(reading)
            let place = narrow(codes, column, -1)
            codes.kind = .codeBit(reading)
            _ = narrow(codes, column, -2)
            var made = ct_block_member()
            made.column = UInt32(clamping: place * Int(CT_BLOCK_ROWS))
            made.set = UInt32(clamping: setPlace(set, isHigh: question.missing.isHigh))
            made.slot = UInt16(clamping: slot)
            members.append(made)
            return ct_block_node()
        }

        private mutating func setPlace(_ set: Int, isHigh: Bool) -> Int {
            let key = Piece(column: isHigh ? 1 : 0, index: set)
            if let place = setPlaces[key] { return place }
            var bits = questions.ensemble.sets[set].bits
            bits += Array(repeating: 0, count: 4 - bits.count)
            // What a missing value counts as.
            if isHigh { bits[3] |= 1 << UInt64(CT_NARROW_HIGH % 64) }
            setPlaces[key] = sets.count / 4
            for word in bits { sets.append(word) }
            return sets.count / 4 - 1
        }

        /// The narrow column for a piece of a table's column.
        private mutating func narrow(_ whole: BinColumn, _ column: Int, _ piece: Int) -> Int {
            let key = Piece(column: column, index: piece)
            if let place = pieces[key] { return place }
            let width = Int(CT_NARROW_THRESHOLDS)
            var own = whole
            own.thresholds = Array(
                whole.thresholds.dropFirst(max(0, piece) * width).prefix(width))
            pieces[key] = columns.count
            columns.append(own)
            return columns.count - 1
        }
    }
}
