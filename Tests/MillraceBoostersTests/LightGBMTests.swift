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

@Suite struct LightGBMZeroTests {
    /// Zero is missing and goes right, all else left. LightGBM's limit is 1e-35 as a float32.
    @Test func zeroIsWhatLightGBMTakesForIt() throws {
        let text = """
            tree
            version=v3
            num_class=1
            max_feature_idx=0
            feature_names=Column_0

            Tree=0
            num_leaves=2
            split_feature=0
            threshold=inf
            decision_type=4
            left_child=-1
            right_child=-2
            leaf_value=1 2

            """
        let limit = Double(Float(1e-35))
        let rows: [(Double, Double)] = [
            (limit, 2), (-limit, 2), (limit.nextUp, 1), (-limit.nextUp, 1), (1e-35, 2), (-0.0, 2),
            (.nan, 2), (.infinity, 1), (-.infinity, 1),
        ]
        let file = BoosterFile(path: "m.txt", bytes: Array(text.utf8))
        var expected = LightGBMExpectation()
        expected.rows = rows.count
        expected.inputs = [
            LightGBMExpectation.Input(
                name: "features", type: .float64, width: 1, values: rows.map { "\($0.0)" })
        ]
        let got = try LightGBMRun.outputs(LightGBMRun.program(file), expected)["raw"]?.values
        #expect(got == rows.map(\.1))
    }
}
