/// The double nearest to `digits * 10^exponent`, in whole numbers: for the 17 digits that LightGBM
/// writes, whose product or quotient of two doubles would be rounded twice.
enum DecimalRounding {
    /// Nil for exponents beyond 27, where the power of five does not fit into a word.
    static func double(_ digits: UInt64, exponent: Int) -> Double? {
        guard digits != 0 else { return 0 }
        guard exponent >= -27, exponent <= 27 else { return nil }
        return exponent < 0
            ? quotient(digits, exponent: -exponent) : product(digits, exponent: exponent)
    }

    /// `digits / 10^exponent`: 64 bits of the quotient by the power of five, and whether more come.
    private static func quotient(_ digits: UInt64, exponent: Int) -> Double {
        let places = digits.leadingZeroBitCount
        let divisorPlaces = fives[exponent].leadingZeroBitCount
        let dividend = digits << UInt64(places)
        let divisor = fives[exponent] << UInt64(divisorPlaces)
        // Both have their highest bit: the quotient of dividend * 2^64 does not fit where it is not
        // the smaller one.
        let isHalved = dividend >= divisor
        let (bits, rest) = divisor.dividingFullWidth(
            isHalved ? (dividend >> 1, dividend << 63) : (dividend, 0))
        return rounded(
            bits, isExact: rest == 0,
            power: divisorPlaces - places - 64 + (isHalved ? 1 : 0) - exponent)
    }

    /// `digits * 10^exponent`: 64 bits of the product with the power of five.
    private static func product(_ digits: UInt64, exponent: Int) -> Double {
        let (high, low) = digits.multipliedFullWidth(by: fives[exponent])
        guard high != 0 else {
            let places = low.leadingZeroBitCount
            return rounded(low << UInt64(places), isExact: true, power: exponent - places)
        }
        let places = high.leadingZeroBitCount
        // Shifts by 64 give 0.
        let bits = high << UInt64(places) | low >> UInt64(64 - places)
        return rounded(
            bits, isExact: low << UInt64(places) == 0, power: 64 - places + exponent)
    }

    /// `bits * 2^power`, plus less than one bit where it is not exact; the highest bit is set.
    private static func rounded(_ bits: UInt64, isExact: Bool, power: Int) -> Double {
        var digits = bits >> 11
        let rest = bits & 0x7ff
        if rest > 0x400 || (rest == 0x400 && (!isExact || digits & 1 == 1)) { digits += 1 }
        // Powers here lie between -220 and 110.
        let scale = Double(bitPattern: UInt64(truncatingIfNeeded: 1023 + power + 11) << 52)
        return Double(digits) * scale
    }

    /// Powers of five.
    private static let fives: [UInt64] = (0...27).map { (0..<$0).reduce(1) { five, _ in five * 5 } }
}
