import MillraceCore
import MillraceTestKit
import MillraceTrees
import Testing

@testable import MillraceBoosters

@Suite struct LightGBMTests {
    static let names = fixtureNames("lightgbm_", ".txt").map { String($0.dropLast(4)) }

    /// What is refused has a test of its own.
    static let sound = names.filter { name in
        !["212", "206", "2011", "2012"].contains { name == "lightgbm_\($0)_rf_binary" }
    }

    @Test func thereAreFixtures() { #expect(Self.names.count >= 70) }

    @Test(arguments: sound)
    func predictsAsTheLibraryDoes(_ name: String) throws {
        let file = try fixture(name + ".txt")
        #expect(LightGBMEngine().recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        let expected = try LightGBMExpectation(name)
        let got = try LightGBMRun.outputs(LightGBMRun.program(file), expected)
        #expect(expected.outputs["raw"] != nil)
        for (output, wanted) in expected.outputs {
            let own = try #require(got[output])
            #expect(own.width == wanted.width && own.values.count == wanted.values.count)
            for (index, (a, b)) in zip(own.values, wanted.values).enumerated() where a != b {
                if a.isNaN && b.isNaN { continue }
                // Sums have the library's own bits; what follows them differs by its exp().
                let limit = output == "raw" || output == "label" ? 0 : 1e-15 * abs(b)
                #expect(
                    abs(a - b) <= limit,
                    "\(output), row \(index / wanted.width): \(a) instead of \(b)")
            }
        }
        #expect(Set(got.keys) == Set(expected.outputs.keys))
    }

    @Test func namesOfFeaturesAreTheInputs() throws {
        let program = try LightGBMRun.program(fixture("lightgbm_regression.txt"))
        #expect(program.inputs.map(\.name) == ["amount", "age=x", "größe", "n"])
        #expect(program.inputs.allSatisfy { $0.type == .float64 && $0.rowShape.isEmpty })
    }

