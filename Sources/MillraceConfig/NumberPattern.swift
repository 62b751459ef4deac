/// Regular expressions for whole numbers in a range, of which JSON Schema has none for texts.
enum NumberPattern {
    /// Alternatives, without anchors or parentheses, that match just the decimal forms of the
    /// range's numbers, without leading zeros. The range must begin at 0 or above.
    static func alternatives(_ range: ClosedRange<Int64>) -> [String] {
        var found: [String] = []
        var start = range.lowerBound
        while start <= range.upperBound {
            if let (text, end) = decades(from: start, within: range.upperBound) {
                found.append(text)
                guard end < range.upperBound else { break }
                start = end + 1
                continue
            }
            // As far as the numbers have as many digits, and then in the largest steps in which
            // only the last digits differ.
            let end = blockEnd(from: start, within: range.upperBound)
            found.append(pattern(from: start, through: end))
            guard end < range.upperBound else { break }
            start = end + 1
        }
        return found
    }

    /// All numbers of two or more lengths in one alternative; nil where not as many are there.
    private static func decades(from start: Int64, within limit: Int64) -> (String, end: Int64)? {
        let length = String(start).count
        guard start > 0, start == powerOfTen(length - 1) else { return nil }
        var last = length
        while last < 18, powerOfTen(last + 1) - 1 <= limit { last += 1 }
        guard last > length else { return nil }
        return ("[1-9][0-9]{\(length - 1),\(last - 1)}", powerOfTen(last) - 1)
    }

    private static func powerOfTen(_ exponent: Int) -> Int64 {
        (0..<exponent).reduce(1) { power, _ in power * 10 }
    }

    /// The last number of the largest block that begins at `start`: some leading digits are kept,
    /// the next one runs upwards, and all behind it run from 0 to 9.
    private static func blockEnd(from start: Int64, within limit: Int64) -> Int64 {
        var step: Int64 = 1
        var end = start
        while true {
            // Digit of this place runs up as far as it may.
            let digit = start / step % 10
            for next in digit...9 {
                let candidate = start + (next - digit) * step + (step - 1)
                if candidate <= limit { end = max(end, candidate) }
            }
            // A higher place may run only where everything below it begins at 0 and ran through.
            let isWhole = digit == 0 && start >= step * 10
            guard isWhole, end == start + step * 10 - 1, step <= limit / 10 else { return end }
            step *= 10
        }
    }

    private static func pattern(from start: Int64, through end: Int64) -> String {
        var text = ""
        var run = 0
        for (low, high) in zip(String(start), String(end)) {
            if low == "0", high == "9" {
                run += 1
                continue
            }
            text += low == high ? String(low) : "[\(low)-\(high)]"
        }
        guard run > 0 else { return text }
        return text + (run == 1 ? "[0-9]" : "[0-9]{\(run)}")
    }
}
