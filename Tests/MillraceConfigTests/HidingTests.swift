import MillraceCore
import Testing

@testable import MillraceConfig

struct HidingTests {
    private static func hidden(_ json: String, _ pointers: String...) throws -> String {
        let value = try #require(JSONValue.parse(json.utf8))
        return value.hiding(pointers.compactMap { FieldPointer($0) }).text
    }

    @Test func whatAPointerNamesIsReplacedWhateverItIs() throws {
        for value in ["1", "\"x\"", "null", "{\"b\":2}", "[1,2]", "true"] {
            #expect(
                try Self.hidden("{\"a\":\(value),\"c\":3}", "/a")
                    == #"{"a":"(hidden)","c":3}"#)
        }
    }

    @Test func pointersReachIntoObjectsAndArrays() throws {
        let json = #"{"u":{"email":"e","id":1},"l":[{"card":"c"},{"card":"d"}],"a/b":{"~":5}}"#
        #expect(
            try Self.hidden(json, "/u/email", "/l/1/card", "/a~1b/~0")
                == #"{"u":{"email":"(hidden)","id":1},"l":[{"card":"c"},{"card":"(hidden)"}],"#
                + #""a/b":{"~":"(hidden)"}}"#)
        #expect(
            try Self.hidden(json, "/l") == #"{"u":{"email":"e","id":1},"l":"(hidden)","#
                + #""a/b":{"~":5}}"#)
    }

    /// A name that comes several times, and one that is written with escapes.
    @Test func everyFieldOfTheNameIsHidden() throws {
        #expect(
            try Self.hidden(#"{"a":1,"\u0061":2,"A":3}"#, "/a")
                == #"{"a":"(hidden)","a":"(hidden)","A":3}"#)
    }

    @Test(arguments: ["/x", "/a/b", "/l/2", "/l/00", "/l/+0", "/l/-1", "/l/99999999999999999999"])
    func pointersThatNameNothingChangeNothing(pointer: String) throws {
        let json = #"{"a":1.50,"l":[0,1]}"#
        #expect(try Self.hidden(json, pointer) == json)
    }

    @Test func theRestStaysAsItWasWritten() throws {
        let json = #"{"n":1.0e2,"big":12345678901234567890,"t":"\"<script>","z":[],"o":{}}"#
        #expect(try Self.hidden(json, "/none") == json)
    }
}