    @Test func madeUpNamesAreOneInput() throws {
        let program = try LightGBMRun.program(fixture("lightgbm_wide.txt"))
        #expect(
            program.inputs == [ModelInput(name: "features", type: .float64, rowShape: [60])])
    }

    @Test func pandasCategoriesAreInputsOfTheirKind() throws {
        let program = try LightGBMRun.program(fixture("lightgbm_pandas.txt"))
        #expect(program.inputs.map(\.name) == ["a", "city", "level", "rate", "is_new"])
        #expect(program.inputs.map(\.type) == [.float64, .string, .float64, .float64, .bool])
    }

    @Test func signatureOfClassifiers() throws {
        let binary = try TreeModel(
            LightGBMRun.program(fixture("lightgbm_binary.txt")), path: "m")
        #expect(
            binary.signature.outputs == [
                ModelOutput(name: "prediction", type: .float64, rowShape: []),
                ModelOutput(name: "raw", type: .float64, rowShape: []),
                ModelOutput(name: "label", type: .int64, rowShape: []),
                ModelOutput(
                    name: "probabilities", type: .float64, rowShape: [2],
                    classLabels: [.integer(0), .integer(1)]),
            ])
        let multi = try TreeModel(
            LightGBMRun.program(fixture("lightgbm_multiclass.txt")), path: "m")
        #expect(multi.signature.outputs.map(\.rowShape) == [[3], [3], [], [3]])
        #expect(multi.signature.outputs[3].classLabels?.count == 3)
    }

    @Test func factsSayWhatItIs() throws {
        let facts = try LightGBMRun.program(fixture("lightgbm_rf_multiclass.txt")).facts
        #expect(facts.format == "LightGBM text v4")
        let notes = Dictionary(uniqueKeysWithValues: facts.notes.map { ($0.key, $0.value) })
        #expect(notes["objective"] == "multiclass num_class:3")
        #expect(notes["trees"] == "9" && notes["iterations"] == "3")
        #expect(notes["average_output"] != nil)
        let old = try LightGBMRun.program(fixture("lightgbm_212_regression.txt")).facts
        #expect(old.format == "LightGBM text v2")
    }

    @Test func recognizesByContent() {
        let engine = LightGBMEngine()
        func isOurs(_ text: String) -> Bool {
            engine.recognizes(head: Array(text.utf8), path: "x.txt")
        }
        #expect(isOurs("tree\nversion=v4\nnum_class=1\n"))
        #expect(isOurs("tree\r\nversion=v3\r\n"))
        #expect(isOurs("tree\nnum_class=1\nnum_tree_per_iteration=1\n"))
        #expect(!isOurs("tree\n"))
        #expect(!isOurs("trees\nversion=v4\n"))
        #expect(!isOurs("{\"tree\": 1}"))
        #expect(!isOurs(""))
    }

    /// Numbers as LightGBM writes them and others, against the standard library.
    @Test func decimalsAreRoundedExactly() throws {
        var random = SeededRandom(seed: 5)
        for _ in 0..<20_000 {
            let digits = (0..<Int.random(in: 1...22, using: &random)).map { _ in
                Character(UnicodeScalar(UInt8.random(in: 48...57, using: &random)))
            }
            let number = String(digits)
            let exponent = Int.random(in: -45...45, using: &random)
            try Self.compare("\(number)e\(exponent)")
            try Self.compare("0.000\(number)")
            try Self.compare("-\(number).\(number)")
            let value = Double(bitPattern: random.next())
            if value.isFinite { try Self.compare("\(value)") }
        }
    }

    /// In the middle between two doubles the even one is right.
    @Test func tiesAreRoundedToEven() throws {
        var random = SeededRandom(seed: 6)
        for _ in 0..<5000 {
            let odd = UInt64.random(in: (1 << 53)...((1 << 54) - 1), using: &random) | 1
            try Self.compare("\(odd)")
            try Self.compare("\(odd)0")
            try Self.compare("\(odd / 2).\(odd % 2 == 1 ? 5 : 0)")
            try Self.compare("\(odd / 4).\(["00", "25", "50", "75"][Int(odd % 4)])")
            try Self.compare("\(odd)0001e-4")
            try Self.compare("\(odd - 1)9999e-4")
        }
    }

    private static func compare(_ text: String) throws {
        let bytes = Array(text.utf8)
        var place = 0
        let decimal = try #require(DecimalText(bytes, &place))
        let wanted = Double(text)
        if decimal.double(bytes) != wanted { #expect(decimal.double(bytes) == wanted, "\(text)") }
    }
}

/// Small files, and what LightGBM says of a value that all of it turns on.
@Suite struct LightGBMZeroTests {
    /// One tree of one split of one feature: left is 1, right is 2.
    private func raw(_ split: String, of values: [Double], version: String) throws -> [Double] {
        let text = """
            tree
            \(version)
            num_class=1
            max_feature_idx=0
            feature_names=Column_0

            Tree=0
            num_leaves=2
            split_feature=0
            \(split)
            left_child=-1
            right_child=-2
            leaf_value=1 2

            feature importances:
            """
        var expected = LightGBMExpectation()
        expected.rows = values.count
        expected.inputs = [
            LightGBMExpectation.Input(
                name: "features", type: .float64, width: 1, values: values.map { "\($0)" })
        ]
        let program = try LightGBMLoader.program(LightGBMText(Array(text.utf8)), path: "m.txt")
        return try #require(LightGBMRun.outputs(program, expected)["raw"]).values
    }

    /// Zero is missing and goes right, all else left. LightGBM's limit is 1e-35 as a float32.
    @Test func zeroIsWhatLightGBMTakesForIt() throws {
        let limit = Double(Float(1e-35))
        let got = try raw(
            "threshold=inf\ndecision_type=4",
            of: [
                limit, -limit, 1e-35, -0.0, .nan,
                limit.nextUp, -limit.nextUp, .infinity, -.infinity,
            ], version: "version=v3")
        #expect(got == [2, 2, 2, 2, 2, 1, 1, 1, 1])
    }

