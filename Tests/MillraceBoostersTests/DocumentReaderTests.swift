import MillraceTestKit
import Testing

@testable import MillraceBoosters

@Suite struct DocumentReaderTests {
    /// Decimals of all kinds are rounded as the standard library rounds them.
    @Test func numbersAreExactlyRounded() throws {
        var random = SeededRandom(seed: 4)
        var texts = [
            "0", "-0", "1e22", "1e23", "1e-22", "9007199254740993", "9007199254740992e-22", "1e-45",
            "7.0064923216240853e-46", "7.0064923216240862e-46", "1.17549435e-38", "16777217",
            "1.00000017881393432617187499", "1.000000178813934326171875", "3.4028235e38",
            "1.00000017881393432617187500001", "0.1e1", "123456789012345678901234567890e-20",
            "2.2250738585072011e-308", "4.9406564584124654e-324", "0.000000000000000000000000001",
        ]
        for _ in 0..<3000 {
            texts.append("\(Double(bitPattern: random.next()))")
            texts.append("\(Float(bitPattern: UInt32.random(in: 0 ... .max, using: &random)))")
            texts.append(
                "\(UInt64.random(in: 0 ... .max, using: &random))e\(Int.random(in: -40...20))")
            // Between two floats, and a digit to either side.
            let float = Float(
                bitPattern: UInt32.random(in: 0x2000_0000...0x5000_0000, using: &random))
            texts.append("\((Double(float) + Double(float.nextUp)) / 2)")
        }
        for text in texts where !text.contains("nan") {
            let bytes = Array(text.utf8)
            var place = 0
            let decimal = try #require(DecimalText(bytes, &place), "\(text)")
            #expect(place == bytes.count)
            let double = Double(text).flatMap { $0.isFinite || text.contains("inf") ? $0 : nil }
            #expect(decimal.double(bytes)?.bitPattern == double?.bitPattern, "\(text)")
            let float = Float(text).flatMap { $0.isFinite || text.contains("inf") ? $0 : nil }
            #expect(decimal.float(bytes)?.bitPattern == float?.bitPattern, "\(text)")
        }
    }

    @Test func wholeNumbers() {
        for (text, value) in [
            ("7", 7), ("-3", -3), ("9223372036854775807", Int64.max),
            ("-9223372036854775808", Int64.min), ("9223372036854775808", nil), ("1.0", nil),
            ("1e3", nil), ("99999999999999999999", nil), ("NaN", nil),
        ] as [(String, Int64?)] {
            var place = 0
            #expect(DecimalText(Array(text.utf8), &place)?.integer == value, "\(text)")
        }
    }

    private static let json = """
        {"a": [1, 2.5, -3e1] , "b":{"c":"x\\u00e9\\ud83d\\ude00\\n","d":[]},
         "skip": [{"x": ["]", "\\"}"]}, null, true], "e":[true,false,1], "f":null}
        """

    @Test func readsObjectsListsAndTexts() throws {
        var reader = DocumentReader(Array(Self.json.utf8), isBinary: false)
        var floats: [Float] = []
        var integers: [Int32] = []
        var text = ""
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "a": try reader.floats(into: &floats)
            case "b":
                try reader.beginObject()
                while let inner = try reader.nextKey() {
                    if inner == "c" { text = try reader.text() } else { try reader.skip() }
                }
            case "e": try reader.integers(into: &integers)
            default: try reader.skip()
            }
        }
        try reader.finish()
        #expect(floats == [1, 2.5, -30])
        #expect(integers == [1, 0, 1])
        #expect(text == "xé😀\n")
    }

    @Test(arguments: [
        "", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{a:1}", "[1,]", "[1 2]", "[1,2",
        "{\"a\":tru}", "{\"a\":\"\\q\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\u12\"}", "[--1]",
        "[1e]", "[1.]", "[.5]", "[1e999]", "{\"a\":1}}", "{\"a\":[}]}", "{\"a\":\"x", "[\"\u{1}\"]",
        "{\"a\":1 \"b\":2}", "{\"a\" 1}", "nul", "[1]x",
    ])
    func refusesBrokenJSON(_ text: String) {
        #expect(throws: DocumentError.self) {
            var reader = DocumentReader(Array(text.utf8), isBinary: false)
            if text.hasPrefix("[") {
                if text.contains("\"") {
                    _ = try reader.texts()
                } else {
                    var list: [Double] = []
                    try reader.doubles(into: &list)
                }
            } else {
                try reader.beginObject()
                while try reader.nextKey() != nil {
                    if try reader.kind() == .text {
                        _ = try reader.text()
                    } else {
                        try reader.skip()
                    }
                }
            }
            try reader.finish()
        }
    }

    @Test func refusesTextThatIsNotUTF8() {
        #expect(throws: DocumentError(offset: 2, what: "a text that is not UTF-8")) {
            var reader = DocumentReader([0x5b, 0x22, 0xff, 0x22, 0x5d], isBinary: false)
            _ = try reader.texts()
        }
    }

    @Test(arguments: [true, false]) func boundsDepth(_ isBinary: Bool) {
        let bomb = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        let error = DocumentError(offset: 512, what: "nested deeper than 512 levels")
        let thrown = #expect(throws: DocumentError.self) {
            var reader = DocumentReader(bomb, isBinary: isBinary)
            try reader.skip()
        }
        #expect(thrown?.what == error.what)
        let other = #expect(throws: DocumentError.self) {
            var reader = DocumentReader(bomb, isBinary: isBinary)
            while true { try reader.beginArray() }
        }
        #expect(other?.what == error.what)
    }

    @Test func readsTypedLists() throws {
        let bytes: [UInt8] =
            Array("[$d#i".utf8) + [2, 0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0]
            + Array("[$U#U".utf8) + [3, 0, 200, 255] + Array("[i".utf8) + [0xff]
            + Array("I".utf8) + [1, 0] + Array("TNF]".utf8)
            + Array("[$D#i".utf8) + [1, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]
        var reader = DocumentReader(bytes, isBinary: true)
        var floats: [Float] = []
        var integers: [Int32] = []
        var doubles: [Double] = []
        try reader.floats(into: &floats)
        #expect(floats == [1, -2])
        try reader.integers(into: &integers)
        #expect(integers == [0, 200, 255])
        try reader.integers(into: &integers)
        #expect(integers == [-1, 256, 1, 0])
        var other = reader
        try reader.doubles(into: &doubles)
        #expect(doubles == [1])
        try reader.finish()
        try other.skip()
        try other.finish()
    }

    @Test(arguments: [
        "[$d#l\u{7f}\u{7f}\u{7f}\u{7f}", "[$d#i\u{2}1234567", "[#i\u{9}", "[$T#i\u{2}",
        "[$[#i\u{2}",
        "{#i\u{1}i\u{9}a", "[$d", "[$", "[i", "[L1234567", "{i\u{1}", "[", "[S", "[Si\u{4}abc",
        "[?]",
        "[$d#d1234", "[$dx",
    ])
    func refusesBrokenUBJSON(_ text: String) {
        for way in 0..<3 {
            #expect(throws: DocumentError.self) {
                var reader = DocumentReader(Array(text.utf8), isBinary: true)
                if way == 0 || text.hasPrefix("{") { return try reader.skip() }
                var list: [Float] = []
                var integers: [Int32] = []
                if way == 1 { try reader.floats(into: &list) }
                if way == 2 { try reader.integers(into: &integers) }
            }
        }
    }
}
