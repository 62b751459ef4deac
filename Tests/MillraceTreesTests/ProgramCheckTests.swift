import MillraceCore
import MillraceTrees
import Testing

@Suite("programs that are refused")
struct ProgramCheckTests {
    private static let whole = [ModelInput(name: "x", type: .int64, rowShape: [2])]

    private func refusal(_ program: TreeProgram) -> String? {
        failure { _ = try TreeModel(program, path: "m.bin") }
    }

    @Test(
        arguments: [
            ([.input(1, as: .float32)], "reads input 1 of 1"),
            ([.input(-1, as: .float32)], "reads input -1"),
            ([.cast(0, to: .float32)], "step 0 reads step 0"),
            ([.input(0, as: .float32), .greatest(-1)], "reads step -1"),
            ([.input(0, as: .float32), .greatest(2)], "reads step 2"),
            ([.join([])], "joins nothing"),
            ([.input(0, as: .float32), .join([0, 5])], "reads step 5"),
            ([.input(0, as: .float32), .input(0, as: .int64), .join([0, 1])], "different types"),
            ([.input(0, as: .float32), .pick(0, columns: [2])], "picks column 2 of 2"),
            ([.input(0, as: .float32), .pick(0, columns: [-1])], "picks column -1"),
            ([.input(0, as: .float32), .pick(0, columns: [])], "makes no column"),
            (
                [.input(0, as: .float32), .impute(0, replaced: .nan, values: [1, 2, 3])],
                "3 constants for 2 columns"
            ),
            (
                [.input(0, as: .float32), .arithmetic(0, .add, constants: [])],
                "0 constants for 2 columns"
            ),
            ([.input(0, as: .int64), .arithmetic(0, .add, constants: [0.5])], "constant 0.5"),
            ([.input(0, as: .int64), .arithmetic(0, .add, constants: [1e300])], "constant 1e+300"),
            ([.input(0, as: .int64), .arithmetic(0, .divide, constants: [0])], "by zero"),
            ([.input(0, as: .int64), .function(0, .logistic)], "floating-point"),
            ([.input(0, as: .int64), .rowFunction(0, .softmax)], "floating-point"),
            ([.input(0, as: .float64), .trees(0, twoStumps())], "compares float32"),
            (
                [.input(0, as: .float32), .join([0, 0]), .trees(1, twoStumps())],
                "2 features for 4 columns"
            ),
            (
                [.input(0, as: .float32), .pick(0, columns: [0]), .combine(0, .add, 1)],
                "different widths"
            ),
            ([.input(0, as: .float32), .complement(0)], "one column, not 2"),
            ([.input(0, as: .float32), .opposite(0)], "one column, not 2"),
        ] as [([Step], String)])
    func steps(_ steps: [Step], _ text: String) {
        let message = refusal(program(steps)) ?? ""
        #expect(message.hasPrefix("invalid: m.bin: step "))
        #expect(message.contains(text), "\(message)")
    }

    @Test func inputs() {
        let steps: [Step] = [.input(0, as: .float32)]
        func refusal(_ inputs: [ModelInput]) -> String {
            self.refusal(program(of: inputs, steps)) ?? ""
        }
        #expect(refusal([]).contains("no inputs"))
        #expect(
            refusal([ModelInput(name: "x", type: .string, rowShape: [])]).contains("which is text"))
        #expect(
            refusal([ModelInput(name: "x", type: .float32, rowShape: [nil])])
                .contains("leaves its width open"))
        #expect(
            refusal([ModelInput(name: "x", type: .float32, rowShape: [0])]).contains("0 values"))
        #expect(
            refusal([ModelInput(name: "x", type: .float32, rowShape: [1 << 30])])
                .contains("unsupported"))
        let twice = ModelInput(name: "x", type: .float32, rowShape: [])
        #expect(refusal([twice, twice]).contains("one name"))
    }

    @Test func joinsOfJoins() {
        let steps: [Step] = [.input(0, as: .float32)] + (0..<70).map { .join([$0, $0]) }
        #expect(refusal(program(steps))?.contains("too many") == true)
        let many: [Step] =
            [.input(0, as: .float32), .join(Array(repeating: 0, count: 1 << 19))]
            + (0..<9).map { _ in .cast(1, to: .float32) }
        #expect(refusal(program(many))?.contains("too many") == true)
    }

    @Test func outputs() {
        typealias Output = TreeProgram.Output
        func refusal(_ outputs: [Output], _ number: TreeProgram.Number = .int64) -> String {
            self.refusal(program([.input(0, as: number)], outputs: outputs)) ?? ""
        }
        let text = ClassLabel.text("a")
        #expect(refusal([]).contains("no outputs"))
        #expect(refusal([Output(name: "y", content: .numbers(1, isFlat: true))]).contains("step 1"))
        #expect(
            refusal([Output(name: "y", content: .labels(-1, [text]))]).contains("step -1"))
        #expect(refusal([Output(name: "y", content: .labels(0, []))]).contains("no labels"))
        #expect(
            refusal([Output(name: "y", content: .labels(0, [text, .integer(1)]))])
                .contains("mixes"))
        #expect(
            refusal([Output(name: "y", content: .labels(0, [text]))], .float32)
                .contains("float32"))
        #expect(
            refusal([
                Output(name: "y", content: .numbers(0, isFlat: true), classLabels: [text])
            ]).contains("2 columns for 1 classes"))
        let good = Output(name: "y", content: .numbers(0, isFlat: true))
        #expect(refusal([good, good]).contains("one name"))
    }
}
