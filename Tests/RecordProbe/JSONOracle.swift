import Foundation
import MillraceCore

/// What Foundation's JSON parser makes of a value: the other opinion.
///
/// It takes more than JSON allows: UTF-16 and UTF-32, byte order marks and a comma behind the last
/// field or element; it refuses numbers that no double holds, and what is deeper than 512 levels.
/// Of fields that come twice it keeps the last one. It loses U+FEFF at the beginning of a text or
/// name and behind an escape, and the last bit of some numbers of many digits.
struct JSONOracle {
    let bytes: [UInt8]
    /// Nil where the bytes are no JSON object.
    let root: [String: Any]?

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        guard !bytes.starts(with: [0xEF, 0xBB, 0xBF]), !bytes.contains(0),
            String(validating: bytes, as: UTF8.self) != nil
        else {
            root = nil
            return
        }
        root = (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any]
    }

    /// Whether Foundation may have lost a byte order mark inside of a text or name.
    var mayLackMarks: Bool {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        return bytes.indices.contains { bytes[$0] == 0xEF && bytes[$0...].starts(with: mark) }
    }

    /// A comma in front of a closing bracket, be it in a text or not.
    var hasTrailingComma: Bool {
        var isComma = false
        for byte in bytes where ![0x20, 0x09, 0x0A, 0x0D].contains(byte) {
            if isComma, byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") { return true }
            isComma = byte == UInt8(ascii: ",")
        }
        return false
    }

    /// Whether a number may be there that no double holds.
    var hasLongNumber: Bool {
        var run = 0
        var digits = 0
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "e"), UInt8(ascii: "E"): run = 1
            case UInt8(ascii: "+"), UInt8(ascii: "-"): break
            case 0x30...0x39:
                digits += 1
                if run > 0 { run += 1 }
                if run > 3 || digits > 300 { return true }
            default:
                run = 0
                digits = 0
            }
        }
        return false
    }

    /// Longest run of what numbers are made of.
    var longestNumber: Int {
        var longest = 0
        var run = 0
        for byte in bytes {
            switch byte {
            case 0x30...0x39, UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"),
                UInt8(ascii: "-"), UInt8(ascii: "."):
                run += 1
            default: run = 0
            }
            longest = max(longest, run)
        }
        return longest
    }

    /// Deepest nesting, by the brackets outside of texts.
    var depth: Int {
        var depth = 0
        var deepest = 0
        forEachMark { mark in
            switch mark {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
            deepest = max(deepest, depth)
        }
        return deepest
    }

    /// Whether any field comes twice: there are more colons than names.
    var hasDuplicates: Bool {
        guard let root else { return false }
        var colons = 0
        forEachMark { if $0 == UInt8(ascii: ":") { colons += 1 } }
        return colons > Self.names(root)
    }

    private static func names(_ value: Any) -> Int {
        if let object = value as? [String: Any] {
            return object.values.reduce(object.count) { $0 + names($1) }
        }
        if let list = value as? [Any] { return list.reduce(0) { $0 + names($1) } }
        return 0
    }

    /// The bytes that are in no text.
    private func forEachMark(_ body: (UInt8) -> Void) {
        var isInside = false
        var isEscaped = false
        for byte in bytes {
            if isEscaped {
                isEscaped = false
            } else if isInside, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInside.toggle()
            } else if !isInside {
                body(byte)
            }
        }
    }

    /// The value at the pointer, nil where it is not there.
    func find(_ pointer: FieldPointer) -> Any? {
        guard let root else { return nil }
        var value: Any = root
        for token in pointer.tokens {
            if let object = value as? [String: Any] {
                guard let next = object[token] else { return nil }
                value = next
            } else if let list = value as? [Any] {
                guard let index = Int(token), String(index) == token, list.indices.contains(index)
                else { return nil }
                value = list[index]
            } else {
                return nil
            }
        }
        return value
    }
}

/// What may become of a feature: the reasons for which its record may be a dead letter, and the
/// values it may have otherwise.
struct Expectation {
    var kinds: Set<RecordError.Kind> = []
    /// Nil where the record has to be a dead letter.
    var isValue: ((SlotValue) -> Bool)?

    static func failure(_ kinds: RecordError.Kind...) -> Expectation {
        Expectation(kinds: Set(kinds), isValue: nil)
    }

