import MillraceTestKit

/// A protobuf file as fields within fields, so that a change keeps the lengths around it right.
struct WireField {
    enum Value {
        case varint(UInt64)
        /// 4 or 8 bytes.
        case fixed([UInt8])
        case bytes([UInt8])
        /// Bytes that can be read as fields; whether they are a message, only the format says.
        case fields([WireField])
    }

    var number: UInt64
    var value: Value
    /// Fields within it, itself included.
    private(set) var size = 1

    /// Nil where the bytes are no fields.
    static func parse(_ bytes: ArraySlice<UInt8>, depth: Int = 0) -> [WireField]? {
        var fields: [WireField] = []
        var rest = bytes
        while !rest.isEmpty {
            guard let key = varint(&rest), key >> 3 > 0, key >> 3 < 64 else { return nil }
            var field = WireField(number: key >> 3, value: .varint(0))
            switch key & 7 {
            case 0:
                guard let word = varint(&rest) else { return nil }
                field.value = .varint(word)
            case 1, 5:
                let count = key & 7 == 1 ? 8 : 4
                guard rest.count >= count else { return nil }
                field.value = .fixed(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            case 2:
                guard let count = varint(&rest), count <= UInt64(rest.count) else { return nil }
                let inner = rest.prefix(Int(count))
                rest = rest.dropFirst(Int(count))
                if depth < 8, count > 1, let fields = parse(inner, depth: depth + 1) {
                    field.value = .fields(fields)
                    field.size += fields.reduce(0) { $0 + $1.size }
                } else {
                    field.value = .bytes(Array(inner))
                }
            default: return nil
            }
            fields.append(field)
        }
        return fields
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var word: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst(), shift < 64 {
            word |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return word }
            shift += 7
        }
        return nil
    }

    static func encode(_ fields: [WireField]) -> [UInt8] {
        var out: [UInt8] = []
        func add(_ word: UInt64) {
            var word = word
            while word >= 0x80 {
                out.append(UInt8(truncatingIfNeeded: word) | 0x80)
                word >>= 7
            }
            out.append(UInt8(word))
        }
        for field in fields {
            switch field.value {
            case .varint(let word):
                add(field.number << 3)
                add(word)
            case .fixed(let bytes):
                add(field.number << 3 | (bytes.count == 8 ? 1 : 5))
                out += bytes
            case .bytes(let bytes):
                add(field.number << 3 | 2)
                add(UInt64(bytes.count))
                out += bytes
            case .fields(let fields):
                let inner = encode(fields)
                add(field.number << 3 | 2)
                add(UInt64(inner.count))
                out += inner
            }
        }
        return out
    }

    // MARK: - Changes

    /// Changes one field, or the order of some; `donors` are another file's.
    static func mutate(
        _ fields: inout [WireField], donors: [WireField], _ random: inout SeededRandom
    ) {
        guard !fields.isEmpty else { return }
        // Half the time all fields are as likely, so that most changes hit lists of numbers; else
        // those of a level are.
        let isEven = Bool.random(using: &random)
        var index = Int.random(in: fields.indices, using: &random)
        if isEven {
            var place = Int.random(in: 0..<fields.reduce(0) { $0 + $1.size }, using: &random)
            index = 0
            while index < fields.count - 1, place >= fields[index].size {
                place -= fields[index].size
                index += 1
            }
        }
        if case .fields(var inner) = fields[index].value, !inner.isEmpty,
            Int.random(in: 0..<8, using: &random) > 0
        {
            fields[index].value = .varint(0)
            mutate(&inner, donors: donors, &random)
            fields[index].value = .fields(inner)
            return
        }
        change(&fields, index, donors, &random)
    }

    private static func change(
        _ fields: inout [WireField], _ index: Int, _ donors: [WireField],
        _ random: inout SeededRandom
    ) {
        let other = Int.random(in: fields.indices, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0: fields.remove(at: index)
        case 1: fields.insert(fields[index], at: other)
        case 2: fields.swapAt(index, other)
        case 3: fields[index].value = fields[other].value
        case 4: fields[index].number = UInt64.random(in: 1..<32, using: &random)
        case 5:
            if let field = any(donors, &random) {
                let isSame = Bool.random(using: &random)
                fields[index].value = field.value
                if !isSame { fields[index].number = field.number }
            }
        default: changeValue(&fields[index], &random)
        }
    }

    private static func any(_ fields: [WireField], _ random: inout SeededRandom) -> WireField? {
        guard let field = fields.randomElement(using: &random) else { return nil }
        if case .fields(let inner) = field.value, Int.random(in: 0..<4, using: &random) > 0 {
            return any(inner, &random) ?? field
        }
        return field
    }

    private static let words: [UInt64] = [
        0, 1, 2, 3, 5, 6, 7, 11, 255, 256, 65535, 65536, 1 << 22, 1 << 31 - 1, 1 << 31,
        1 << 32 - 1, 1 << 32, 1 << 53 + 1, 1 << 63 - 1, 1 << 63, .max, .max - 1,
    ]
    private static let texts = [
        "", "LEAF", "BRANCH_EQ", "BRANCH_GT", "BRANCH_NEQ", "SOFTMAX", "LOGISTIC", "PROBIT",
        "SOFTMAX_ZERO", "NONE", "MIN", "AVERAGE", "TreeEnsembleRegressor", "Cast", "Concat",
        "Identity", "ArgMax", "Reshape", "Normalizer", "Scaler", "Imputer", "n_targets", "Gather",
    ]
    private static let fixed: [UInt32] = [
        0, 0x7fc0_0000, 0x7f80_0000, 0xff80_0000, 0x8000_0000, 1, 0x7f7f_ffff, 0x3f80_0000,
    ]

    private static func changeValue(_ field: inout WireField, _ random: inout SeededRandom) {
        switch field.value {
        case .varint(let word):
            let near = UInt64.random(in: 0..<5, using: &random)
            let isNear = Bool.random(using: &random)
            field.value = .varint(
                isNear ? word &+ near &- 2 : words.randomElement(using: &random) ?? 0)
        case .fixed(var bytes):
            let word = fixed.randomElement(using: &random) ?? 0
            for index in 0..<4 {
                let byte = UInt8(truncatingIfNeeded: word >> UInt32(8 * index))
                bytes[bytes.count - 4 + index] = byte
            }
            field.value = .fixed(bytes)
        case .bytes(var bytes):
            let place = bytes.isEmpty ? 0 : Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where !bytes.isEmpty: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1 where !bytes.isEmpty: bytes.remove(at: place)
            case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
            case 3: bytes += bytes
            default: bytes = Array((texts.randomElement(using: &random) ?? "").utf8)
            }
            field.value = .bytes(bytes)
        case .fields(let fields):
            field.value = .bytes(
                Bool.random(using: &random) ? [] : encode(fields).reversed())
        }
    }
}
