/// What each node of an ensemble asks of which column: what all layouts are made from.
struct NodeQuestions {
    let ensemble: TreeEnsemble
    let table: ColumnTable
    /// By node of the ensemble.
    private let columns: [Int32]
    /// By node; from 1 on.
    private let ranks: [UInt32]

    init(_ ensemble: TreeEnsemble) {
        self.ensemble = ensemble
        var table = ColumnTable(ensemble)
        var columns = [Int32](repeating: 0, count: ensemble.nodeCount)
        for node in columns.indices {
            let column = table.column(
                ensemble.question(of: node), feature: Int(ensemble.features[node]))
            columns[node] = Int32(clamping: column)
        }
        table.finish()
        ranks = Self.ranks(ensemble, table, columns)
        self.table = table
        self.columns = columns
    }

    /// All ranks at once, column by column, whose thresholds then stay in the caches: in the order
    /// of the nodes of a large ensemble each look-up would wait for memory.
    private static func ranks(
        _ ensemble: TreeEnsemble, _ table: ColumnTable, _ columns: [Int32]
    ) -> [UInt32] {
        var ranks = [UInt32](repeating: 1, count: columns.count)
        // Where the nodes of each column begin in `nodes`; the nodes of a column follow each other.
        var starts = [Int](repeating: 0, count: table.columns.count + 1)
        for column in columns { starts[Int(column) + 1] += 1 }
        for column in table.columns.indices { starts[column + 1] += starts[column] }
        var nodes = [Int32](repeating: 0, count: columns.count)
        var thresholds = [Double](repeating: 0, count: columns.count)
        for node in columns.indices {
            let column = Int(columns[node])
            nodes[starts[column]] = Int32(clamping: node)
            thresholds[starts[column]] = ensemble.question(of: node).threshold
            starts[column] += 1
        }
        var first = 0
        for (column, end) in starts.dropLast().enumerated() {
            for place in first..<end {
                let rank = table.rank(thresholds[place], column: column)
                ranks[Int(nodes[place])] = UInt32(clamping: rank)
            }
            first = end
        }
        return ranks
    }

    func question(of node: Int) -> Question { ensemble.question(of: node) }

    /// In `table`.
    func column(of node: Int) -> Int { Int(columns[node]) }

    func rank(of node: Int) -> Int { Int(ranks[node]) }

    /// Where a row goes whose bin is below the rank, and where it goes else.
    func children(of node: Int) -> (below: Int32, above: Int32) {
        let (left, right) = (ensemble.left[node], ensemble.right[node])
        return question(of: node).isSwapped ? (right, left) : (left, right)
    }

    /// The bits of a symmetric tree's leaves that are 1 where a row's bin is below the rank; the
    /// others are 1 where it is not. The root's is the highest.
    func bitsBelow(_ tree: TreeEnsemble.SymmetricTree, root: Int32) -> Int {
        var bits = 0
        for level in 0..<Int(tree.levels) {
            bits = bits << 1 | Int(children(of: Int(root) + level).below & 1)
        }
        return bits
    }

    /// Whether two nodes ask the same.
    func areAlike(_ a: Int, _ b: Int) -> Bool {
        columns[a] == columns[b] && ensemble.rules[a] == ensemble.rules[b]
            && ensemble.thresholds[a] == ensemble.thresholds[b]
    }
}
