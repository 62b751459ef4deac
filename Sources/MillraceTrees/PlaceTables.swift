import Glibc
import MillraceCore

/// Finds a text's place in a list.
final class TextTable: Sendable {
    /// All texts in a row.
    private let bytes: [UInt8]
    /// Where each begins; one more for the end.
    private let starts: [Int]
    /// Places by hash, -1 where there is none; a power of two, at most half full.
    private let slots: [Int32]

    /// Of two equal texts the first counts.
    init(_ texts: [String]) {
        var bytes: [UInt8] = []
        var starts = [0]
        var size = 2
        while size < 2 * texts.count { size *= 2 }
        var slots = [Int32](repeating: -1, count: size)
        for (place, text) in texts.enumerated() {
            let start = bytes.count
            bytes.append(contentsOf: text.utf8)
            starts.append(bytes.count)
            var slot = Self.hash(bytes[start...]) & (size - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (size - 1) }
            slots[slot] = Int32(clamping: place)
        }
        self.bytes = bytes
        self.starts = starts
        self.slots = slots
    }

    /// NaN where the text is none of the list.
    func place(of text: TextSlice) -> Double {
        let key = unsafe UnsafeBufferPointer(start: text.start, count: text.count)
        var slot = unsafe Self.hash(key) & (slots.count - 1)
        while slots[slot] >= 0 {
            let place = Int(slots[slot])
            let start = starts[place]
            if starts[place + 1] - start == key.count, unsafe isEqual(key, at: start) {
                return Double(place)
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return .nan
    }

    private func isEqual(_ key: UnsafeBufferPointer<UInt8>, at start: Int) -> Bool {
        guard let base = key.baseAddress else { return true }
        return unsafe bytes.withUnsafeBytes { all in
            guard let own = all.baseAddress else { return false }
            return unsafe memcmp(own + start, base, key.count) == 0
        }
    }

    /// FNV-1a, its halves mixed.
    private static func hash(_ bytes: some Sequence<UInt8>) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int(truncatingIfNeeded: hash ^ (hash >> 32))
    }
}

/// Finds a number's place in a list.
final class NumberTable: Sendable {
    private let numbers: [Double]
    private let places: [Double]

    /// Of two equal numbers the first counts; NaN is found nowhere.
    init(_ list: [Double]) {
        let sorted = list.enumerated().filter { !$0.element.isNaN }
            .sorted { ($0.element, $0.offset) < ($1.element, $1.offset) }
        numbers = sorted.map(\.element)
        places = sorted.map { Double($0.offset) }
    }

    /// NaN where the number is none of the list.
    func place(of number: Double) -> Double {
        var low = 0
        var high = numbers.count
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < numbers.count && numbers[low] == number ? places[low] : .nan
    }
}
