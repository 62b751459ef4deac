import Testing

@testable import MillraceConfig

@Suite struct SuggestionTests {
    @Test(
        arguments: [
            ("max_record", "max_records"), ("max_recrods", "max_records"),
            ("MAX_RECORDS", "max_records"), ("maxrecords", "max_records"),
            ("max-wait", "max_wait"), ("wait", nil), ("records", nil), ("", nil), ("x", nil),
            ("max_bites", "max_bytes"), ("max_byt", "max_bytes"), ("max_by", nil),
            ("bytes_max", nil),
            (String(repeating: "max_records", count: 9), nil),
        ] as [(String, String?)])
    func theNearestNameIsSuggested(_ name: String, _ expected: String?) {
        #expect(
            Suggestion.nearest(to: name, among: ["max_records", "max_wait", "max_bytes"])
                == expected)
    }

    @Test(
        arguments: [
            ("", "", 0), ("a", "", 1), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "abd", 1),
            ("abc", "abcd", 1), ("kitten", "sitting", 3), ("ca", "abc", 3), ("ABC", "abc", 0),
        ])
    func distancesCountSlips(_ left: String, _ right: String, _ expected: Int) {
        #expect(Suggestion.distance(left, right) == expected)
        #expect(Suggestion.distance(right, left) == expected)
    }
}

@Suite struct QuantitiesTests {
    @Test(
        arguments: [
            ("0", 0), ("5ms", 5_000_000), ("1s", 1_000_000_000), ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000), ("7us", 7000), ("9ns", 9), ("0s", 0),
            ("5", nil), ("1.5s", nil), ("-1s", nil), ("s", nil), ("1 s", nil), ("1m30s", nil),
            ("01s", nil), ("9999999999h", nil), ("1S", nil), ("", nil), ("٣s", nil),
        ] as [(String, Int64?)])
    func durations(_ text: String, _ expected: Int64?) {
        #expect(Quantities.durationNs(text) == expected)
    }

    @Test(
        arguments: [
            ("0", 0), ("123", 123), ("1B", 1), ("64KB", 64_000), ("64KiB", 65_536),
            ("256MiB", 268_435_456), ("1GiB", 1 << 30), ("1GB", 1_000_000_000), ("2TiB", 2 << 40),
            ("1.5MiB", nil), ("1M", nil), ("1mib", nil), ("-1", -1), ("MiB", nil),
            ("9223372036854775807", Int64.max), ("9223372036854775808", nil),
            ("9999999999TiB", nil),
        ] as [(String, Int64?)])
    func sizes(_ text: String, _ expected: Int64?) {
        #expect(Quantities.bytes(text) == expected)
    }

    @Test func textsReadBackAsTheSameValue() {
        for value in [0, 1, 999, 1000, 60_000_000_000, 90_000_000_000, 3_600_000_000_000] as [Int64]
        {
            #expect(Quantities.durationNs(Quantities.durationText(value)) == value)
            #expect(Quantities.bytes(Quantities.sizeText(value)) == value)
        }
    }

    @Test(
        arguments: [
            ("0", 0), ("-1", -1), ("1.5", 1.5), ("1e3", 1000), ("+2", 2), (".5", 0.5),
            ("inf", nil), ("nan", nil), ("0x10", nil), ("1e999", nil), ("", nil), ("1,5", nil),
            ("1_000", nil),
        ] as [(String, Double?)])
    func numbers(_ text: String, _ expected: Double?) {
        #expect(Quantities.number(text) == expected)
    }
}

@Suite struct EnvironmentTextTests {
    private let environment = ["A": "1", "EMPTY": "", "B_2": "${A}"]

    @Test(
        arguments: [
            ("plain", "plain"), ("${A}", "1"), ("x${A}y${A}z", "x1y1z"), ("${EMPTY}", ""),
            ("${EMPTY:-d}", "d"), ("${NONE:-d}", "d"), ("${NONE:-}", ""), ("${A:-d}", "1"),
            ("${NONE:-a:-b}", "a:-b"), ("$${A}", "${A}"), ("$$A", "$$A"), ("$", "$"),
            ("a$b$", "a$b$"), ("$key", "$key"), ("$${", "${"), ("$$${A}", "$${A}"),
            // A value is not expanded again.
            ("${B_2}", "${A}"), ("€${A}", "€1"),
        ])
    func referencesAreReplaced(_ text: String, _ expected: String) {
        let expansion = EnvironmentText.expand(text, environment: environment)
        #expect(expansion.text == expected)
        #expect(expansion.problems == [])
    }

    @Test(
        arguments: [
            ("${NONE}", 1), ("${NONE}${OTHER}", 2), ("${}", 1), ("${A", 1), ("${A-b}", 1),
            ("${A:b}", 1), ("${1A}", 1), ("${A B}", 1), ("${Ä}", 1), ("${A:}", 1), ("${:-x}", 1),
        ])
    func problemsAreTold(_ text: String, _ count: Int) {
        #expect(
            EnvironmentText.expand(text, environment: environment).problems.count == count)
    }
}

@Suite struct SettingsTableTests {
    @Test func pathsAreUnique() {
        let paths = Settings.all.map(\.path)
        #expect(Set(paths).count == paths.count)
    }

    @Test func everySettingHasItsSectionAndADoc() {
        let sections = Set(Settings.all.map(\.path) + ["", Settings.fieldOptions])
        for setting in Settings.all {
            #expect(sections.contains(setting.section), "\(setting.path)")
            #expect(setting.doc.hasSuffix("."), "\(setting.path)")
            #expect(setting.doc.utf8.count < 250, "\(setting.path)")
        }
    }

    @Test func defaultsAreWithinTheirRanges() throws {
        for setting in Settings.all {
            guard let text = setting.defaultText else { continue }
            switch setting.kind {
            case .integer(let range):
                #expect(range.contains(try #require(Quantities.integer(text))), "\(setting.path)")
            case .duration(let range):
                // "1s; 100ms with exactly_once": a default that another setting decides.
                for part in text.split(separator: "; ") {
                    let word = part.prefix { $0 != " " }
                    let duration = try #require(Quantities.durationNs(String(word)))
                    #expect(range.contains(duration), "\(setting.path)")
                }
            case .byteSize(let range):
                #expect(range.contains(try #require(Quantities.bytes(text))), "\(setting.path)")
            default: break
            }
        }
    }
}

@Suite struct PathTextTests {
    @Test func pathsAreRelativeToTheFile() {
        #expect(PathText.resolve("m.onnx", in: PathText.folder(of: "p.yaml")) == "m.onnx")
        #expect(PathText.resolve("m.onnx", in: PathText.folder(of: "a/p.yaml")) == "a/m.onnx")
        #expect(PathText.resolve("../m", in: PathText.folder(of: "/a/b/p.yaml")) == "/a/b/../m")
        #expect(PathText.resolve("/m", in: PathText.folder(of: "a/p.yaml")) == "/m")
        #expect(PathText.resolve("m", in: PathText.folder(of: "/p.yaml")) == "/m")
    }

    @Test func aModelIsNamedByItsFile() {
        #expect(PathText.stem(of: "../models/fraud.onnx") == "fraud")
        #expect(PathText.stem(of: "fraud.v2.onnx") == "fraud.v2")
        #expect(PathText.stem(of: "saved_model/") == "saved_model")
        #expect(PathText.stem(of: ".hidden") == ".hidden")
    }
}
