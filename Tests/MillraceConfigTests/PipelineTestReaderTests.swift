import MillraceConfig
import Testing

@Suite struct PipelineTestReaderTests {
    private func read(_ text: String, path: String = "dir/a_test.yaml") -> PipelineTests? {
        let outcome = PipelineTestReader.read(bytes: Array(text.utf8), path: path)
        #expect(outcome.complaints.map(\.description) == [])
        return outcome.tests
    }

    @Test func aFileIsReadInFull() throws {
        let tests = try #require(
            read(
                """
                pipeline: ../b.yaml
                tolerance: 0.5
                cases:
                  - name: one
                    in: {n: 1.50, t: "1", b: true, z: null, y: yes, l: [1, {}], o: {k: "a\\"b"}}
                    out: {n: 1}
                  - name: two
                    in: ['{ "x":1 }', '']
                    out: ['{"x":1}', {}]
                    dead: [malformed, {class: too_deep, message: x}, {message: y}]
                    tolerance: 0
                """))
        #expect(tests.pipeline == "dir/../b.yaml")
        let one = tests.cases[0]
        #expect(one.name == "one" && one.place == Place(line: 4, column: 5))
        #expect(
            one.records.map { String(decoding: $0, as: UTF8.self) } == [
                #"{"n":1.50,"t":"1","b":true,"z":null,"y":"yes","l":[1,{}],"o":{"k":"a\"b"}}"#
            ])
        #expect(one.outputs == [.fields([.init(name: "n", value: .number("1"))])])
        #expect(one.deadLetters == nil && one.tolerance == 0.5)
        let two = tests.cases[1]
        #expect(two.records.map { String(decoding: $0, as: UTF8.self) } == ["{ \"x\":1 }", ""])
        #expect(
            two.outputs == [
                .whole(.object([.init(name: "x", value: .number("1"))])), .fields([]),
            ])
        #expect(two.deadLetters?.map(\.reason) == ["malformed", "too_deep", nil])
        #expect(two.deadLetters?.map(\.message) == [nil, "x", "y"])
        #expect(two.tolerance == 0)
    }

    @Test(arguments: [
        ("fraud_test.yaml", "fraud.yaml"), ("/x/y_test.yml", "/x/y.yml"),
        ("a/b.c_test.yaml", "a/b.c.yaml"),
    ])
    func theNameSaysWhatIsTested(path: String, pipeline: String) throws {
        let tests = read("cases: [{name: a, in: {}, out: {}}]", path: path)
        #expect(tests?.pipeline == pipeline)
        #expect(tests?.cases[0].tolerance == PipelineTests.usualTolerance)
    }

    @Test(arguments: [
        ("5", "1:1: error: a test file must be a mapping, but is text"),
        ("a: 1\ncases: [{name: a, in: {}, out: {}}]", "1:1: error: unknown key 'a' in a test file"),
        ("tolerance: 1", "1:1: error: missing required key 'cases'"),
        ("cases: {}", "1:8: error: cases must be a list of cases, but is a mapping"),
        ("cases: []", "1:8: error: cases must be a list of cases, but is an empty list"),
        ("cases: [1]", "1:9: error: a case must be a mapping, but is text"),
        ("cases: [{in: {}, out: {}}]", "1:9: error: missing required key 'name'"),
        ("cases: [{name: a, out: {}}]", "1:9: error: missing required key 'in'"),
        ("cases: [{name: a, in: {}}]", "1:9: error: a case needs 'out' or 'dead'"),
        ("cases: [{name: a, in: b, out: {}}]", "but is text without quotes"),
        ("cases: [{name: a, in: {}, out: '{'}]", "1:32: error: out is not one value of JSON"),
        ("cases: [{name: a, in: {}, out: [[]]}]", "error: out must be a mapping of fields"),
        ("cases: [{name: a, in: {}, dead: missing}]", "no class of dead letters is 'missing'"),
        ("cases: [{name: a, in: {}, dead: [[]]}]", "dead must be a class, or a mapping"),
        ("cases: [{name: a, in: {}, dead: {clas: x}}]", "did you mean 'class'?"),
        ("cases: [{name: a, in: {}, out: {}, tolerance: '1'}]", "tolerance must be a number"),
        ("cases: [{name: a, in: *x, out: {}}]", "aliases are not allowed"),
    ])
    func complaintsNameThePlace(text: String, says: String) {
        let outcome = PipelineTestReader.read(bytes: Array(text.utf8), path: "a_test.yaml")
        #expect(outcome.tests == nil)
        let shown = outcome.complaints.map(\.description)
        #expect(shown.contains { $0.contains(says) }, "\(shown)")
    }

    @Test func aFolderIsSearchedForTestsOnly() {
        let (files, complaints) = PipelineFiles.expand(["/nowhere"], .tests)
        #expect(files == [])
        #expect(complaints.count == 1)
    }
}

@Suite struct JSONValueTests {
    @Test(arguments: [
        "null", "true", "false", "0", "-1.5e+3", "\"\"", "[]", "{}", "[1,[2],{\"a\":null}]",
        #"{"a":1,"a":2,"":"x"}"#, #""\"\\\n\r\t\u0001ü😀""#,
    ])
    func whatIsReadIsWrittenAlike(text: String) {
        #expect(JSONValue.parse(text.utf8)?.text == text)
    }

    @Test func escapesAndSpaceAreRead() {
        let text = " { \"\\u0061\\ud83d\\ude00\\/\\b\\f\" : [ 1 , 2 ] }\r\n"
        #expect(JSONValue.parse(text.utf8)?.text == "{\"a😀/\\u0008\\u000c\":[1,2]}")
    }

    @Test(arguments: [
        "", " ", "nul", "01", "1.", ".5", "+1", "1e", "-", "[1,]", "[1", "{\"a\"}", "{\"a\":}",
        "{a:1}", "{\"a\":1,}", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud83d\"", "\"\\ud83dx\"",
        "\"\\udc00\"", "\"\u{1}\"", "1 2", "\"\\u+123\"",
    ])
    func otherTextIsRefused(text: String) { #expect(JSONValue.parse(text.utf8) == nil) }

    @Test func nestingIsBounded() {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(JSONValue.parse(nested(64).utf8) != nil)
        #expect(JSONValue.parse(nested(65).utf8) == nil)
        #expect(JSONValue.parse(nested(1_000_000).utf8) == nil)
        #expect(JSONValue.parse([0x22, 0xFF, 0x22]) == nil)
    }
}
