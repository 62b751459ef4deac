import MillraceCore
import MillraceTestKit
import MillraceTrees
import Testing

private let edges = [
    0.0, -0.0, 1, -1, 0.5, 2, -7, 1e-40, 1e300, -1e300, .infinity, -.infinity, .nan, 9e18, -9e18,
]

/// Whatever a loader hands over is run or refused.
@Suite("random programs")
struct RandomProgramTests {
    private typealias Number = TreeProgram.Number
    private let numbers: [Number] = [.float32, .float64, .int64]
    private let arithmetics: [TreeProgram.Arithmetic] = [.add, .subtract, .multiply, .divide]

    private func constants(_ dice: inout SeededRandom) -> [Double] {
        (0..<Int.random(in: 1...3, using: &dice)).map { _ in
            edges[Int.random(in: 0..<edges.count, using: &dice)]
        }
    }

    /// A step that mostly reads one before it.
    private func step(_ index: Int, _ dice: inout SeededRandom) -> Step {
        func one<Element>(of elements: [Element]) -> Element {
            elements[Int.random(in: 0..<elements.count, using: &dice)]
        }
        func matrix() -> Int {
            Int.random(in: 0..<20, using: &dice) == 0
                ? one(of: [-1, index, .max]) : Int.random(in: 0..<max(1, index), using: &dice)
        }
        switch Int.random(in: index == 0 ? 0...1 : 0...14, using: &dice) {
        case 0, 1: return .input(one(of: [0, 0, 0, 0, 1, 2, -1]), as: one(of: numbers))
        case 2: return .cast(matrix(), to: one(of: numbers))
        case 3: return .join((0..<one(of: [0, 1, 2, 2, 3])).map { _ in matrix() })
        case 4:
            return .pick(matrix(), columns: (0..<one(of: [1, 2])).map { _ in one(of: [0, 1]) })
        case 5: return .impute(matrix(), replaced: one(of: edges), values: constants(&dice))
        case 6: return .arithmetic(matrix(), one(of: arithmetics), constants: constants(&dice))
        case 7: return .trees(matrix(), twoStumps(targets: one(of: [1, 2]), .float32))
        case 8: return .trees(matrix(), twoStumps(targets: one(of: [1, 3]), .float64))
        case 9:
            let functions: [TreeProgram.Function] = [
                .logistic, .sigmoid, .probit, .exponential, .absolute, .negative, .log,
                .squareRoot, .softplus, .greater(than: one(of: edges)),
                .less(than: one(of: edges)), .nonzero,
            ]
            return .function(matrix(), one(of: functions))
        case 10:
            let functions: [TreeProgram.RowFunction] = [
                .softmax, .softmaxZero, .normalized(.max), .normalized(.l1), .normalized(.l2),
            ]
            return .rowFunction(matrix(), one(of: functions))
        case 11: return .combine(matrix(), one(of: arithmetics), matrix())
        case 12: return .greatest(matrix())
        case 13: return .complement(matrix())
        default: return .opposite(matrix())
        }
    }

    @Test func areRunOrRefused() throws {
        let inputs = [
            ModelInput(name: "x", type: .float32, rowShape: [2]),
            ModelInput(name: "n", type: .int64, rowShape: []),
        ]
        var dice = SeededRandom(seed: 7)
        var ran = 0
        for _ in 0..<4000 {
            let steps = (0..<Int.random(in: 1...6, using: &dice)).map { step($0, &dice) }
            var made = program(of: inputs, steps)
            made.outputs.append(
                TreeProgram.Output(
                    name: "label", content: .labels(steps.count - 1, [.text("a"), .text("b")])))
            guard (try? TreeModel(made, path: "random")) != nil || made.outputs.popLast() != nil,
                let model = try? TreeModel(made, path: "random")
            else { continue }
            let outputs = model.signature.outputs.map(\.name).shuffled(using: &dice)
            let session = try model.makeSession(outputs: outputs, maxRows: 5)
            let x = (0..<5).map { _ in [edges.randomElement(using: &dice) ?? 0, 1] }
            let n = (0..<5).map { _ in [Double(Int.random(in: -1...2, using: &dice))] }
            let features = FeatureColumns(
                columns: [try column(inputs[0], x), try column(inputs[1], n)], capacityRows: 5)
            for rows in [0..<5, 2..<3] {
                guard (try? session.predict(features, rows: rows)) != nil else { continue }
                ran += 1
                // An output alone gives what it gives among others.
                for shown in session.predictions.columns where shown.type != .string {
                    let alone = try model.makeSession(outputs: [shown.name], maxRows: 5)
                    try alone.predict(features, rows: rows)
                    let got = numbers(of: alone.predictions.columns[0], rows: rows.count)
                    #expect(got == numbers(of: shown, rows: rows.count), "\(steps)")
                }
            }
        }
        #expect(ran > 1000)
    }

    /// As bits, so that NaN equals itself.
    private func numbers(of column: PredictionColumn, rows: Int) -> [UInt64] {
        MillraceTreesTests.numbers(column, rows: rows).flatMap(\.self).map {
            $0.isNaN ? 1 : $0.bitPattern
        }
    }
}
