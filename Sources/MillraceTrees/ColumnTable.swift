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
    /// By feature and `Missing.index`; -1 where there is none.
    private var rankColumns: [Int32]
    private var flagColumns: [FlagKey: Int] = [:]
    /// By set: whether it is looked up by category.
    let isLookedUp: [Bool]

    init(_ ensemble: TreeEnsemble) {
        rankColumns = Array(repeating: -1, count: ensemble.featureCount * 8)
        isLookedUp = ensemble.sets.map { set in
            guard let least = set.first, let greatest = set.last else { return true }
            return least >= 0 && greatest <= Self.categoryMax
                && greatest / 64 <= Int64(set.count) * 4 + 4
        }
    }

    /// The column that answers the question; its threshold is noted.
    mutating func column(_ question: Question, feature: Int) -> Int {
        switch question.kind {
        case .rank:
            let key = feature * 8 + question.missing.index
            if rankColumns[key] < 0 {
                rankColumns[key] = Int32(clamping: columns.count)
                columns.append(
                    BinColumn(feature: feature, kind: .rank, missing: question.missing))
            }
            let column = Int(rankColumns[key])
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

    private mutating func flag(
        _ question: Question, _ feature: Int, _ own: BinColumn.Kind, what: UInt64, kind: UInt8
    ) -> Int {
        let key = FlagKey(
            feature: feature, missing: question.missing.index, what: what, kind: kind)
        if let column = flagColumns[key] { return column }
        flagColumns[key] = columns.count
        columns.append(
            BinColumn(feature: feature, kind: own, missing: question.missing))
        return columns.count - 1
    }

    /// Sorts the thresholds and leaves each once.
    mutating func finish() {
        for index in columns.indices { columns[index].sortThresholds() }
        rankColumns = []
        flagColumns = [:]
    }

    /// The set that the question looks categories up in, where its column has those.
    func set(_ question: Question, column: Int) -> Int? {
        guard case .code = columns[column].kind, case .member(let set, _) = question.kind else {
            return nil
        }
        return set
    }

    /// The question's rank in its column, 1 or more.
    func rank(_ question: Question, column: Int) -> Int {
        guard question.kind == .rank else { return 1 }
        let thresholds = columns[column].thresholds
        if question.threshold.isNaN { return thresholds.count + 1 }
        var low = 0
        var high = thresholds.count
        while low < high {
            let middle = (low + high) / 2
            if thresholds[middle] < question.threshold { low = middle + 1 } else { high = middle }
        }
        return low + 1
    }

    /// The greatest rank of all columns.
    var greatestRank: Int { columns.reduce(1) { max($0, $1.thresholds.count + 1) } }
}

/// Columns in memory, as the wall reads them.
final class LaidOutColumns: Sendable {
    let count: Int
    private let columns: AlignedArray<ct_column>
    private let singles: AlignedArray<Float>
    private let doubles: AlignedArray<Double>
    private let words: AlignedArray<UInt64>
    private let isDouble: Bool

    init(_ columns: [BinColumn], sets: [[Int64]], comparing: TreeEnsemble.Precision) {
        var numbers: [Double] = []
        var words: [UInt64] = []
        var laid: [ct_column] = []
        // A set that many splits ask for is kept once.
        var keptSets: [Int: (kind: UInt8, first: Int, count: Int)] = [:]
        for column in columns {
            var made = ct_column()
            made.feature = UInt32(clamping: column.feature)
            made.missing = UInt8(clamping: column.missing.index)
            switch column.kind {
            case .rank:
                made.kind = UInt8(CT_RANK.rawValue)
                made.first = numbers.count
                made.count = UInt32(clamping: column.thresholds.count)
                numbers += Self.numbers(column.thresholds)
            case .equal(let value):
                made.kind = UInt8(CT_EQUAL.rawValue)
                made.first = numbers.count
                made.count = 1
                numbers.append(value)
            case .member(let set, let reading):
                made.reading = reading.rawValue
                if keptSets[set] == nil {
                    let (kind, own) = Self.words(sets[set])
                    keptSets[set] = (kind, words.count, own.count)
                    words += own
                }
                if let kept = keptSets[set] {
                    made.kind = kept.kind
                    made.first = kept.first
                    made.count = UInt32(clamping: kept.count)
                }
            case .code(let reading):
                made.kind = UInt8(CT_CODE.rawValue)
                made.reading = reading.rawValue
            case .codeByte(let reading):
                made.kind = UInt8(CT_CODE_BYTE.rawValue)
                made.reading = reading.rawValue
            case .codeBit(let reading):
                made.kind = UInt8(CT_CODE_BIT.rawValue)
                made.reading = reading.rawValue
            }
            laid.append(made)
        }
        count = columns.count
        isDouble = comparing == .float64
        self.columns = AlignedArray(laid, or: ct_column())
        doubles = AlignedArray(isDouble ? numbers : [], or: 0)
        singles = AlignedArray(isDouble ? [] : numbers.map { Float($0) }, or: 0)
        self.words = AlignedArray(words, or: 0)
    }

    /// As `ct_columns.numbers` has them.
    private static func numbers(_ thresholds: [Double]) -> [Double] {
        let short = Int(CT_SHORT_LIST)
        if thresholds.count <= short {
            return thresholds + Array(repeating: .nan, count: short - thresholds.count)
        }
        guard thresholds.count <= Int(CT_NARROW_THRESHOLDS) else { return thresholds }
        let padded = thresholds + Array(repeating: .nan, count: max(0, 256 - thresholds.count))
        return stride(from: 15, to: 256, by: 16).map { padded[$0] } + padded
    }

    /// As bits, where those are not many more than the categories, else as a list.
    private static func words(_ set: [Int64]) -> (kind: UInt8, [UInt64]) {
        let greatest = set.last ?? 0
        if let least = set.first, least < 0 || greatest / 64 > Int64(set.count) * 4 + 4 {
            return (UInt8(CT_LISTED_MEMBER.rawValue), set.map { UInt64(bitPattern: $0) })
        }
        return (UInt8(CT_MEMBER.rawValue), bits(set))
    }

    /// Categories from 0, which `set` is not far above, as bits.
    static func bits(_ set: [Int64]) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: Int((set.last ?? 0) / 64) + 1)
        for category in set { words[Int(category / 64)] |= 1 << UInt64(category % 64) }
        return words
    }

    /// Valid as long as this object.
    var wall: ct_columns {
        var wall = unsafe ct_columns()
        unsafe wall.columns = UnsafePointer(columns.base)
        unsafe wall.count = UInt32(clamping: count)
        unsafe wall.is_double = isDouble
        unsafe wall.numbers =
            isDouble ? UnsafeRawPointer(doubles.base) : UnsafeRawPointer(singles.base)
        unsafe wall.words = UnsafePointer(words.base)
        return unsafe wall
    }
}
