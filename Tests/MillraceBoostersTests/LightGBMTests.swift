import MillraceCore
import MillraceTrees
import Testing

@testable import MillraceBoosters

@Suite struct LightGBMTests {
    static let names = fixtureNames("lightgbm_", ".txt").map { String($0.dropLast(4)) }

    /// What is refused has a test of its own.
    static let sound = names.filter { $0 != "lightgbm_212_rf_binary" }

    @Test func thereAreFixtures() { #expect(Self.names.count >= 70) }

    @Test(arguments: sound)
    func predictsAsTheLibraryDoes(_ name: String) throws {
        let file = try fixture(name + ".txt")
        #expect(LightGBMEngine().recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        let expected = try LightGBMExpectation(name)
        let got = try LightGBMRun.outputs(file, expected)
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
        #expect(!isOurs("tree\n"))
        #expect(!isOurs("trees\nversion=v4\n"))
        #expect(!isOurs("{\"tree\": 1}"))
        #expect(!isOurs(""))
    }

    /// Numbers with 17 digits, as LightGBM writes them, against the standard library.
    @Test func decimalsAreRoundedExactly() throws {
        var random = SplitMix(seed: 5)
        for _ in 0..<20_000 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else { continue }
            let digits = Int.random(in: 1...22, using: &random)
            let exponent = Int.random(in: -45...45, using: &random)
            let number = String(
                (0..<digits).map { _ in "0123456789".randomElement(using: &random) ?? "0" })
            for text in [
                "\(value)", "\(number)e\(exponent)", "0.000\(number)", "\(number).\(number)",
            ] {
                let bytes = Array(text.utf8)
                var place = 0
                let decimal = try #require(DecimalText(bytes, &place))
                #expect(decimal.double(bytes) == Double(text), "\(text)")
            }
        }
    }
}
