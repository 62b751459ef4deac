internal import CTrees

/// All sets of an ensemble in memory, once, for all columns and nodes that ask for them.
final class LaidOutSets: Sendable {
    /// By set, where it lies in `words`.
    let places: AlignedArray<ct_set>
    let words: AlignedArray<UInt64>
    /// By set: as bits, where those are not many more than the categories, else as a list.
    private let areBits: [Bool]

    init(_ sets: [CategorySet]) {
        areBits = sets.map(\.areBitsShort)
        places = AlignedArray(repeating: ct_set(), count: sets.count)
        var count = 0
        for (index, set) in sets.enumerated() {
            let own = areBits[index] ? set.bitWordCount : set.count
            places[index] = ct_set(first_word: count, words: UInt32(clamping: own))
            count += own
        }
        words = AlignedArray(repeating: 0, count: count)
        for (index, set) in sets.enumerated() {
            let own = areBits[index] ? set.bits : set.sorted.map { UInt64(bitPattern: $0) }
            for (place, word) in own.enumerated() { words[places[index].first_word + place] = word }
        }
    }

    /// How a column is asked for the set.
    func kind(_ set: Int) -> ct_kind { areBits[set] ? CT_MEMBER : CT_LISTED_MEMBER }
}

/// Columns in memory, as the wall reads them.
final class LaidOutColumns: Sendable {
    let count: Int
    private let columns: AlignedArray<ct_column>
    private let singles: AlignedArray<Float>
    private let doubles: AlignedArray<Double>
    private let sets: LaidOutSets
    private let isDouble: Bool

    init(_ columns: [BinColumn], sets: LaidOutSets, comparing: TreeEnsemble.Precision) {
        self.sets = sets
        count = columns.count
        isDouble = comparing == .float64
        self.columns = AlignedArray(repeating: ct_column(), count: columns.count)
        let numbers = columns.reduce(0) { $0 + Self.numberCount($1) }
        doubles = AlignedArray(repeating: 0, count: isDouble ? numbers : 0)
        singles = AlignedArray(repeating: 0, count: isDouble ? 0 : numbers)
        var next = 0
        for (index, column) in columns.enumerated() {
            self.columns[index] = Self.column(column, first: next, sets)
            let own =
                if case .equal(let value) = column.kind { [value] } else { Self.numbers(column) }
            for number in own {
                if isDouble { doubles[next] = number } else { singles[next] = Float(number) }
                next += 1
            }
        }
    }

    /// - Parameter first: where the column's numbers begin.
    private static func column(_ column: BinColumn, first: Int, _ sets: LaidOutSets) -> ct_column {
        var made = ct_column()
        made.feature = UInt32(clamping: column.feature)
        made.missing = UInt8(clamping: column.missing.index)
        made.first = first
        let kind: ct_kind
        switch column.kind {
        case .rank:
            kind = CT_RANK
            made.count = UInt32(clamping: column.thresholds.count)
        case .equal:
            kind = CT_EQUAL
            made.count = 1
        case .member(let set, let reading):
            kind = sets.kind(set)
            made.reading = reading.rawValue
            made.first = sets.places[set].first_word
            made.count = sets.places[set].words
        case .code(let reading):
            kind = CT_CODE
            made.reading = reading.rawValue
        case .codeByte(let reading):
            kind = CT_CODE_BYTE
            made.reading = reading.rawValue
        case .codeBit(let reading):
            kind = CT_CODE_BIT
            made.reading = reading.rawValue
        }
        made.kind = UInt8(kind.rawValue)
        return made
    }

    /// How many `numbers` there are.
    private static func numberCount(_ column: BinColumn) -> Int {
        switch column.kind {
        case .rank:
            let count = column.thresholds.count
            if count <= Int(CT_SHORT_LIST) { return Int(CT_SHORT_LIST) }
            return count <= Int(CT_NARROW_THRESHOLDS) ? Int(CT_TABLE) : count
        case .equal: return 1
        default: return 0
        }
    }

    /// As `ct_columns.numbers` has them.
    private static func numbers(_ column: BinColumn) -> [Double] {
        guard column.kind == .rank else { return [] }
        let thresholds = column.thresholds
        let short = Int(CT_SHORT_LIST)
        if thresholds.count <= short {
            return thresholds + Array(repeating: .nan, count: short - thresholds.count)
        }
        guard thresholds.count <= Int(CT_NARROW_THRESHOLDS) else { return thresholds }
        let padded = thresholds + Array(repeating: .nan, count: max(0, 256 - thresholds.count))
        return stride(from: 15, to: 256, by: 16).map { padded[$0] } + padded
    }

    /// Valid as long as this object.
    var wall: ct_columns {
        var wall = unsafe ct_columns()
        unsafe wall.columns = UnsafePointer(columns.base)
        unsafe wall.count = UInt32(clamping: count)
        unsafe wall.is_double = isDouble
        unsafe wall.numbers =
            isDouble ? UnsafeRawPointer(doubles.base) : UnsafeRawPointer(singles.base)
        unsafe wall.words = UnsafePointer(sets.words.base)
        return unsafe wall
    }
}
