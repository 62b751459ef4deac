import FoundationEssentials
import MillraceCore
import MillraceONNX
import MillraceTestKit
import Testing

/// A model in a file of its own, for as long as the body runs.
func withModel<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result {
    let path = FileManager.default.temporaryDirectory.path + "/millrace-trees-\(UUID()).onnx"
    try Data(bytes).write(to: URL(filePath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

@Suite(
    "random trees give what ONNX Runtime gives",
    .enabled(if: hasOnnxRuntime, "no ONNX Runtime: run scripts/setup"))
struct TreesComparisonTests {
    private static let rows = 60

    /// Enough of each kind must run for the comparison to mean something.
    @Test(arguments: [
        (RandomTrees.Kind.classifier, 300, 120), (.regressor, 300, 200), (.fifth, 300, 120),
    ])
    func agrees(_ kind: RandomTrees.Kind, _ count: Int, _ least: Int) throws {
        var compared = 0
        for seed in 0..<count {
            let trees = RandomTrees(seed: seed, kind: kind)
            try withModel(trees.bytes) { path in
                let own: any Model
                do throws(ModelError) {
                    own = try OnnxTreesEngine().load(path: path)
                } catch {
                    // What ONNX Runtime refuses may be invalid; the rest is for it to run.
                    if error.kind == .invalid {
                        #expect(
                            throws: ModelError.self, "\(kind) \(seed): \(error)",
                            performing: { _ = try engine.load(path: path) })
                    } else {
                        #expect(error.kind == .declined, "\(kind) \(seed): \(error)")
                    }
                    return
                }
                let other: any Model
                do throws(ModelError) {
                    other = try engine.load(path: path)
                } catch {
                    Issue.record("\(kind) \(seed): only trees runs it: \(error)")
                    return
                }
                compared += 1
                try compare(own, other, trees, seed, "\(kind) \(seed)")
            }
        }
        #expect(compared >= least, "\(kind)")
    }

    /// Comparisons of int64 where numbers have no opposite, no magnitude or no float64.
    @Test(arguments: ["Less", "Greater", "Equal"])
    func wholeNumbersAtTheirEnds(_ operation: String) throws {
        let edge: Int64 = 1 << 53
        for limit in [0, 1, -1, 5, -5, edge, edge - 1, 1 - edge, -edge] {
            let model = OnnxWriter.model(
                OnnxWriter.leaf("tree")
                    + OnnxWriter.node(operation, domain: "", ["W", "limit"], ["is"])
                    + OnnxWriter.node("Cast", domain: "", ["is"], ["as"], ["to": .integer(1)]),
                inputs: [OnnxWriter.port("X", 1, [nil, 1]), OnnxWriter.port("W", 7, [nil, 1])],
                outputs: [OnnxWriter.port("tree", 1, nil), OnnxWriter.port("as", 1, nil)],
                tensors: [OnnxWriter.tensor("limit", integers: [limit])])
            let numbers =
                [.min, .min + 1, .min &+ limit, .max, .max &- limit, edge + 1, -edge - 1, -edge]
                + [limit - 1, limit, limit + 1]
            let features = try Features(
                [
                    Fixture.Column(
                        name: "X", type: "float32", rowShape: [1], labels: nil,
                        values: numbers.map { _ in "0" }),
                    Fixture.Column(
                        name: "W", type: "int64", rowShape: [1], labels: nil,
                        values: numbers.map { "\($0)" }),
                ], rows: numbers.count)
            let answers = try withModel(model) { path in
                try [try OnnxTreesEngine().load(path: path), try engine.load(path: path)].map {
                    let session = try $0.makeSession(outputs: ["as"], maxRows: numbers.count)
                    try session.predict(features.columns, rows: 0..<numbers.count)
                    return values(session.predictions.columns[0], rows: numbers.count)
                }
            }
            #expect(answers[0] == answers[1], "\(operation) \(limit) of \(numbers)")
            #expect(Set(answers[1]).count == 2)
        }
    }

    private func compare(
        _ own: any Model, _ other: any Model, _ trees: RandomTrees, _ seed: Int, _ place: String
    ) throws {
        #expect(own.signature == other.signature, "\(place)")
        let names = other.signature.outputs.map(\.name)
        let input = try #require(other.signature.inputs.first)
        let numbers = self.numbers(input, seed, hasSets: trees.hasSets)
        let features = try Features(
            [
                Fixture.Column(
                    name: input.name, type: "\(input.type)", rowShape: [RandomTrees.width],
                    labels: nil,
                    values: numbers)
            ], rows: Self.rows)
        let sessions = try [own, other].map { model in
            try model.makeSession(outputs: names, maxRows: Self.rows)
        }
        for rows in [0..<Self.rows, 5..<6] {
            for session in sessions { try session.predict(features.columns, rows: rows) }
            for index in names.indices {
                let columns = sessions.map { $0.predictions.columns[index] }
                let lists = columns.map { values($0, rows: rows.count) }
                #expect(lists[0].count == lists[1].count, "\(place)")
                let isNumber = columns[0].type.isFloatingPoint
                let differing = zip(lists[0], lists[1]).enumerated().filter {
                    isNumber ? !isClose($1.0, $1.1) : $1.0 != $1.1
                }
                let first = differing.first.map { $0.offset / columns[0].width + rows.lowerBound }
                let row = first.map { row in
                    (0..<RandomTrees.width).map { numbers[row * RandomTrees.width + $0] }
                }
                #expect(
                    differing.isEmpty,
                    "\(place) \(names[index]): \(differing.prefix(3)), row \(row ?? [])")
            }
        }
    }

    private func isClose(_ a: String, _ b: String) -> Bool {
        guard let a = Double(a), let b = Double(b) else { return false }
        if a.isNaN || b.isNaN { return a.isNaN && b.isNaN }
        return a == b || abs(a - b) <= max(1e-6, 2 * Double(Float(b).ulp))
    }

    /// Rows of thresholds, their neighbours, and all that is no plain number. Of numbers that are
    /// not whole the standard says that they are in no set; ONNX Runtime cuts them for some sets.
    private func numbers(_ input: ModelInput, _ seed: Int, hasSets: Bool) -> [String] {
        var random = SeededRandom(seed: UInt64(seed * 5 + 2))
        var choices: [String] = ["0", "1", "-2", "3"]
        if hasSets {
            choices += ["2", "nan", "-0.0", "inf", "-inf", "-1"]
        } else if input.type.isFloatingPoint {
            choices += ["nan", "inf", "-inf", "-0.0", "1e-45", "0.30000001"]
            for threshold in RandomTrees.thresholds where threshold.isFinite {
                let near =
                    input.type == .float64
                    ? [threshold, threshold.nextUp, threshold.nextDown]
                    : [Float(threshold), Float(threshold).nextUp, Float(threshold).nextDown].map {
                        Double($0)
                    }
                choices += near.map { "\($0)" }
            }
        } else {
            choices += ["16777215", "16777216", "16777217", "-1"]
        }
        return (0..<Self.rows * RandomTrees.width).map { _ in
            choices.randomElement(using: &random) ?? "0"
        }
    }
}
