import MillraceCore
import MillraceONNX
import Testing

/// Fixtures that run on trees: a model that begins to be declined is a failure.
private let treeFixtures = [
    "adaboost", "bagging", "boosting_binary", "boosting_multi", "boosting_regressor",
    "calibrated",
    "decision_tree", "digits_forest", "extra_trees", "forest_binary", "forest_multi_strings",
    "forest_regressor", "forest_zipmap", "isolation_forest", "lightgbm_binary", "lightgbm_multi",
    "lightgbm_regressor", "lightgbm_zipmap", "tree_regressor", "xgboost_binary", "xgboost_multi",
    "xgboost_regressor",
]

/// Some that do not, and what is in the way.
private let declinedFixtures = [
    ("fixed_batch_4", "no node of the graph is a tree ensemble"),
    ("logistic_zipmap_string", "(operation LinearClassifier) is not one"),
    ("mlp_binary", "node 'MatMul' (operation MatMul) is not one"),
    ("robust_scaler", "no node of the graph is a tree ensemble"),
    ("stacking", "(operation ReduceLogSumExp) is not one"),
    ("strings_ordinal", "(operation LabelEncoder) encodes something else"),
    ("strings_zipmap", "(operation OneHotEncoder) is not one"),
    ("tfidf_text", "(operation Tokenizer) is not one"),
    ("voting", "(operation LinearClassifier) is not one"),
]

@Suite("models of trees run on trees")
struct TreesFixtureTests {
    private let trees = OnnxTreesEngine()

    private func path(_ name: String) -> String { "\(fixtureFolder)/\(name).onnx" }

    @Test(arguments: declinedFixtures)
    func declines(_ name: String, _ reason: String) {
        do {
            _ = try trees.load(path: path(name))
            Issue.record("\(name) runs")
        } catch {
            #expect(error.kind == .declined)
            #expect(error.message.hasPrefix(path(name) + ": "))
            #expect(error.message.contains(reason), "\(error)")
        }
    }

    @Test func theOthersAreDeclined() {
        for name in Fixture.names where !treeFixtures.contains(name) {
            do {
                _ = try trees.load(path: path(name))
                Issue.record("\(name) runs, and is not in the list")
            } catch {
                #expect(error.kind == .declined, "\(error)")
            }
        }
    }

    @Test(arguments: treeFixtures)
    func predicts(_ name: String) throws {
        let fixture = try Fixture.load(name)
        let model = try trees.load(path: path(name))
        let session = try model.makeSession(
            outputs: fixture.outputs.map(\.name), maxRows: fixture.rows)
        let features = try fixture.features()
        for size in [1, 3, fixture.rows] {
            var row = 0
            while row < fixture.rows {
                let rows = row..<min(row + size, fixture.rows)
                try session.predict(features.columns, rows: rows)
                #expect(session.predictions.rowCount == rows.count)
                for (column, expected) in zip(session.predictions.columns, fixture.outputs) {
                    let got = values(column, rows: rows.count)
                    let width = expected.width
                    let wanted = expected.values[rows.lowerBound * width..<rows.upperBound * width]
                    let differing = zip(got, wanted).filter {
                        !agree($0, $1, expected, fixture.tolerance)
                    }
                    #expect(
                        got.count == wanted.count && differing.isEmpty,
                        "\(name), \(expected.name), rows \(rows): \(differing.prefix(3))")
                }
                row += size
            }
        }
    }
}

@Suite(
    "the engines trees and onnxruntime show the same model",
    .enabled(if: hasOnnxRuntime, "no ONNX Runtime: run scripts/setup"))
struct TreesSignatureTests {
    @Test(arguments: treeFixtures)
    func signature(_ name: String) throws {
        let path = "\(fixtureFolder)/\(name).onnx"
        let own = try OnnxTreesEngine().load(path: path)
        let other = try engine.load(path: path)
        #expect(own.signature == other.signature)
        #expect(own.facts == other.facts)
    }
}
