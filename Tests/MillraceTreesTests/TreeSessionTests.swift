import Glibc
import MillraceCore
import MillraceTrees
import Testing

private let nan = Double.nan

@Suite("programs of trees")
struct TreeSessionTests {
    @Test func trees() throws {
        let rows: [[Double]] = [[0, 0], [1, 0], [0, 1], [1, 1], [nan, 1]]
        let one = try last([.input(0, as: .float32), .trees(0, twoStumps())], rows)
        #expect(one == [[2], [11], [11], [20], [11]])
        let three = try last([.input(0, as: .float32), .trees(0, twoStumps(targets: 3))], rows)
        #expect(three == [[1, 0, 1], [10, 0, 1], [1, 0, 10], [10, 0, 10], [1, 0, 10]])
        let double = try last(
            [.input(0, as: .float64), .trees(0, twoStumps(.float64))], rows)
        #expect(double == one)
    }

    @Test func stridedViews() throws {
        let rows: [[Double]] = [[0, 1], [1, 0]]
        let steps: [Step] = [
            .input(0, as: .float32), .pick(0, columns: [1, 0, 1]), .join([1, 0]),
            .pick(2, columns: [4, 2]), .trees(3, twoStumps(targets: 2)),
        ]
        let all = try run(program(steps), rows)
        #expect(all[1] == [[1, 0, 1], [0, 1, 0]])
        #expect(all[2] == [[1, 0, 1, 0, 1], [0, 1, 0, 1, 0]])
        #expect(all[3] == [[1, 1], [0, 0]])
        #expect(all[4] == [[10, 10], [1, 1]])
        #expect(try last(steps, rows) == all[4])
        // A view of results.
        let picked = try last(
            [
                .input(0, as: .float32), .trees(0, twoStumps(targets: 3)),
                .pick(1, columns: [2, 0]),
            ],
            rows)
        #expect(picked == [[10, 1], [1, 10]])
    }

