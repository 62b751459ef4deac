/// The rank of each node's threshold in its column, all found at once: column by column, whose
/// thresholds then stay in the caches. In the order of the nodes of a large ensemble each look-up
/// would wait for memory.
struct NodeRanks {
    /// By node of the ensemble; from 1 on.
    private var ranks: [UInt32]

    /// - Parameter columnOfNode: of a table that is finished.
    init(_ ensemble: TreeEnsemble, _ table: ColumnTable, columnOfNode: [Int32]) {
        ranks = Array(repeating: 1, count: columnOfNode.count)
        // Where the nodes of each column begin in `nodes`; the nodes of a column follow each other.
        var starts = [Int](repeating: 0, count: table.columns.count + 1)
        for column in columnOfNode { starts[Int(column) + 1] += 1 }
        for column in table.columns.indices { starts[column + 1] += starts[column] }
        var nodes = [Int32](repeating: 0, count: columnOfNode.count)
        for node in columnOfNode.indices {
            let column = Int(columnOfNode[node])
            nodes[starts[column]] = Int32(clamping: node)
            starts[column] += 1
        }
        for node in nodes {
            let node = Int(node)
            let question = Question(
                rule: ensemble.rules[node], threshold: ensemble.thresholds[node],
                comparing: ensemble.comparing)
            ranks[node] = UInt32(clamping: table.rank(question, column: Int(columnOfNode[node])))
        }
    }

    subscript(node: Int) -> Int { Int(ranks[node]) }
}