    /// LightGBM leaves such values out of a row before a leaf multiplies them.
    @Test func linearLeavesTakeItForZero() throws {
        let limit = Double(Float(1e-35))
        let leaves = "leaf_const=0 0\nnum_features=1 0\nleaf_features=0  \nleaf_coeff=1e35  "
        let got = try raw(
            "num_cat=0\nthreshold=1\ndecision_type=0\nis_linear=1\n" + leaves,
            of: [limit, -limit, 0, limit.nextUp, 1e-30], version: "version=v4")
        #expect(got == [0, 0, 0, limit.nextUp * 1e35, 1e-30 * 1e35])
    }

    /// Before 2.0.12 its limit is 1e-15; before 2.0.5 a value of the node stands for zero and NaN.
    @Test(arguments: [
        "num_cat=0\nthreshold=inf\ndecision_type=4",
        "threshold=1e9\ndecision_type=0\ndefault_value=1.7e308",
    ])
    func zeroIsMoreBefore2012(_ split: String) throws {
        let got = try raw(
            split,
            of: [
                1e-15, -1e-15, 9e-16, 1e-30, 0, .nan, 1e-15.nextUp, -1e-15.nextUp, 1.1e-15, -1e8,
            ], version: "label_index=0")
        #expect(got == [2, 2, 2, 2, 2, 2, 1, 1, 1, 1])
    }

    /// A negative threshold lies below all that counts as zero, and a positive one above.
    @Test func thresholdsWithinZero() throws {
        for (threshold, zero) in [("-1e-18", 2.0), ("1e-18", 1), ("0", 1), ("-0", 1)] {
            let got = try raw(
                "num_cat=0\nthreshold=\(threshold)\ndecision_type=2",
                of: [1e-16, -1e-16, 0, 1e-14, -1e-14], version: "label_index=0")
            #expect(got == [zero, zero, zero, 2, 1], "\(threshold)")
        }
    }

    /// Before 2.0.5: what LightGBM 2.0.4 says, with -1 for what pandas does not know.
    @Test func categoriesOfTheOldest() throws {
        let values: [Double] = [0, -0.5, 0.9, .nan, 1, 1.9, -1, 2]
        func got(_ category: String, zero: String) throws -> [Double] {
            try raw(
                "threshold=\(category)\ndecision_type=1\ndefault_value=\(zero)", of: values,
                version: "label_index=0")
        }
        #expect(try got("0", zero: "0") == [1, 1, 1, 1, 2, 2, 2, 2])
        #expect(try got("1", zero: "0") == [2, 2, 2, 2, 1, 1, 2, 2])
        #expect(try got("1", zero: "1") == [1, 2, 2, 1, 1, 1, 2, 2])
        #expect(try got("-1", zero: "0") == [2, 2, 2, 2, 2, 2, 1, 2])
    }

    /// Before 2.1 LightGBM's Python package makes -1 of what is not in the list.
    @Test func unknownTextsOfTheOldest() throws {
        let text = """
            tree
            num_class=1
            max_feature_idx=0
            feature_names=city
            feature_infos=0:1

            Tree=0
            num_leaves=2
            split_feature=0
            threshold=-1
            decision_type=1
            default_value=0
            left_child=-1
            right_child=-2
            leaf_value=1 2

            feature importances:
            pandas_categorical:[["x", "y"]]
            """
        var expected = LightGBMExpectation()
        expected.rows = 4
        expected.inputs = [
            LightGBMExpectation.Input(
                name: "city", type: .string, width: 1, values: ["x", "y", "z", ""])
        ]
        let program = try LightGBMLoader.program(LightGBMText(Array(text.utf8)), path: "m.txt")
        #expect(try LightGBMRun.outputs(program, expected)["raw"]?.values == [2, 2, 1, 1])
    }
}
