import Testing

@testable import MillraceConfig

@Suite struct NumberPatternTests {
    @Test(
        arguments: [
            0...0, 0...9, 0...10, 5...5, 1...60, 0...10_000, 32...1_048_576, 1...1_099, 999...1_000,
            33_554_432...1_099_511_627_776, 10...3_600_000, 100...999, 7...8_008,
        ] as [ClosedRange<Int64>])
    func itMatchesJustTheRange(range: ClosedRange<Int64>) throws {
        let text = NumberPattern.alternatives(range).joined(separator: "|")
        let pattern = try Regex("(?:\(text))")
        let edges = [range.lowerBound, range.upperBound].flatMap { [$0 - 1, $0, $0 + 1] }
        let spread = (0..<400).map { $0 * (1 + (range.upperBound - range.lowerBound) / 397) }
        for number in edges + spread + Array(0..<1_200) where number >= 0 {
            let matches = String(number).wholeMatch(of: pattern) != nil
            #expect(matches == range.contains(number), "\(number) in \(range): \(text)")
        }
        #expect("0\(range.upperBound)".wholeMatch(of: pattern) == nil)
    }

    @Test func itIsShort() {
        #expect(NumberPattern.alternatives(1...9_999) == ["[1-9][0-9]{0,3}"])
        #expect(NumberPattern.alternatives(0...255).joined(separator: "|").count < 60)
    }

    @Test func quantitiesOfEveryUnitAreMatched() throws {
        let patterns = Quantities.durationPatterns(0...10_000_000_000).joined(separator: "|")
        let pattern = try Regex("(?:\(patterns))")
        for text in ["0h", "10s", "10000ms", "1us", "10000000000ns"] {
            #expect(text.wholeMatch(of: pattern) != nil, "\(text)")
        }
        for text in ["1h", "1m", "11s", "10001ms", "5", "05s", "s", "1S", ""] {
            #expect(text.wholeMatch(of: pattern) == nil, "\(text)")
        }
    }
}
