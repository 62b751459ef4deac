import Foundation
import MillraceCore
import MillraceFormats
import Testing

@Suite struct JSONAppendTests {
    @Test(arguments: [
        (#"{"a":1}"#, #"{"a":1,"score":0.5}"#), ("{\"a\":1 }\n", "{\"a\":1 ,\"score\":0.5}\n"),
        ("{}", #"{"score":0.5}"#), (" { } \r\n\t", #" { "score":0.5} "# + "\r\n\t"),
        (#"{"a":{"b":{}}}"#, #"{"a":{"b":{}},"score":0.5}"#),
        (#"{"a":"}"}"#, #"{"a":"}","score":0.5}"#),
        (#"{"a":"\"}"}"#, #"{"a":"\"}","score":0.5}"#),
        (#"{"a":[],"é":"№"}"#, #"{"a":[],"é":"№","score":0.5}"#),
        (
            "{\"a\":1}" + String(repeating: "\n", count: 5000),
            "{\"a\":1,\"score\":0.5}" + String(repeating: "\n", count: 5000)
        ),
    ])
    func everyByteStays(value: String, expected: String) throws {
        let rig = try Rig(floats: [])
        rig.read(value)
        rig.append(scores: [0.5])
        #expect(rig.outputText() == expected)
        #expect(rig.state() == .scored)
    }

    @Test(arguments: [
        (Float(1), "1.0"), (-0.0, "-0.0"), (0.1, "0.1"), (0.0132, "0.0132"), (1e20, "1e+20"),
        (16_777_216, "16777216.0"), (1e-7, "1e-07"), (.nan, "null"), (.infinity, "null"),
        (-.infinity, "null"), (.greatestFiniteMagnitude, "3.4028235e+38"),
        (.leastNonzeroMagnitude, "1e-45"), (0.33333334, "0.33333334"),
    ])
    func singlesPrintShortest(value: Float, expected: String) throws {
        let rig = try Rig(floats: [])
        rig.read("{}")
        rig.append(scores: [value])
        #expect(rig.outputText() == "{\"score\":\(expected)}")
        if value.isFinite { #expect(Float(expected) == value) }
    }

    @Test func otherTypes() throws {
        let rig = try Rig(floats: [])
        func output<Element>(_ value: Element, _ type: ElementType) -> String {
            rig.read("{}")
            rig.append([value], type)
            return String(rig.outputText().dropFirst(9).dropLast())
        }
        #expect(output(0.1, .float64) == "0.1")
        #expect(output(1.0, .float64) == "1.0")
        #expect(output(Double.leastNonzeroMagnitude, .float64) == "5e-324")
        #expect(output(Double.nan, .float64) == "null")
        #expect(output(Int64.min, .int64) == "-9223372036854775808")
        #expect(output(UInt64.max, .uint64) == "18446744073709551615")
        #expect(output(Int8(-5), .int8) == "-5")
        #expect(output(UInt8(200), .uint8) == "200")
        #expect(output(Int16(-300), .int16) == "-300")
        #expect(output(UInt16(65535), .uint16) == "65535")
        #expect(output(Int32(-7), .int32) == "-7")
        #expect(output(UInt32.max, .uint32) == "4294967295")
        #expect(output(true, .bool) == "true")
        #expect(output(false, .bool) == "false")
    }

    @Test(arguments: [
        ("plain", #""plain""#), ("", #""""#),
        ("a\"b\\c/d\u{8}\u{c}\n\r\t\u{1}\u{1f}", #""a\"b\\c/d\b\f\n\r\t\u0001\u001f""#),
        ("é\u{2028}😀", "\"é\u{2028}😀\""),
    ])
    func textIsEscaped(text: String, expected: String) throws {
        let rig = try Rig(floats: [])
        rig.read("{}")
        rig.append(texts: [Array(text.utf8)])
        #expect(rig.outputText() == "{\"score\":\(expected)}")
    }

    @Test(arguments: [
        [0xC3], [0x61, 0xFF, 0x62], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
        [0xC0, 0x80], [0xF0, 0x9F, 0x98], [0xE2, 0x82, 0x41], [0x80, 0xE2, 0x82, 0xAC],
    ])
    func brokenTextOfAModelIsReplaced(bytes: [UInt8]) throws {
        let rig = try Rig(floats: [])
        rig.read("{}")
        rig.append(texts: [bytes])
        #expect(rig.outputText() == "{\"score\":\"\(String(decoding: bytes, as: UTF8.self))\"}")
    }

    @Test func severalFieldsAndVectors() throws {
        let plan = AppendPlan(
            outputs: ["p"],
            fields: [
                AppendField(name: "one \"1\"", column: 0, selection: .element(1)),
                AppendField(name: "all", column: 0, selection: .vector),
            ], onConflict: .error, under: nil)
        let rig = try Rig(floats: ["/a"], append: plan)
        rig.read(#"{"a":1}"#, #"{"a":2}"#)
        rig.append(scores: [0.25, 0.5, .nan, 3], width: 2)
        #expect(rig.outputText(0) == #"{"a":1,"one \"1\"":0.5,"all":[0.25,0.5]}"#)
        #expect(rig.outputText(1) == #"{"a":2,"one \"1\"":3.0,"all":[null,3.0]}"#)
    }

    @Test func rowsCanBeAppendedInParts() throws {
        let rig = try Rig(floats: ["/a"])
        rig.read(#"{"a":1}"#, "{", #"{"a":2}"#, #"{"a":3}"#)
        rig.append(scores: [1])
        #expect(rig.state(2) == .taken)
        let rest: [Float] = [2, 3]
        unsafe rest.withUnsafeBytes { bytes in
            unsafe rig.append([("score", .float32, 1, bytes.baseAddress)], rows: 2, from: 1)
        }
        #expect(rig.outputText(0) == #"{"a":1,"score":1.0}"#)
        #expect(rig.outputText(2) == #"{"a":2,"score":2.0}"#)
        #expect(rig.outputText(3) == #"{"a":3,"score":3.0}"#)
    }

    @Test func longPredictionsMoveTheValue() throws {
        let rig = try Rig(floats: ["/a"])
        for _ in 0..<3 {
            rig.read((0..<20).map { TestRecord("{\"a\":\($0)}\n") })
            let texts = (0..<20).map { Array(String(repeating: "x", count: 700 * $0).utf8) }
            rig.append(texts: texts)
            for (index, text) in texts.enumerated() {
                let score = String(decoding: text, as: UTF8.self)
                #expect(rig.outputText(index) == "{\"a\":\(index),\"score\":\"\(score)\"}\n")
            }
        }
    }

    @Test(arguments: [#"{"score":1}"#, #"{"a":1,"\u0073core":null}"#, #"{"score":{}}"#])
    func existingFields(value: String) throws {
        let strict = try Rig(floats: [])
        strict.read(value)
        #expect(strict.error()?.kind == .fieldExists)
        let keeping = try Rig(floats: [], append: .fields(["score", "other"], .keep))
        keeping.read(value, "{}", #"{"other":1,"score":2}"#)
        keeping.append(scores: [1, 2, 1, 2, 1, 2], width: 2)
        #expect(keeping.outputText() == value.dropLast() + #","other":2.0}"#)
        #expect(keeping.outputText(1) == #"{"score":1.0,"other":2.0}"#)
        #expect(keeping.outputText(2) == #"{"other":1,"score":2}"#)
        #expect(keeping.state(2) == .scored)
        let nesting = try Rig(floats: [], append: .fields(["score", "x"], .nest, under: "m"))
        nesting.read(value, "{}", #"{"m":1}"#)
        nesting.append(scores: [1, 2, 1, 2], width: 2)
        #expect(nesting.outputText() == value.dropLast() + #","m":{"score":1.0,"x":2.0}}"#)
        #expect(nesting.outputText(1) == #"{"m":{"score":1.0,"x":2.0}}"#)
        #expect(nesting.error(2)?.kind == .fieldExists)
    }

    @Test func fieldsBelowTheTopAreNoConflict() throws {
        let rig = try Rig(floats: ["/a/b"], missing: .nan)
        rig.read(#"{"a":{"score":1},"b":[{"score":2}]}"#)
        rig.append(scores: [1])
        #expect(rig.outputText() == #"{"a":{"score":1},"b":[{"score":2}],"score":1.0}"#)
    }

    @Test func moreThan64FieldsCanBeKept() throws {
        let names = (0..<100).map { "f\($0)" }
        let rig = try Rig(floats: [], append: .fields(names, .keep))
        rig.read(#"{"f0":0,"f63":0,"f64":0,"f99":0}"#)
        rig.append(scores: (0..<100).map { Float($0) }, width: 100)
        let parsed = try JSONSerialization.jsonObject(with: Data(rig.output()))
        let object = try #require(parsed as? [String: Double])
        #expect(object.count == 100)
        #expect(object["f63"] == 0 && object["f64"] == 0 && object["f65"] == 65)
    }

    @Test func missingOutputsAreToldAndNothingIsRead() throws {
        let rig = try Rig(floats: [], append: .fields(["a", "b"]))
        rig.read("{}")
        rig.append(scores: [1], width: 1)
        #expect(rig.error()?.kind == .inference)
        #expect(
            rig.error()?.message
                == "model output 'score' has 1 elements in a row, but 'b' takes element 1")
        rig.read("{}")
        unsafe rig.append([("score", .float32, 2, nil)], rows: 1)
        #expect(rig.error()?.kind == .inference)
        rig.read("{}")
        rig.append(scores: [1, 2, 1, 2], width: 2)
        #expect(rig.error()?.kind == .inference)
    }
}

@Suite struct JSONPlanTests {
    private func slot(
        _ tokens: [String], isArray: Bool = false, count: Int = 1, missing: MissingPolicy = .error
    ) -> FeatureSlot {
        FeatureSlot(
            source: .field(FieldPointer(tokens: tokens)), column: 0, element: 0, count: count,
            isArray: isArray, type: .int32, missing: missing, parsesText: false)
    }

    private func rig(_ slots: [FeatureSlot], append: AppendPlan = .score) throws -> Rig {
        try Rig(
            slots, columns: [.init(name: "x", type: .int32, rowShape: [2])], append: append)
    }

    @Test func whatCannotBeReadIsRefused() throws {
        _ = try rig([slot(["a"])])
        _ = try rig([slot(Array(repeating: "a", count: 64))])
        #expect(throws: ModelError.self) { try rig([slot(Array(repeating: "a", count: 65))]) }
        #expect(throws: ModelError.self) {
            try rig([slot(["a"]), slot(["a"], isArray: true, count: 2)])
        }
        #expect(throws: ModelError.self) { try rig([slot(["a"], isArray: true, count: 3)]) }
        #expect(throws: ModelError.self) { try rig([slot(["a"], count: 2)]) }
        #expect(throws: ModelError.self) { try rig([slot(["a"], missing: .nan)]) }
        #expect(throws: ModelError.self) { try rig([slot(["a"], missing: .number(0.5))]) }
        #expect(throws: ModelError.self) { try rig([slot(["a"], missing: .text("x"))]) }
    }

    @Test func whatCannotBeAppendedIsRefused() throws {
        #expect(throws: ModelError.self) { try rig([], append: .fields(["a", "a"])) }
        #expect(throws: ModelError.self) { try rig([], append: .fields(["a"], .nest)) }
        let label = AppendField(name: "a", column: 0, selection: .label(.integer(1)))
        #expect(throws: ModelError.self) {
            try rig(
                [],
                append: AppendPlan(
                    outputs: ["p"], fields: [label], onConflict: .error, under: nil))
        }
        let unknown = AppendField(name: "a", column: 1, selection: .vector)
        #expect(throws: ModelError.self) {
            try rig(
                [],
                append: AppendPlan(
                    outputs: ["p"], fields: [unknown], onConflict: .error, under: nil))
        }
    }
}
