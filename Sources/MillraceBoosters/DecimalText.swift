/// Decimal numbers in text, exactly rounded. The fast way covers what boosters write; the rest goes
/// through the standard library.
struct DecimalText {
    /// The number's bytes.
    private var range = 0..<0
    /// Significant digits without the point; the first 19.
    private var mantissa: UInt64 = 0
    /// Of ten.
    private var exponent = 0
    private var isNegative = false
    /// Whether `mantissa` has all digits.
    private var isWhole = true
    private var hasPoint = false
    /// NaN or an infinity by name.
    private var special: Double?

    /// Reads a JSON number, or a name for NaN and infinities as Python and XGBoost write them, at
    /// `position`, and moves it behind; nil where there is none.
    init?(_ bytes: [UInt8], _ position: inout Int) {
        let start = position
        var place = position
        let end = bytes.count
        if place < end, bytes[place] == UInt8(ascii: "-") {
            isNegative = true
            place += 1
        }
        var digits = 0
        let first = place
        while place < end {
            let digit = bytes[place] &- UInt8(ascii: "0")
            if digit > 9 { break }
            take(digit, &digits, isFraction: false)
            place += 1
        }
        guard place > first else {
            guard let name = Self.name(bytes, &place) else { return nil }
            special = isNegative ? -name : name
            range = start..<place
            position = place
            return
        }
        if place < end, bytes[place] == UInt8(ascii: ".") {
            place += 1
            hasPoint = true
            let fraction = place
            while place < end {
                let digit = bytes[place] &- UInt8(ascii: "0")
                if digit > 9 { break }
                take(digit, &digits, isFraction: true)
                place += 1
            }
            if place == fraction { return nil }
        }
        if place < end, bytes[place] | 0x20 == UInt8(ascii: "e") {
            place += 1
            guard let power = Self.power(bytes, &place) else { return nil }
            exponent += power
            hasPoint = true
        }
        range = start..<place
        position = place
    }

    @inline(__always)
    private mutating func take(_ digit: UInt8, _ digits: inout Int, isFraction: Bool) {
        if digits < 19 {
            mantissa = mantissa &* 10 &+ UInt64(digit)
            if mantissa != 0 { digits += 1 }
            if isFraction { exponent &-= 1 }
        } else {
            isWhole = false
        }
    }

    private static func power(_ bytes: [UInt8], _ place: inout Int) -> Int? {
        var isNegative = false
        if place < bytes.count,
            bytes[place] == UInt8(ascii: "-") || bytes[place] == UInt8(ascii: "+")
        {
            isNegative = bytes[place] == UInt8(ascii: "-")
            place += 1
        }
        let first = place
        var power = 0
        while place < bytes.count {
            let digit = bytes[place] &- UInt8(ascii: "0")
            if digit > 9 { break }
            power = min(power * 10 + Int(digit), 1_000_000)
            place += 1
        }
        return place == first ? nil : isNegative ? -power : power
    }

    private static func name(_ bytes: [UInt8], _ place: inout Int) -> Double? {
        for (name, value) in names
        where bytes.count - place >= name.utf8.count
            && bytes[place..<place + name.utf8.count].elementsEqual(name.utf8)
        {
            place += name.utf8.count
            return value
        }
        return nil
    }

    private static let names: [(String, Double)] = [
        ("NaN", .nan), ("nan", .nan), ("Infinity", .infinity), ("inf", .infinity),
    ]

    /// A whole number; nil where it has a fraction, an exponent, or is too large.
    var integer: Int64? {
        guard special == nil, isWhole, !hasPoint else { return nil }
        if isNegative { return mantissa > 1 << 63 ? nil : Int64(truncatingIfNeeded: 0 &- mantissa) }
        return Int64(exactly: mantissa)
    }

    /// Nil where it is beyond the type's greatest number.
    func double(_ bytes: [UInt8]) -> Double? {
        if let special { return special }
        if let exact { return exact }
        if isWhole, let value = DecimalRounding.double(mantissa, exponent: exponent) {
            return isNegative ? -value : value
        }
        guard let value = Double(text(bytes)), value.isFinite else { return nil }
        return value
    }

    /// Nil where it is beyond the type's greatest number.
    func float(_ bytes: [UInt8]) -> Float? {
        if let special { return Float(special) }
        if let exact {
            // Rounded twice, it is right unless the first rounding ended between two floats.
            let tail = exact.bitPattern & 0x1fff_ffff
            let size = exact.magnitude
            if tail != 0x1000_0000, size >= 0x1p-126 || size == 0, size < 0x1p127 {
                return Float(exact)
            }
        }
        guard let value = Float(text(bytes)), value.isFinite else { return nil }
        return value
    }

    /// Two exact numbers and one rounding, where that is possible.
    @inline(__always)
    private var exact: Double? {
        guard isWhole, mantissa <= 1 << 53 else { return nil }
        var value = Double(mantissa)
        if mantissa != 0 {
            guard exponent >= -22, exponent <= 22 else { return nil }
            value = exponent < 0 ? value / Self.powers[-exponent] : value * Self.powers[exponent]
        }
        return isNegative ? -value : value
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes[range], as: UTF8.self) }

    private static let powers: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ]
}
