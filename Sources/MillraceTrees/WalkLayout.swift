internal import CTrees

/// Trees as walks: nodes level by level, children side by side.
final class WalkLayout: Sendable {
    let isWide: Bool
    let columns: LaidOutColumns
    /// Levels below the root, by tree.
    let depths: AlignedArray<UInt32>
    private let narrow: AlignedArray<ct_node16>
    private let wide: AlignedArray<ct_node32>
    private let roots: AlignedArray<UInt32>
    private let leafOf: AlignedArray<UInt32>
    private let sets: LaidOutSets
    /// Whether some node looks categories up.
    private let looksUp: Bool

    /// - Parameter isWalked: by tree; the others have no nodes here.
    init(_ questions: NodeQuestions, sets: LaidOutSets, isWalked: (Int) -> Bool) {
        let ensemble = questions.ensemble
        let table = questions.table
        isWide =
            table.greatestRank >= Int(CT_HIGH16) || table.columns.count > Int(CT_SET16)
            || ensemble.sets.count >= Int(CT_HIGH16)
        columns = LaidOutColumns(table.columns, sets: sets, comparing: ensemble.comparing)
        self.sets = sets
        looksUp = table.isLookedUp.contains(true)
        roots = AlignedArray(repeating: 0, count: ensemble.roots.count)
        depths = AlignedArray(repeating: 0, count: ensemble.roots.count)
        let areAllWalked = ensemble.roots.indices.allSatisfy(isWalked)
        var builder = Builder(
            questions, isWide: isWide, capacity: areAllWalked ? Self.places(ensemble) : 0)
        for tree in ensemble.roots.indices {
            roots[tree] = UInt32(clamping: builder.count)
            if isWalked(tree) { depths[tree] = builder.add(tree) }
        }
        narrow = AlignedArray(builder.narrow, or: ct_node16())
        wide = AlignedArray(builder.wide, or: ct_node32())
        leafOf = AlignedArray(builder.leafOf, or: 0)
    }

    /// Nodes and leaves of all trees, each by itself.
    private static func places(_ ensemble: TreeEnsemble) -> Int {
        ensemble.roots.indices.reduce(ensemble.nodeCount + ensemble.leafCount) { sum, tree in
            let levels = Int(ensemble.symmetric(tree: tree)?.levels ?? 0)
            return sum + (1 << levels) - 1 - levels
        }
    }

    /// Memory of the tree's nodes and what its leaves lead to.
    func byteCount(_ tree: Int) -> Int {
        let end = tree + 1 < roots.count ? Int(roots[tree + 1]) : leafOf.count
        return (end - Int(roots[tree])) * (isWide ? 16 : 12)
    }

    /// Valid as long as this object.
    var wall: ct_walk_trees {
        var wall = unsafe ct_walk_trees()
        unsafe wall.is_wide = isWide
        unsafe wall.nodes =
            isWide ? UnsafeRawPointer(wide.base) : UnsafeRawPointer(narrow.base)
        unsafe wall.roots = UnsafePointer(roots.base)
        unsafe wall.depths = UnsafePointer(depths.base)
        unsafe wall.leaf_of = UnsafePointer(leafOf.base)
        if looksUp {
            unsafe wall.sets = UnsafePointer(sets.places.base)
            unsafe wall.set_words = UnsafePointer(sets.words.base)
        }
        return unsafe wall
    }

    private struct Builder: ~Copyable {
        let questions: NodeQuestions
        let isWide: Bool
        private(set) var narrow: AlignedList<ct_node16>
        private(set) var wide: AlignedList<ct_node32>
        private(set) var leafOf: AlignedList<UInt32>
        /// Places given away; all those of a level are, before their nodes are written in turn.
        private(set) var count = 0
        /// The tree's level at hand, and the one below it.
        private var level: [Int32] = []
        private var below: [Int32] = []

        init(_ questions: NodeQuestions, isWide: Bool, capacity: Int) {
            self.questions = questions
            self.isWide = isWide
            narrow = AlignedList(capacity: isWide ? 0 : capacity)
            wide = AlignedList(capacity: isWide ? capacity : 0)
            leafOf = AlignedList(capacity: capacity)
        }

        /// Adds a tree; its depth.
        mutating func add(_ tree: Int) -> UInt32 {
            let root = questions.ensemble.roots[tree]
            count += 1
            if let symmetric = questions.ensemble.symmetric(tree: tree) {
                return add(symmetric, root: root)
            }
            level = [root]
            var depth: UInt32 = 0
            while !level.isEmpty {
                below.removeAll(keepingCapacity: true)
                for place in level {
                    guard place >= 0 else {
                        addLeaf(~place)
                        continue
                    }
                    addNode(Int(place))
                    let children = questions.children(of: Int(place))
                    below.append(children.below)
                    below.append(children.above)
                }
                swap(&level, &below)
                if !level.isEmpty { depth += 1 }
            }
            return depth
        }

        private mutating func add(_ tree: TreeEnsemble.SymmetricTree, root: Int32) -> UInt32 {
            for level in 0..<Int(tree.levels) {
                for _ in 0..<1 << level { addNode(Int(root) + level) }
            }
            let below = questions.bitsBelow(tree, root: root)
            for answers in 0..<1 << Int(tree.levels) {
                addLeaf(tree.firstLeaf &+ Int32(clamping: answers ^ below))
            }
            return UInt32(clamping: tree.levels)
        }

        /// At the next place; its children get the next two that are free.
        private mutating func addNode(_ node: Int) {
            let column = questions.column(of: node)
            if let index = questions.table.set(questions.question(of: node), column: column) {
                let mark = isWide ? Int(CT_SET32) : Int(CT_SET16)
                append(child: count, column: column | mark, rank: index)
            } else {
                append(child: count, column: column, rank: questions.rank(of: node))
            }
            count += 2
            leafOf.append(0)
        }

        /// At the next place.
        private mutating func addLeaf(_ leaf: Int32) {
            append(child: leafOf.count, column: 0, rank: nil)
            leafOf.append(UInt32(clamping: leaf))
        }

        /// - Parameter rank: nil is one that no bin reaches.
        private mutating func append(child: Int, column: Int, rank: Int?) {
            if isWide {
                wide.append(
                    ct_node32(
                        child: UInt32(clamping: child), column: UInt32(clamping: column),
                        rank: rank.map { UInt32(clamping: $0) } ?? .max))
            } else {
                narrow.append(
                    ct_node16(
                        child: UInt32(clamping: child), column: UInt16(clamping: column),
                        rank: rank.map { UInt16(clamping: $0) } ?? .max))
            }
        }
    }
}
