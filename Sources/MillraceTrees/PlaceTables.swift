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
    /// Of this table only, so that no file can bring texts that all meet in one slot.
    private let seed = UInt64.random(in: .min ... .max)

    /// Of two equal texts the first counts; nil has a place that no text finds.
    init(_ texts: [String?]) {
        var bytes: [UInt8] = []
        var starts = [0]
        var size = 2
        while size < 2 * texts.count { size *= 2 }
        var slots = [Int32](repeating: -1, count: size)
        for (place, text) in texts.enumerated() {
            guard let text else {
                starts.append(bytes.count)
                continue
            }
            let start = bytes.count
            bytes.append(contentsOf: text.utf8)
            starts.append(bytes.count)
            var slot = Self.hash(bytes[start...], seed) & (size - 1)
            var isKnown = false
            while slots[slot] >= 0, !isKnown {
                let other = Int(slots[slot])
                isKnown = bytes[starts[other]..<starts[other + 1]].elementsEqual(bytes[start...])
                if !isKnown { slot = (slot + 1) & (size - 1) }
            }
            if !isKnown { slots[slot] = Int32(clamping: place) }
        }
        self.bytes = bytes
        self.starts = starts
        self.slots = slots
    }

    /// NaN where the text is none of the list.
    func place(of text: TextSlice) -> Double {
        let key = unsafe UnsafeBufferPointer(start: text.start, count: text.count)
        var slot = unsafe Self.hash(key, seed) & (slots.count - 1)
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

    /// Eight bytes at a time, each mixed by a multiplication of 64 by 64 bits (as wyhash does,
    /// Wang Yi, 2019), from a secret seed on.
    private static func hash(_ bytes: some Sequence<UInt8>, _ seed: UInt64) -> Int {
        var hash = seed
        var word: UInt64 = 0
        var count: UInt64 = 0
        for byte in bytes {
            word = word << 8 | UInt64(byte)
            count &+= 1
            if count & 7 == 0 {
                hash = mixed(hash ^ word, 0x9e37_79b9_7f4a_7c15)
                word = 0
            }
        }
        hash = mixed(hash ^ word, seed ^ 0xd1b5_4a32_d192_ed03)
        return Int(truncatingIfNeeded: mixed(hash ^ count, 0x9e37_79b9_7f4a_7c15))
    }

    private static func mixed(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
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