    @Test func joinsOfSeveralInputs() throws {
        let inputs = [
            ModelInput(name: "a", type: .float32, rowShape: []),
            ModelInput(name: "b", type: .int32, rowShape: [1]),
        ]
        let output = TreeProgram.Output(name: "y", content: .numbers(3, isFlat: true))
        let model = try TreeModel(
            program(
                of: inputs,
                [
                    .input(0, as: .float32), .input(1, as: .float32), .join([0, 1]),
                    .trees(2, twoStumps()),
                ], outputs: [output]), path: "test")
        #expect(
            model.signature.outputs == [ModelOutput(name: "y", type: .float32, rowShape: [])])
        let session = try model.makeSession(outputs: ["y", "y"], maxRows: 3)
        let features = FeatureColumns(
            columns: [
                try column(inputs[0], [[0], [1], [0]]), try column(inputs[1], [[0], [2], [1]]),
            ],
            capacityRows: 3)
        try session.predict(features, rows: 0..<3)
        for column in session.predictions.columns {
            #expect(numbers(column, rows: 3) == [[2], [20], [11]])
        }
        // Other rows, other columns.
        try session.predict(features, rows: 1..<3)
        #expect(numbers(session.predictions.columns[0], rows: 2) == [[20], [11]])
        let others = FeatureColumns(
            columns: [try column(inputs[0], [[1]]), try column(inputs[1], [[0]])], capacityRows: 1)
        try session.predict(others, rows: 0..<1)
        #expect(numbers(session.predictions.columns[0], rows: 1) == [[11]])
        try session.predict(features, rows: 0..<0)
        #expect(session.predictions.rowCount == 0)
    }

    @Test(arguments: ElementType.allCases.filter { $0 != .string })
    func inputTypes(_ type: ElementType) throws {
        let inputs = [ModelInput(name: "x", type: type, rowShape: [1, 2])]
        let rows: [[Double]] = [[0, 1], [1, 0]]
        for number in [TreeProgram.Number.float32, .float64, .int64] {
            #expect(try last(of: inputs, [.input(0, as: number)], rows) == rows)
        }
    }

    @Test func casts() throws {
        let steps: [Step] = [
            .input(0, as: .float64), .cast(0, to: .int64), .cast(1, to: .float32),
            .cast(2, to: .float32), .cast(0, to: .float32),
        ]
        let input = [ModelInput(name: "x", type: .float64, rowShape: [2])]
        let all = try run(program(of: input, steps), [[-1.7, 2.9], [1e300, 0.1], [nan, -1e19]])
        let least = Double(Int64.min)
        #expect(all[1] == [[-1, 2], [least, 0], [least, least]])
        #expect(all[2] == all[1])
        #expect(all[3] == all[1])
        #expect(all[4][0] == [Double(Float(-1.7)), Double(Float(2.9))])
        #expect(all[4][1] == [.infinity, Double(Float(0.1))])
    }

    @Test func imputation() throws {
        let rows: [[Double]] = [[nan, 3], [7, nan]]
        let missing = try last(
            [.input(0, as: .float32), .impute(0, replaced: nan, values: [1, 2])], rows)
        #expect(missing == [[1, 3], [7, 2]])
        let seven = try last(
            [.input(0, as: .float32), .impute(0, replaced: 7, values: [5])], rows)
        #expect(seven[0][0].isNaN && seven[0][1] == 3 && seven[1][0] == 5 && seven[1][1].isNaN)
        let input = [ModelInput(name: "x", type: .int64, rowShape: [2])]
        for (replaced, wanted) in [(0.0, [[9.0, 3]]), (0.5, [[0, 3]]), (nan, [[0, 3]])] {
            let steps: [Step] = [
                .input(0, as: .int64), .impute(0, replaced: replaced, values: [9, 8]),
            ]
            #expect(try last(of: input, steps, [[0, 3]]) == wanted)
        }
    }

    @Test(
        arguments: [
            (TreeProgram.Arithmetic.add, [[3.0, 5], [2, 1]]), (.subtract, [[-1, -1], [-2, -5]]),
            (.multiply, [[2, 6], [0, -6]]), (.divide, [[0.5, 2.0 / 3], [0, -2.0 / 3]]),
        ] as [(TreeProgram.Arithmetic, [[Double]])])
    func arithmetic(_ operation: TreeProgram.Arithmetic, _ wanted: [[Double]]) throws {
        let rows: [[Double]] = [[1, 2], [0, -2]]
        let input = [ModelInput(name: "x", type: .float64, rowShape: [2])]
        let steps: [Step] = [
            .input(0, as: .float64), .arithmetic(0, operation, constants: [2, 3]),
        ]
        #expect(try last(of: input, steps, rows) == wanted)
        let whole: [Step] = [.input(0, as: .int64), .arithmetic(0, operation, constants: [2, 3])]
        #expect(
            try last(of: input, whole, rows) == wanted.map { $0.map { $0.rounded(.towardZero) } })
    }

    @Test func combination() throws {
        let rows: [[Double]] = [[6, 3], [1, 0]]
        let all = try run(
            program([
                .input(0, as: .float32), .pick(0, columns: [1, 0]), .combine(0, .divide, 1),
                .combine(0, .multiply, 0), .cast(0, to: .int64), .cast(1, to: .int64),
                .combine(4, .divide, 5),
            ]), rows)
        #expect(all[2] == [[2, 0.5], [.infinity, 0]])
        #expect(all[3] == [[36, 9], [1, 0]])
        #expect(all[6] == [[2, 0], [1, 0]])
    }

    @Test func labels() throws {
        let scores = twoStumps(targets: 2)
        let outputs = [
            TreeProgram.Output(
                name: "text", content: .labels(2, [.text("no"), .text("Grüße, yes")])),
            TreeProgram.Output(
                name: "number", content: .labels(2, [.integer(-5), .integer(1 << 40)])),
            TreeProgram.Output(
                name: "scores", content: .numbers(1, isFlat: false),
                classLabels: [.text("no"), .text("yes")]),
        ]
        let made = program(
            [.input(0, as: .float32), .trees(0, scores), .greatest(1)], outputs: outputs)
        let model = try TreeModel(made, path: "test")
        #expect(
            model.signature.outputs == [
                ModelOutput(name: "text", type: .string, rowShape: []),
                ModelOutput(name: "number", type: .int64, rowShape: []),
                ModelOutput(
                    name: "scores", type: .float32, rowShape: [2],
                    classLabels: [.text("no"), .text("yes")]),
            ])
        let session = try model.makeSession(outputs: ["number", "text"], maxRows: 8)
        let rows: [[Double]] = [[1, 0], [0, 1], [1, 1]]
        let features = FeatureColumns(columns: [try column(made.inputs[0], rows)], capacityRows: 3)
        for _ in 0..<2 {
            try session.predict(features, rows: 0..<3)
            let columns = session.predictions.columns
            #expect(numbers(columns[0], rows: 3) == [[-5], [Double(1 << 40)], [-5]])
            #expect(texts(columns[1], rows: 3) == ["no", "Grüße, yes", "no"])
        }
    }

    @Test func labelThatIsNone() throws {
        let output = TreeProgram.Output(name: "y", content: .labels(0, [.text("a"), .text("b")]))
        let made = program([.input(0, as: .int64)], outputs: [output])
        let session = try TreeModel(made, path: "test").makeSession(outputs: ["y"], maxRows: 2)
        let features = FeatureColumns(
            columns: [try column(made.inputs[0], [[0, 1], [1, 2]])], capacityRows: 2)
        #expect(failure { try session.predict(features, rows: 0..<2) }?.contains("label") == true)
        #expect(session.predictions.rowCount == 0)
        try session.predict(features, rows: 0..<1)
        #expect(texts(session.predictions.columns[0], rows: 1) == ["a", "b"])
    }

    @Test func greatestAndPairs() throws {
        let all = try run(
            program([
                .input(0, as: .float32), .greatest(0), .pick(0, columns: [0]), .complement(2),
                .opposite(2), .cast(2, to: .int64), .complement(5),
            ]), [[1, 1], [2, 3], [3, 2], [nan, 1]])
        #expect(all[1] == [[0], [1], [0], [0]])
        #expect(all[3][1] == [-1, 2])
        #expect(all[4][1] == [-2, 2])
        #expect(all[6].prefix(3) == [[0, 1], [-1, 2], [-2, 3]])
    }

    /// What an output shows is not written over by the steps behind it.
    @Test func stepsInPlace() throws {
        let steps: [Step] = [
            .input(0, as: .float32), .arithmetic(0, .add, constants: [1]),
            .arithmetic(1, .multiply, constants: [2]), .function(2, .negative),
            .combine(3, .add, 2),
        ]
        let rows: [[Double]] = [[1, 2], [3, 4]]
        let all = try run(program(steps), rows)
        #expect(all[0] == rows)
        #expect(all[1] == [[2, 3], [4, 5]])
        #expect(all[2] == [[4, 6], [8, 10]])
        #expect(all[3] == [[-4, -6], [-8, -10]])
        #expect(all[4] == [[0, 0], [0, 0]])
        #expect(try last(steps, rows) == all[4])
        #expect(try last(Array(steps.prefix(4)), rows) == all[3])
    }

    @Test func rowsAndColumnsThatDoNotFit() throws {
        let made = program([.input(0, as: .float32), .trees(0, twoStumps())])
        let model = try TreeModel(made, path: "test")
        let session = try model.makeSession(outputs: ["1"], maxRows: 2)
        let three = FeatureColumns(
            columns: [try column(made.inputs[0], [[0, 0], [0, 0], [0, 0]])], capacityRows: 3)
        for rows in [0..<3, 2..<4, -1..<1, 5..<6] {
            #expect(failure { try session.predict(three, rows: rows) } != nil)
            #expect(session.predictions.rowCount == 0)
        }
        let other = ModelInput(name: "x", type: .float64, rowShape: [2])
        let wide = ModelInput(name: "x", type: .float32, rowShape: [3])
        for columns in [[], [try column(other, [[0, 0]])], [try column(wide, [[0, 0, 0]])]] {
            let features = FeatureColumns(columns: columns, capacityRows: 1)
            #expect(failure { try session.predict(features, rows: 0..<1) } != nil)
        }
        try session.predict(three, rows: 1..<3)
        #expect(session.predictions.rowCount == 2)
        #expect(failure { _ = try model.makeSession(outputs: ["?"], maxRows: 1) } != nil)
        #expect(failure { _ = try model.makeSession(outputs: [], maxRows: 1) } != nil)
        #expect(
            failure { _ = try model.makeSession(outputs: ["1"], maxRows: 1 << 60) }?
                .contains("batch.max_records") == true)
    }
}

