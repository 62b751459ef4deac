internal import CTrees

/// All trees as walks: nodes level by level, children side by side.
final class WalkLayout: Sendable {
    let isWide: Bool
    let columns: LaidOutColumns
    /// Levels below the root, by tree.
    let depths: AlignedArray<UInt32>
    private let narrow: AlignedArray<ct_node16>
    private let wide: AlignedArray<ct_node32>
    private let roots: AlignedArray<UInt32>
    private let leafOf: AlignedArray<UInt32>
    /// Empty where no node looks categories up.
    private let sets: AlignedArray<ct_set>
    private let setWords: AlignedArray<UInt64>

    init(_ questions: NodeQuestions) {
        let ensemble = questions.ensemble
        let table = questions.table
        isWide =
            table.greatestRank >= Int(CT_HIGH16) || table.columns.count > Int(CT_SET16)
            || ensemble.sets.count >= Int(CT_HIGH16)
        columns = LaidOutColumns(
            table.columns, sets: ensemble.sets, comparing: ensemble.comparing)
        (sets, setWords) = Self.sets(ensemble, table)
        var builder = Builder(questions, isWide: isWide)
        roots = AlignedArray(repeating: 0, count: ensemble.roots.count)
        depths = AlignedArray(repeating: 0, count: ensemble.roots.count)
        for tree in ensemble.roots.indices {
            roots[tree] = UInt32(clamping: builder.count)
            depths[tree] = builder.add(ensemble.roots[tree])
        }
        narrow = builder.narrow
        wide = builder.wide
        leafOf = builder.leafOf
    }

    /// Sets that are looked up by category; the others are empty.
    private static func sets(
        _ ensemble: TreeEnsemble, _ table: ColumnTable
    ) -> (AlignedArray<ct_set>, AlignedArray<UInt64>) {
        guard table.isLookedUp.contains(true) else {
            return (AlignedArray([], or: ct_set()), AlignedArray([], or: 0))
        }
        var sets: [ct_set] = []
        var words: [UInt64] = []
        for (set, isLookedUp) in zip(ensemble.sets, table.isLookedUp) {
            let bits = isLookedUp ? LaidOutColumns.bits(set) : []
            sets.append(ct_set(first_word: words.count, words: UInt32(clamping: bits.count)))
            words += bits
        }
        return (AlignedArray(sets, or: ct_set()), AlignedArray(words, or: 0))
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
        if sets.count > 0 {
            unsafe wall.sets = UnsafePointer(sets.base)
            unsafe wall.set_words = UnsafePointer(setWords.base)
        }
        return unsafe wall
    }

    private struct Builder {
        let questions: NodeQuestions
        let isWide: Bool
        let narrow: AlignedArray<ct_node16>
        let wide: AlignedArray<ct_node32>
        let leafOf: AlignedArray<UInt32>
        private(set) var count = 0
        /// Nodes of the tree at hand, and where they go.
        private var level: [(place: Int32, at: Int)] = []
        private var below: [(place: Int32, at: Int)] = []

        init(_ questions: NodeQuestions, isWide: Bool) {
            self.questions = questions
            self.isWide = isWide
            let total = questions.ensemble.nodeCount + questions.ensemble.leafCount
            narrow = AlignedArray(repeating: ct_node16(), count: isWide ? 0 : total)
            wide = AlignedArray(repeating: ct_node32(), count: isWide ? total : 0)
            leafOf = AlignedArray(repeating: 0, count: total)
        }

        /// Adds a tree; its depth.
        mutating func add(_ root: Int32) -> UInt32 {
            level = [(root, count)]
            count += 1
            var depth: UInt32 = 0
            while !level.isEmpty {
                below.removeAll(keepingCapacity: true)
                for (place, at) in level {
                    guard place >= 0 else {
                        set(at, child: at, column: 0, rank: nil)
                        leafOf[at] = UInt32(clamping: ~place)
                        continue
                    }
                    let node = Int(place)
                    let column = questions.column(of: node)
                    if let index = questions.table.set(
                        questions.question(of: node), column: column)
                    {
                        let mark = isWide ? Int(CT_SET32) : Int(CT_SET16)
                        set(at, child: count, column: column | mark, rank: index)
                    } else {
                        set(at, child: count, column: column, rank: questions.rank(of: node))
                    }
                    let children = questions.children(of: node)
                    below.append((children.below, count))
                    below.append((children.above, count + 1))
                    count += 2
                }
                swap(&level, &below)
                if !level.isEmpty { depth += 1 }
            }
            return depth
        }

        /// - Parameter rank: nil is one that no bin reaches.
        private func set(_ at: Int, child: Int, column: Int, rank: Int?) {
            if isWide {
                wide[at] = ct_node32(
                    child: UInt32(clamping: child), column: UInt32(clamping: column),
                    rank: rank.map { UInt32(clamping: $0) } ?? .max)
            } else {
                narrow[at] = ct_node16(
                    child: UInt32(clamping: child), column: UInt16(clamping: column),
                    rank: rank.map { UInt16(clamping: $0) } ?? .max)
            }
        }
    }
}