    static func value(_ isValue: @escaping (SlotValue) -> Bool) -> Expectation {
        Expectation(kinds: [], isValue: isValue)
    }

    /// Of one element of the slot with that value of the record; nil stands for no value.
    init(_ value: Any?, _ slot: FeatureSlot) {
        switch value {
        case nil: self = Self.missing(slot)
        case is NSNull: self = Self.missing(slot)
        case let text as String: self = Self.text(text, slot)
        case let number as NSNumber: self = Self.number(number, slot)
        default: self = .failure(.wrongType)
        }
    }

    init(kinds: Set<RecordError.Kind>, isValue: ((SlotValue) -> Bool)?) {
        self.kinds = kinds
        self.isValue = isValue
    }

    private static func missing(_ slot: FeatureSlot) -> Expectation {
        switch slot.missing {
        case .error: .failure(.missingField)
        case .nan: .value { $0.isNaN }
        case .number(let number): .value { $0 == .real(number) || $0 == .signed(Int64(number)) }
        case .text(let text): .value { $0 == .text(Array(text.utf8)) }
        }
    }

    private static func text(_ text: String, _ slot: FeatureSlot) -> Expectation {
        let bytes = Array(text.utf8)
        if slot.type == .string {
            return .value { $0 == .text(bytes) }
        }
        guard slot.parsesText, bytes.allSatisfy({ $0 > 0x20 && $0 != 0x2C }),
            let list = try? JSONSerialization.jsonObject(with: Data([0x5B] + bytes + [0x5D])),
            let number = (list as? [Any])?.first as? NSNumber, !isFlag(number)
        else { return .failure(.wrongType, .outOfRange) }
        return self.number(number, slot)
    }

    /// `true` and `false` are numbers of the type char.
    private static func isFlag(_ number: NSNumber) -> Bool {
        unsafe number.objCType.pointee == UInt8(ascii: "c").signed
    }

    private static func number(_ number: NSNumber, _ slot: FeatureSlot) -> Expectation {
        // A decimal's own way to a double loses bits.
        let isDecimal = number is NSDecimalNumber
        let real = isDecimal ? Double(number.stringValue) ?? .nan : number.doubleValue
        switch slot.type {
        case .string: return .failure(.wrongType)
        case .float32:
            let single = Float(real)
            return single.isInfinite
                ? .failure(.outOfRange) : .value { $0 == .real(Double(single)) }
        case .float64:
            // It holds 38 digits.
            let slack = isDecimal ? real.ulp : 0
            return .value { value in
                if case .real(let read) = value { abs(read - real) <= slack } else { false }
            }
        case .bool:
            guard real == 0 || real == 1 else { return .failure(.outOfRange) }
            // A double may be 0 or 1 only by rounding.
            return Expectation(kinds: [.outOfRange]) { $0 == .signed(Int64(real)) }
        default: return integer(number, real, slot.type)
        }
    }

    private static func integer(
        _ number: NSNumber, _ real: Double, _ type: ElementType
    ) -> Expectation {
        let limits: ClosedRange<Double> =
            switch type {
            case .int8: -128...127
            case .int16: -32768...32767
            case .int32: -2_147_483_648...2_147_483_647
            case .uint8: 0...255
            case .uint16: 0...65535
            case .uint32: 0...4_294_967_295
            case .uint64: 0...0x1p64
            default: -0x1p63...0x1p63
            }
        let isExact = unsafe number.objCType.pointee != UInt8(ascii: "d").signed
        if isExact, abs(real) < 0x1p62 {
            guard limits.contains(real) else { return .failure(.outOfRange) }
            return .value { $0 == .signed(number.int64Value) }
        }
        guard limits.contains(real) else { return .failure(.outOfRange, .wrongType) }
        // Only the text says whether there was a fraction, or by how much it is out of range.
        guard real == real.rounded() else { return .failure(.wrongType) }
        return Expectation(kinds: [.wrongType, .outOfRange]) {
            abs(real) >= 0x1p53 || $0 == .signed(Int64(real))
        }
    }
}

extension UInt8 {
    fileprivate var signed: Int8 { Int8(bitPattern: self) }
}

/// An element of a feature column.
enum SlotValue: Equatable {
    case real(Double)
    case signed(Int64)
    case text([UInt8])

    var isNaN: Bool {
        if case .real(let number) = self { return number.isNaN }
        return false
    }
}