@Suite("functions of programs")
struct ProgramFunctionTests {
    private func values(_ function: TreeProgram.Function, _ x: [Double]) throws -> [Double] {
        let input = [ModelInput(name: "x", type: .float64, rowShape: [x.count])]
        return try last(of: input, [.input(0, as: .float64), .function(0, function)], [x])[0]
    }

    @Test func ofNumbers() throws {
        #expect(try values(.logistic, [0, 1000, -1000]) == [0.5, 1, 0])
        #expect(try values(.sigmoid, [0, 1000, -1000]) == [0.5, 1, 0])
        let small = try values(.sigmoid, [-40])[0]
        #expect(abs(small - exp(-40)) < 1e-30)
        #expect(try values(.exponential, [0, 1]) == [1, exp(1)])
        #expect(try values(.absolute, [-2, 3]) == [2, 3])
        #expect(try values(.negative, [-2, 3]) == [2, -3])
        #expect(try values(.log, [1, 0]) == [0, -.infinity])
        #expect(try values(.squareRoot, [9, 2]) == [3, 2.0.squareRoot()])
        #expect(try values(.softplus, [0, 1000, -1000]) == [log1p(1), 1000, 0])
        #expect(try values(.greater(than: 0.5), [0.5, 0.6, .nan]) == [0, 1, 0])
        #expect(try values(.less(than: 0.5), [0.5, 0.4, .nan]) == [0, 1, 0])
        #expect(try values(.nonzero, [0, -0.0, .nan, .leastNonzeroMagnitude]) == [0, 0, 1, 1])
        let probit = try values(.probit, [0.5, 0.975, 0.025])
        #expect(abs(probit[0]) < 1e-3 && abs(probit[1] - 1.96) < 1e-2)
        #expect(abs(probit[1] + probit[2]) < 1e-12)
        let input = [ModelInput(name: "x", type: .int64, rowShape: [2])]
        for (function, wanted) in [
            (TreeProgram.Function.absolute, [2.0, 3]), (.negative, [2, -3]),
            (.greater(than: 2.5), [0, 1]), (.greater(than: -.infinity), [1, 1]),
            (.greater(than: .nan), [0, 0]), (.less(than: -1.5), [1, 0]),
            (.less(than: .infinity), [1, 1]), (.less(than: .nan), [0, 0]), (.nonzero, [1, 1]),
        ] {
            let got = try last(
                of: input, [.input(0, as: .int64), .function(0, function)], [[-2, 3]])
            #expect(got == [wanted])
        }
    }

