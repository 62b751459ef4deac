/// A set of categories, which are whole numbers: bits from 0 on where those take no more room than
/// a list, else a sorted list.
package struct CategorySet: Sendable, Equatable {
    private enum Form: Sendable, Equatable {
        /// 64 categories each; the last word is not 0.
        case bits([UInt64])
        /// Each once.
        case list([Int64])
    }

    private let form: Form
    package let count: Int

    /// The set of these; one may be named twice.
    package init(_ categories: [Int64]) {
        var list: [Int64] = []
        list.reserveCapacity(categories.count)
        for category in categories.sorted() where list.last != category { list.append(category) }
        self.init(sorted: list)
    }

    /// The set whose bits these are, 32 categories a word from 0 on.
    package init(words: ArraySlice<UInt32>) {
        var bits: [UInt64] = []
        bits.reserveCapacity(words.count / 2 + 1)
        for place in stride(from: words.startIndex, to: words.endIndex, by: 2) {
            let high = place + 1 < words.endIndex ? UInt64(words[place + 1]) << 32 : 0
            bits.append(UInt64(words[place]) | high)
        }
        while bits.last == 0 { bits.removeLast() }
        let count = bits.reduce(0) { $0 + $1.nonzeroBitCount }
        if count < bits.count {
            form = .list(Self.list(bits, count: count))
        } else {
            form = .bits(bits)
        }
        self.count = count
    }

    private init(sorted list: [Int64]) {
        count = list.count
        if let least = list.first, let greatest = list.last,
            least < 0 || greatest / 64 >= Int64(list.count)
        {
            form = .list(list)
        } else {
            form = .bits(Self.bits(list))
        }
    }

    /// Nil where there is none.
    package var least: Int64? {
        switch form {
        case .bits(let words):
            words.firstIndex { $0 != 0 }.map { Int64($0 * 64 + words[$0].trailingZeroBitCount) }
        case .list(let list): list.first
        }
    }

    /// Nil where there is none.
    package var greatest: Int64? {
        switch form {
        case .bits(let words):
            words.last.map { Int64(words.count * 64 - 1 - $0.leadingZeroBitCount) }
        case .list(let list): list.last
        }
    }

    /// In ascending order.
    package var sorted: [Int64] {
        switch form {
        case .bits(let words): Self.list(words, count: count)
        case .list(let list): list
        }
    }

    /// Whether the category is one of the set's.
    package func contains(_ category: Int64) -> Bool {
        switch form {
        case .bits(let words):
            category >= 0 && category / 64 < Int64(words.count)
                && words[Int(category / 64)] >> UInt64(category % 64) & 1 == 1
        case .list(let list): list.contains(category)
        }
    }

    /// Whether the bits from 0 on take at most some times the room of the list.
    var areBitsShort: Bool {
        guard let least, let greatest else { return true }
        return least >= 0 && greatest / 64 <= Int64(count) * 4 + 4
    }

    /// Words of `bits`; at least one.
    var bitWordCount: Int { Int((greatest ?? 0) / 64) + 1 }

    /// 64 categories each, from 0 on. Only of a set whose bits are short.
    var bits: [UInt64] {
        switch form {
        case .bits(let words): words.isEmpty ? [0] : words
        case .list(let list): Self.bits(list)
        }
    }

    private static func bits(_ list: [Int64]) -> [UInt64] {
        guard let greatest = list.last else { return [] }
        var words = [UInt64](repeating: 0, count: Int(greatest / 64) + 1)
        for category in list { words[Int(category / 64)] |= 1 << UInt64(category % 64) }
        return words
    }

    private static func list(_ words: [UInt64], count: Int) -> [Int64] {
        var list: [Int64] = []
        list.reserveCapacity(count)
        for (place, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                list.append(Int64(place * 64 + rest.trailingZeroBitCount))
                rest &= rest &- 1
            }
        }
        return list
    }
}
