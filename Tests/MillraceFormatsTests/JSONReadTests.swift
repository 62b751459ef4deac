import Foundation
import MillraceCore
import MillraceFormats
import Testing

@Suite struct JSONReadTests {
    @Test func fieldsAreFoundInAnyOrderAndPlace() throws {
        let rig = try Rig(floats: ["/a", "/b/c", "/items/1/price", "/d"])
        rig.read(
            #"{"a":1,"b":{"c":2.5},"items":[{"price":0},{"price":-3}],"d":4e1}"#,
            #" { "d" : 4 , "x":[{"a":9}], "items" : [ 7, { "y":"a", "price" : 3 } ] , "#
                + #""b":{"d":5,"c":2},"a":-0.125 } "#)
        #expect(rig.features.rowCount == 2)
        #expect(rig.floats(row: 0) == [1, 2.5, -3, 40])
        #expect(rig.floats(row: 1) == [-0.125, 2, 3, 4])
    }

    @Test(arguments: [
        ("/a~1b", #"{"a/b":1}"#), ("/a~0b", #"{"a~b":1}"#), ("/~01", #"{"~1":1}"#),
        ("/", #"{"":1}"#), ("/a/", #"{"a":{"":1}}"#), ("//", #"{"":{"":1}}"#),
        ("/am\u{6f}unt", #"{"am\u006funt":1}"#), ("/a\"b", #"{"a\"b":1}"#),
        ("/é", #"{"\u00e9":1}"#), ("/😀", #"{"\ud83d\ude00":1}"#), ("/a/0", #"{"a":[1,2]}"#),
        ("/a/0", #"{"a":{"0":1}}"#), ("/a/01", #"{"a":{"01":1}}"#), ("/0/0/0", #"{"0":[[1]]}"#),
        ("/ ", #"{" ":1}"#), ("/a/12", #"{"a":[0,0,0,0,0,0,0,0,0,0,0,0,1]}"#),
        ("/a long name of 22 char", #"{"a long name of 22 chbr":2,"a long name of 22 char":1}"#),
        ("/\u{0}", #"{"\u0000":1}"#),
    ])
    func pointersNameFields(pointer: String, value: String) throws {
        let rig = try Rig(floats: [pointer])
        rig.read(value)
        #expect(rig.error() == nil)
        #expect(rig.floats() == [1])
    }

    @Test(arguments: [
        ("/a/01", #"{"a":[0,1]}"#), ("/a/-", #"{"a":[1]}"#), ("/a/2", #"{"a":[1,2]}"#),
        ("/a/b", #"{"a":1}"#), ("/a/b", #"{"a":"b"}"#), ("/a/b", #"{"a":null}"#),
        ("/a/b", #"{"a":[1]}"#), ("/a", #"{"A":1}"#), ("/a", #"{}"#), ("/a", #"{"b":{"a":1}}"#),
        ("/a", #"{"a\u0000":1}"#), ("/a/b/c", #"{"a":{"c":1}}"#), ("/a", #"{"a":null}"#),
    ])
    func absentFieldsFollowThePolicy(pointer: String, value: String) throws {
        let strict = try Rig(floats: [pointer])
        strict.read(value)
        #expect(strict.error()?.kind == .missingField)
        let lenient = try Rig(floats: [pointer], missing: .number(-1))
        lenient.read(value)
        #expect(lenient.error() == nil)
        #expect(lenient.floats() == [-1])
        let nan = try Rig(floats: [pointer], missing: .nan)
        nan.read(value)
        #expect(nan.floats()[0].isNaN)
    }

    @Test func twoSlotsMayReadOneField() throws {
        let rig = try Rig(floats: ["/a", "/a"])
        rig.read(#"{"a":7}"#)
        #expect(rig.floats() == [7, 7])
    }

    @Test func vectorsAndTheirElementsMayBothBeMapped() throws {
        let field = FeatureSource.field(FieldPointer(tokens: ["a"]))
        let first = FeatureSource.field(FieldPointer(tokens: ["a", "0"]))
        let slots = [
            FeatureSlot(
                source: field, column: 0, element: 0, count: 3, isArray: true, type: .float32,
                missing: .error, parsesText: false),
            FeatureSlot(
                source: first, column: 0, element: 3, count: 1, isArray: false, type: .float32,
                missing: .error, parsesText: false),
        ]
        let rig = try Rig(slots, columns: [.init(name: "x", type: .float32, rowShape: [4])])
        rig.read(#"{"a":[1,2,3]}"#, #"{"a":[1,2]}"#, #"{"a":[1,2,3,4]}"#, #"{"a":[[1],2,3]}"#)
        #expect(rig.floats() == [1, 2, 3, 1])
        #expect(rig.error(1)?.kind == .wrongType)
        #expect(
            rig.error(1)?.message
                == "/a: an array of 2 elements, but model input 'x' wants an array of 3, "
                + "each a number")
        #expect(rig.error(2)?.kind == .wrongType)
        #expect(rig.error(3)?.kind == .wrongType)
    }

    @Test func arraysFollowTheMissingPolicy() throws {
        let source = FeatureSource.field(FieldPointer(tokens: ["a"]))
        let rig = try Rig(one: source, .int32, count: 3, missing: .number(9))
        rig.read(#"{"a":[1,null,3]}"#, #"{"a":null}"#, #"{}"#, #"{"a":[]}"#, #"{"a":5}"#)
        func row(_ row: Int) -> [Int32] {
            (0..<3).map { rig.element($0, row: row, as: Int32.self) }
        }
        #expect(row(0) == [1, 9, 3])
        #expect(row(1) == [9, 9, 9])
        #expect(row(2) == [9, 9, 9])
        #expect(rig.error(3)?.kind == .wrongType)
        #expect(rig.error(4)?.kind == .wrongType)
        let strict = try Rig(one: source, .float32, count: 2)
        strict.read(#"{"a":[1,null]}"#)
        #expect(
            strict.error()?.message
                == "/a/1: null, but model input 'x' wants an array of 2, each a number")
    }

    @Test func failedRecordsTakeNoRow() throws {
        let rig = try Rig(floats: ["/a"])
        rig.read([
            TestRecord("{"), TestRecord(#"{"a":1}"#), TestRecord(bytes: nil),
            TestRecord(bytes: []), TestRecord(#"{"a":"x"}"#), TestRecord(#"{"a":2}"#),
        ])
        #expect(rig.features.rowCount == 2)
        #expect(rig.features.recordOfRow[0] == 1)
        #expect(rig.features.recordOfRow[1] == 5)
        #expect((0..<6).map { rig.row(of: $0) } == [-1, 0, -1, -1, -1, 1])
        #expect((0..<6).map { rig.state($0) } == [.dead, .taken, .passed, .dead, .dead, .taken])
        #expect(rig.floats(row: 1) == [2])
        #expect(rig.error(3)?.kind == .malformed)
        #expect(
            rig.error(4)?.message
                == "/a: a string, but model input 'features' wants a number "
                + "(set parse: true to read numbers out of strings)")
        rig.append(scores: [0.5, 0.25])
        #expect(rig.outputText(1) == #"{"a":1,"score":0.5}"#)
        #expect(rig.outputText(5) == #"{"a":2,"score":0.25}"#)
    }

    @Test func decidedRecordsAreLeftAlone() throws {
        let rig = try Rig(floats: ["/a"])
        rig.read(#"{"a":1}"#)
        rig.pass(0)
        rig.codec.read(rig.batch)
        #expect(rig.features.rowCount == 0)
        #expect(rig.state() == .passed)
    }

    @Test func moreRecordsThanRowsAreNotWritten() throws {
        let rig = try Rig(floats: ["/a"])
        rig.read(Array(repeating: TestRecord(#"{"a":1}"#), count: 70))
        #expect(rig.features.rowCount == 64)
        #expect(rig.error(64)?.kind == .tooLarge)
        #expect(rig.error(63) == nil)
    }

    @Test(arguments: [
        (#"{"a":1,"a":2}"#, "/a"), (#"{"a":1,"\u0061":2}"#, "/a"),
        (#"{"a":1,"b":{},"b":{"c":1}}"#, "/b"), (#"{"a":1,"b":{"c":1,"c":1}}"#, "/b/c"),
    ])
    func duplicatesOfMappedFieldsAreErrors(value: String, name: String) throws {
        let rig = try Rig(floats: ["/a", "/b/c"], missing: .nan)
        rig.read(value)
        #expect(rig.error()?.kind == .duplicateField)
        #expect(rig.error()?.message.hasPrefix(name + ": there twice") == true)
    }

    @Test func otherDuplicatesAreLeftAlone() throws {
        let rig = try Rig(floats: ["/a", "/b/c"], missing: .nan)
        rig.read(#"{"a":1,"x":1,"x":2,"b":{"c":3,"y":1,"y":1},"z":{"a":1,"a":2}}"#)
        #expect(rig.error() == nil)
        #expect(rig.floats() == [1, 3])
    }

    @Test func syntaxErrorsAreToldBeforeErrorsOfTheMapping() throws {
        let rig = try Rig(floats: ["/a"])
        rig.read(#"{"a":"x","b":tru}"#)
        #expect(rig.error() == RecordError(.malformed, "byte 13: wanted true, false or null"))
    }
}
