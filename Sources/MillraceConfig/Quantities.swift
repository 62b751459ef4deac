/// Durations and sizes as people write them.
package enum Quantities {
    private static let durationUnits: [(name: String, factor: Int64)] = [
        ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1_000), ("ns", 1),
    ]
    private static let sizeUnits: [(name: String, factor: Int64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000),
        ("B", 1),
    ]

    /// Nanoseconds of `5ms`, `1s`, `2m` or a plain 0; nil for anything else.
    static func durationNs(_ text: String) -> Int64? {
        text == "0" ? 0 : amount(text, units: durationUnits)
    }

    /// Bytes of `256MiB`, `64KB` or a plain number; nil for anything else.
    static func bytes(_ text: String) -> Int64? {
        integer(text) ?? amount(text, units: sizeUnits)
    }

    /// Decimal digits with an optional sign; no leading zeros, which YAML 1.1 reads as octal.
    static func integer(_ text: String) -> Int64? {
        let digits =
            text.utf8.first.map { $0 == 0x2B || $0 == 0x2D } == true
            ? text.utf8.dropFirst() : text.utf8[...]
        guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }),
            digits.count == 1 || digits.first != 0x30
        else { return nil }
        return Int64(text)
    }

    /// A finite decimal number; no hexadecimal, no `inf`.
    static func number(_ text: String) -> Double? {
        let isDecimal = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x2B, 0x2D, 0x2E, 0x45, 0x65: true
            default: false
            }
        }
        guard isDecimal, let value = Double(text), value.isFinite else { return nil }
        return value
    }

    /// The shortest exact form of a duration: `500ms`, `2m`, `0`.
    package static func durationText(_ nanoseconds: Int64) -> String {
        nanoseconds == 0 ? "0" : shortest(nanoseconds, units: durationUnits)
    }

    /// The shortest exact form of a size: `256MiB`, `1000B`.
    package static func sizeText(_ bytes: Int64) -> String {
        shortest(bytes, units: sizeUnits.filter { $0.name == "B" || $0.name.hasSuffix("iB") })
    }

    /// Regular expressions for the amounts of each unit that lie in the range, units with them.
    static func durationPatterns(_ range: ClosedRange<Int64>) -> [String] {
        patterns(range, units: durationUnits)
    }

    /// As `durationPatterns`; bytes may go without their unit.
    static func sizePatterns(_ range: ClosedRange<Int64>) -> [String] {
        patterns(range, units: sizeUnits).map { $0.hasSuffix(")B") ? "\\+?\($0)?" : $0 }
    }

    private static func patterns(
        _ range: ClosedRange<Int64>, units: [(name: String, factor: Int64)]
    ) -> [String] {
        units.compactMap { unit in
            let least =
                range.lowerBound / unit.factor
                + (range.lowerBound % unit.factor == 0 ? 0 : 1)
            let most = range.upperBound / unit.factor
            guard least <= most else { return nil }
            return
                "(\(NumberPattern.alternatives(least...most).joined(separator: "|")))\(unit.name)"
        }
    }

    private static func amount(
        _ text: String, units: [(name: String, factor: Int64)]
    ) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
        let unit = text.dropFirst(digits.count)
        guard let count = integer(String(digits)),
            let factor = units.first(where: { $0.name == unit })?.factor
        else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    private static func shortest(
        _ value: Int64, units: [(name: String, factor: Int64)]
    ) -> String {
        for unit in units where value >= unit.factor && value % unit.factor == 0 {
            return "\(value / unit.factor)\(unit.name)"
        }
        return "\(value)"
    }
}
