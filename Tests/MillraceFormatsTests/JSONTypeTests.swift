import Foundation
import MillraceCore
import MillraceFormats
import MillraceTestKit
import Testing

private let field = FeatureSource.field(FieldPointer(tokens: ["a"]))

/// The element that `text` as field /a becomes, or the error.
private func read<Element>(
    _ text: String, _ type: ElementType, as: Element.Type, parsesText: Bool = false
) throws -> Result<Element, RecordError> {
    let rig = try Rig(one: field, type, parsesText: parsesText)
    rig.read("{\"a\":\(text)}")
    if let error = rig.error() { return .failure(error) }
    return .success(rig.element(as: Element.self))
}

private func kind<Element>(_ result: Result<Element, RecordError>) -> RecordError.Kind? {
    if case .failure(let error) = result { error.kind } else { nil }
}

/// Swift reads through strtod.
private func nearestDouble(_ text: String) throws -> Double { try #require(Double(text)) }

@Suite struct JSONTypeTests {
    @Test(arguments: [
        "0", "-0", "1", "-1", "0.1", "31.0703", "-1.9072", "12.0", "1e2", "1E+2", "1e-2", "0.5e1",
        "12345678", "123456789", "1234567.8", "0.1234567", "1.17549435e-38", "3.4028234e38",
        "1.1475000143051147", "-2.2250738585072014e-308", "4.9e-324", "1e-400", "0e999999999999",
        "0.000000000000000000000000000000000001", "123456789012345678901234567890",
        "0.30000000000000004", "9007199254740993", "1.7976931348623157e308", "5e-1", "0.0",
        "100000000000000000000000000000000000000", "7.2057594037927933e16", "8.5", "00000000.5",
    ])
    func doublesRoundAsStrtodDoes(text: String) throws {
        let result = try read(text, .float64, as: Double.self)
        guard text != "00000000.5" else {
            #expect(kind(result) == .malformed)
            return
        }
        #expect(try result.get().bitPattern == nearestDouble(text).bitPattern)
        if try nearestDouble(text).magnitude < 3.5e38 {
            let single = try read(text, .float32, as: Float.self).get()
            #expect(try single.bitPattern == Float(nearestDouble(text)).bitPattern)
        }
    }

    @Test func randomDoublesRoundAsStrtodDoes() throws {
        var random = SeededRandom(seed: 5)
        let rig = try Rig(one: field, .float64)
        for _ in 0..<4000 {
            let digits = String(random.next() % 10_000_000_000_000_000_000)
                .prefix(Int(random.next() % 19) + 1)
            let exponent = Int(random.next() % 60) - 30
            let whole = Int(random.next() % 9) + 1
            let text = "\(random.next() % 2 == 0 ? "-" : "")\(whole).\(digits)e\(exponent)"
            rig.read("{\"a\":\(text)}")
            #expect(try rig.element(as: Double.self).bitPattern == nearestDouble(text).bitPattern)
        }
    }

    @Test func singlesNearTheMiddleOfTwoRoundAsTheirDoublesDo() throws {
        var random = SeededRandom(seed: 6)
        let rig = try Rig(one: field, .float32)
        for index in 0..<4000 {
            let single = Float(Double(random.next() % 1_000_000_000) / 12_345_678)
            let middle = (Double(single) + Double(single.nextUp)) / 2
            let value = [middle, middle.nextUp, middle.nextDown][index % 3]
            rig.read("{\"a\":\(value)}")
            #expect(rig.element(as: Float.self) == Float(value))
        }
    }

    @Test func overflowIsOutOfRange() throws {
        #expect(kind(try read("1e39", .float32, as: Float.self)) == .outOfRange)
        #expect(kind(try read("-1e39", .float32, as: Float.self)) == .outOfRange)
        #expect(kind(try read("1e400", .float64, as: Double.self)) == .outOfRange)
        #expect(kind(try read("1e99999999999", .float64, as: Double.self)) == .outOfRange)
    }

    @Test(arguments: [
        ("3", 3), ("3.0", 3), ("1e2", 100), ("30e-1", 3), ("-0", 0), ("127", 127), ("-128", -128),
        ("1.20e1", 12), ("0.0000000000000000000000", 0),
    ])
    func integersTakeAnyFormOfAnInteger(text: String, expected: Int8) throws {
        #expect(try read(text, .int8, as: Int8.self).get() == expected)
        #expect(try read(text, .int64, as: Int64.self).get() == Int64(expected))
        #expect(try read(text, .int16, as: Int16.self).get() == Int16(expected))
        #expect(try read(text, .int32, as: Int32.self).get() == Int32(expected))
    }

    @Test func largeIntegersAreExact() throws {
        #expect(try read("9223372036854775807", .int64, as: Int64.self).get() == .max)
        #expect(try read("-9223372036854775808", .int64, as: Int64.self).get() == .min)
        #expect(try read("18446744073709551615", .uint64, as: UInt64.self).get() == .max)
        #expect(try read("18446744073709551615.000", .uint64, as: UInt64.self).get() == .max)
        #expect(
            try read("1844674407370955161500e-2", .uint64, as: UInt64.self).get() == .max)
        #expect(try read("9007199254740993", .uint64, as: UInt64.self).get() == 9007199254740993)
    }

    @Test func integersOutOfRange() throws {
        #expect(kind(try read("128", .int8, as: Int8.self)) == .outOfRange)
        #expect(kind(try read("-129", .int8, as: Int8.self)) == .outOfRange)
        #expect(kind(try read("256", .uint8, as: UInt8.self)) == .outOfRange)
        #expect(kind(try read("-1", .uint8, as: UInt8.self)) == .outOfRange)
        #expect(kind(try read("65536", .uint16, as: UInt16.self)) == .outOfRange)
        #expect(kind(try read("2147483648", .int32, as: Int32.self)) == .outOfRange)
        #expect(kind(try read("4294967296", .uint32, as: UInt32.self)) == .outOfRange)
        #expect(kind(try read("9223372036854775808", .int64, as: Int64.self)) == .outOfRange)
        #expect(kind(try read("18446744073709551616", .uint64, as: UInt64.self)) == .outOfRange)
        #expect(kind(try read("1e1000000000", .int64, as: Int64.self)) == .outOfRange)
        #expect(kind(try read("3.5", .int32, as: Int32.self)) == .wrongType)
        #expect(kind(try read("1e-3", .int32, as: Int32.self)) == .wrongType)
        #expect(
            kind(try read("12345678901234567890.5", .uint64, as: UInt64.self)) == .wrongType)
    }

    @Test func booleansAndBits() throws {
        #expect(try read("true", .float32, as: Float.self).get() == 1)
        #expect(try read("false", .int64, as: Int64.self).get() == 0)
        #expect(try read("true", .bool, as: Bool.self).get())
        #expect(try read("1", .bool, as: Bool.self).get())
        #expect(try read("0.0", .bool, as: Bool.self).get() == false)
        #expect(kind(try read("2", .bool, as: Bool.self)) == .outOfRange)
        #expect(kind(try read("-1", .bool, as: Bool.self)) == .outOfRange)
        #expect(kind(try read("true", .string, as: UInt64.self)) == .wrongType)
        #expect(kind(try read("1", .string, as: UInt64.self)) == .wrongType)
        for text in ["{}", "[]", "[1]", "\"1\""] {
            #expect(kind(try read(text, .float32, as: Float.self)) == .wrongType)
            #expect(kind(try read(text, .bool, as: Bool.self)) == .wrongType)
        }
    }

    @Test func numbersInText() throws {
        #expect(
            try read("\"-12.5\"", .float32, as: Float.self, parsesText: true).get() == -12.5)
        #expect(try read(#""\u0031""#, .int32, as: Int32.self, parsesText: true).get() == 1)
        #expect(try read("7", .int32, as: Int32.self, parsesText: true).get() == 7)
        for text in ["", " 1", "1 ", "+1", "0x1", "NaN", "Infinity", "1,5", "01", "one", ".5"] {
            let result = try read("\"\(text)\"", .float64, as: Double.self, parsesText: true)
            #expect(kind(result) == .wrongType)
        }
    }

    @Test(arguments: [
        (#""plain""#, "plain"), (#""""#, ""),
        (#""a\"b\\c\/d\b\f\n\r\t""#, "a\"b\\c/d\u{8}\u{c}\n\r\t"),
        (#""\u00e9\u2028\ud83d\ude00é😀""#, "é\u{2028}😀é😀"), (#""\u0000""#, "\u{0}"),
    ])
    func textIsUnescaped(text: String, expected: String) throws {
        let rig = try Rig(one: field, .string)
        rig.read("{\"a\":\(text)}")
        #expect(rig.text() == expected)
    }

    @Test func textOfALongBatchStaysInPlace() throws {
        let rig = try Rig(one: field, .string)
        let texts = (0..<40).map { String(repeating: "é\($0)", count: 1000 + 97 * $0) }
        rig.read(texts.map { TestRecord("{\"a\":\"\($0)\"}") })
        for (row, text) in texts.enumerated() { #expect(rig.text(row: row) == text) }
    }

    @Test func missingTextIsTheDefault() throws {
        let rig = try Rig(one: field, .string, missing: .text("unknown"))
        rig.read("{}", #"{"a":null}"#, #"{"a":"b"}"#)
        #expect((0..<3).map { rig.text(row: $0) } == ["unknown", "unknown", "b"])
    }

    @Test func keyHeaderAndTimestamp() throws {
        func slot(_ source: FeatureSource, _ element: Int) -> FeatureSlot {
            FeatureSlot(
                source: source, column: 0, element: element, count: 1, isArray: false,
                type: .float64, missing: .number(-7), parsesText: false)
        }
        let rig = try Rig(
            [slot(.key, 0), slot(.header("h"), 1), slot(.timestamp, 2)],
            columns: [.init(name: "x", type: .float64, rowShape: [3])])
        var record = TestRecord("{}")
        record.key = Array("12".utf8)
        record.headers = ["h": Array("-0.5".utf8), "g": Array("1".utf8)]
        record.timestampMs = 1_700_000_000_123
        var broken = record
        broken.headers["h"] = []
        rig.read([record, TestRecord("{}"), broken])
        func row(_ row: Int) -> [Double] {
            (0..<3).map { rig.element($0, row: row, as: Double.self) }
        }
        #expect(row(0) == [12, -0.5, 1_700_000_000_123])
        #expect(row(1) == [-7, -7, -7])
        #expect(rig.error(2)?.kind == .wrongType)
        #expect(rig.error(2)?.message.hasPrefix("$header.h: ") == true)
    }

    @Test func keyAsText() throws {
        let rig = try Rig(one: .key, .string)
        var good = TestRecord("{}")
        good.key = Array("schlüssel".utf8)
        var bad = TestRecord("{}")
        bad.key = [0xC3]
        rig.read([good, bad, TestRecord("{}")])
        #expect(rig.text() == "schlüssel")
        #expect(rig.error(1)?.kind == .invalidUTF8)
        #expect(rig.error(2)?.kind == .missingField)
    }
}