    @Test func ofRows() throws {
        func values(_ function: TreeProgram.RowFunction, _ x: [Double]) throws -> [Double] {
            let input = [ModelInput(name: "x", type: .float64, rowShape: [x.count])]
            let steps: [Step] = [.input(0, as: .float64), .rowFunction(0, function)]
            return try last(of: input, steps, [x, x])[1]
        }
        let soft = try values(.softmax, [1000, 1000, 998])
        #expect(abs(soft.reduce(0, +) - 1) < 1e-15 && soft[0] == soft[1] && soft[2] < soft[1])
        let zero = try values(.softmaxZero, [1, 0, 1])
        #expect(zero == [0.5, 0, 0.5])
        #expect(try values(.normalized(.max), [1, -8, 2]) == [0.5, -4, 1])
        #expect(try values(.normalized(.l1), [1, -2, 1]) == [0.25, -0.5, 0.25])
        #expect(
            try values(.normalized(.l2), [3, -4]) == [(0.36).squareRoot(), -(0.64).squareRoot()])
        #expect(try values(.normalized(.l1), [0, 0]) == [0, 0])
        #expect(try values(.normalized(.l2), [0, 0]) == [0, 0])
        #expect(try values(.normalized(.max), [0, 0]) == [0, 0])
        // In place over results.
        let steps: [Step] = [
            .input(0, as: .float32), .trees(0, twoStumps(targets: 2)), .rowFunction(1, .softmax),
        ]
        #expect(try last(steps, [[0, 0], [0, 0]]) == [[0.5, 0.5], [0.5, 0.5]])
    }
}
