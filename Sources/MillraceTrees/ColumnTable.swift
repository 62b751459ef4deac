internal import CTrees

/// The columns of an ensemble's splits: found while the nodes are looked through, then laid out.
///
/// Splits by sets share a column of categories and look them up as they are asked; a set of
/// negative, very large or far scattered categories has a column of its own.
struct ColumnTable {
    /// Above it a set is not looked up by its categories: 16 bits have to hold them.
    private static let categoryMax: Int64 = 60_000

    private struct FlagKey: Hashable {
        let feature: Int
        let missing: Int
        /// Bits of the number, or the set.
        let what: UInt64
        /// 0 for a number, 1 + reading for a set, 101 + reading for categories.
        let kind: UInt8
    }

    private(set) var columns: [BinColumn] = []
    /// By feature, its last column of ranks; -1 where there is none.
    private var rankColumns: [Int32]
    /// By column, the one of the same feature before it.
    private var olderRankColumns: [Int32] = []
    private var flagColumns: [FlagKey: Int] = [:]
    /// By set: whether it is looked up by category.
    let isLookedUp: [Bool]

    init(_ ensemble: TreeEnsemble) {
        rankColumns = Array(repeating: -1, count: ensemble.featureCount)
        isLookedUp = ensemble.sets.map { $0.areBitsShort && $0.greatest ?? 0 <= Self.categoryMax }
    }

    /// The column that answers the question; its threshold is noted.
    mutating func column(_ question: Question, feature: Int) -> Int {
        switch question.kind {
        case .rank:
            let column = rankColumn(feature, question.missing)
            if !question.threshold.isNaN { columns[column].note(question.threshold) }
            return column
        case .equal(let value):
            return flag(
                question, feature, question.kind, what: value.bitPattern, kind: 0)
        case .member(let set, let reading):
            if isLookedUp[set] {
                return flag(
                    question, feature, .code(reading), what: 0, kind: 101 + reading.rawValue)
            }
            return flag(
                question, feature, question.kind, what: UInt64(bitPattern: Int64(set)),
                kind: 1 + reading.rawValue)
        case .code, .codeByte, .codeBit: return 0  // no split's
        }
    }

    /// A feature has few, one for each way of treating what is missing.
    private mutating func rankColumn(_ feature: Int, _ missing: BinColumn.Missing) -> Int {
        var column = rankColumns[feature]
        while column >= 0 {
            if columns[Int(column)].missing == missing { return Int(column) }
            column = olderRankColumns[Int(column)]
        }
        let made = columns.count
        add(BinColumn(feature: feature, kind: .rank, missing: missing), older: rankColumns[feature])
        rankColumns[feature] = Int32(clamping: made)
        return made
    }

    private mutating func add(_ column: BinColumn, older: Int32 = -1) {
        columns.append(column)
        olderRankColumns.append(older)
    }

    private mutating func flag(
        _ question: Question, _ feature: Int, _ own: BinColumn.Kind, what: UInt64, kind: UInt8
    ) -> Int {
        let key = FlagKey(
            feature: feature, missing: question.missing.index, what: what, kind: kind)
        if let column = flagColumns[key] { return column }
        flagColumns[key] = columns.count
        add(BinColumn(feature: feature, kind: own, missing: question.missing))
        return columns.count - 1
    }

    /// Sorts the thresholds and leaves each once.
    mutating func finish() {
        for index in columns.indices { columns[index].sortThresholds() }
        rankColumns = []
        olderRankColumns = []
        flagColumns = [:]
    }

    /// The set that the question looks categories up in, where its column has those.
    func set(_ question: Question, column: Int) -> Int? {
        guard case .code = columns[column].kind, case .member(let set, _) = question.kind else {
            return nil
        }
        return set
    }

    /// The rank of a threshold in its column, 1 or more; 1 in a column that has no ranks.
    func rank(_ threshold: Double, column: Int) -> Int {
        guard columns[column].kind == .rank else { return 1 }
        let thresholds = columns[column].thresholds
        if threshold.isNaN { return thresholds.count + 1 }
        var low = 0
        var high = thresholds.count
        while low < high {
            let middle = (low + high) / 2
            if thresholds[middle] < threshold { low = middle + 1 } else { high = middle }
        }
        return low + 1
    }

    /// The greatest rank of all columns.
    var greatestRank: Int { columns.reduce(1) { max($0, $1.thresholds.count + 1) } }
}
