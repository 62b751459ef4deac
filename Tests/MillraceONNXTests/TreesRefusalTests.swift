import FoundationEssentials
import MillraceCore
import MillraceONNX
import MillraceTestKit
import Testing

/// A classifier of one tree, `x0 <= 0.5`, and what a test changes in it.
private func stump(
    _ changes: [String: OnnxWriter.Attribute] = [:], learning: Int64 = 3,
    input: [Int64?] = [nil, 2], more: [UInt8] = []
) -> [UInt8] {
    var attributes: [String: OnnxWriter.Attribute] = [
        "nodes_treeids": .integers([4, 4, 4]), "nodes_nodeids": .integers([0, 1, 2]),
        "nodes_featureids": .integers([0, 0, 0]), "nodes_values": .numbers([0.5, 0, 0]),
        "nodes_modes": .texts(["BRANCH_LEQ", "LEAF", "LEAF"]),
        "nodes_truenodeids": .integers([1, 0, 0]), "nodes_falsenodeids": .integers([2, 0, 0]),
        "class_treeids": .integers([4, 4]), "class_nodeids": .integers([1, 2]),
        "class_ids": .integers([0, 0]), "class_weights": .numbers([0.25, 0.75]),
        "classlabels_int64s": .integers([0, 1]), "post_transform": .text("NONE"),
    ]
    attributes.merge(changes) { $1 }
    return OnnxWriter.model(
        OnnxWriter.node(
            "TreeEnsembleClassifier", ["X"], ["label", "scores"], attributes, name: "trees") + more,
        inputs: [OnnxWriter.port("X", 1, input)],
        outputs: [OnnxWriter.port("label", 7, nil), OnnxWriter.port("scores", 1, nil)],
        learning: learning)
}

private func refusal(_ bytes: [UInt8]) throws -> ModelError? {
    try withModel(bytes) { path in
        do throws(ModelError) {
            _ = try OnnxTreesEngine().load(path: path)
            return nil
        } catch {
            return error
        }
    }
}

private let malformedTrees: [(String, [String: OnnxWriter.Attribute])] = [
    ("tree 4, node 0 leads back to itself", ["nodes_truenodeids": .integers([0, 0, 0])]),
    (
        "tree 4, node 0: its false branch leads to node 9",
        [
            "nodes_falsenodeids": .integers([9, 0, 0])
        ]
    ),
    (
        "tree 4, node 0: its true branch leads to node -1",
        [
            "nodes_truenodeids": .integers([-1, 0, 0])
        ]
    ),
    ("tree 4 has two nodes 1", ["nodes_nodeids": .integers([0, 1, 1])]),
    (
        "tree 4, node 0 asks for feature 2; the input has 2",
        [
            "nodes_featureids": .integers([2, 0, 0])
        ]
    ),
    ("tree 4, node 0 asks for feature -1", ["nodes_featureids": .integers([-1, 0, 0])]),
    ("tree 4, node 0 compares with NaN", ["nodes_values": .numbers([.nan, 0, 0])]),
    ("tree 4, node 1 has the weight NaN", ["class_weights": .numbers([.nan, 1])]),
    ("tree 4, node 2 has a weight for target or class 7", ["class_ids": .integers([0, 7])]),
    (
        "has node 8 of tree 4, which the model does not have",
        [
            "class_nodeids": .integers([1, 8])
        ]
    ),
    (
        "'nodes_values' has 2 entries, 'nodes_treeids' has 3",
        [
            "nodes_values": .numbers([0.5, 0])
        ]
    ),
    ("'nodes_modes' has 1 entries", ["nodes_modes": .texts(["LEAF"])]),
    (
        "'nodes_missing_value_tracks_true' has 1 entries",
        [
            "nodes_missing_value_tracks_true": .integers([1])
        ]
    ),
    (
        "'class_weights' has 3 entries, 'class_ids' has 2",
        [
            "class_weights": .numbers([1, 2, 3])
        ]
    ),
    (
        "'BRANCH_MAYBE', which is no mode",
        [
            "nodes_modes": .texts(["BRANCH_MAYBE", "LEAF", "LEAF"])
        ]
    ),
    (
        "'nodes_featureids' has 9223372036854775807 at place 0",
        [
            "nodes_featureids": .integers([.max, 0, 0])
        ]
    ),
    ("'post_transform' is 'MAGIC'", ["post_transform": .text("MAGIC")]),
]

private let unusualTrees: [(String, [String: OnnxWriter.Attribute])] = [
    ("has 2 base values for two classes", ["base_values": .numbers([1, 2])]),
    ("has a single class", ["classlabels_int64s": .integers([1])]),
    ("labels of both kinds or of none", ["classlabels_strings": .texts(["a", "b"])]),
    (
        "tree 4, node 2 is reached from no other node",
        [
            "nodes_modes": .texts(["LEAF", "LEAF", "LEAF"])
        ]
    ),
    ("transforms a single score with PROBIT", ["post_transform": .text("PROBIT")]),
    (
        "the nodes of tree -1 do not follow each other, or -1 is its id",
        ["nodes_treeids": .integers([-1, -1, -1]), "class_treeids": .integers([-1, -1])]
    ),
    (
        "the nodes of tree 4 do not follow each other",
        [
            "nodes_treeids": .integers([4, 5, 4, 4]), "nodes_nodeids": .integers([0, 0, 1, 2]),
            "nodes_featureids": .integers([0, 0, 0, 0]), "nodes_values": .numbers([0.5, 0, 0, 0]),
            "nodes_modes": .texts(["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"]),
            "nodes_truenodeids": .integers([1, 0, 0, 0]),
            "nodes_falsenodeids": .integers([2, 0, 0, 0]),
            "class_treeids": .integers([4, 4, 5]), "class_nodeids": .integers([1, 2, 0]),
            "class_ids": .integers([0, 0, 0]), "class_weights": .numbers([0.25, 0.5, 1]),
        ]
    ),
    (
        "tree 4, node 1 sends missing values elsewhere than the node before it",
        chain(missing: [0, 1, 0])
    ),
]

/// x0 == 1, else x0 == 5, else x0 == 7, all to leaf 3; else leaf 4.
///
/// - Parameter missing: by question, whether NaN goes to leaf 3 as well.
private func chain(missing: [Int64]) -> [String: OnnxWriter.Attribute] {
    [
        "nodes_treeids": .integers([4, 4, 4, 4, 4]),
        "nodes_nodeids": .integers([0, 1, 2, 3, 4]),
        "nodes_featureids": .integers([0, 0, 0, 0, 0]),
        "nodes_values": .numbers([1, 5, 7, 0, 0]),
        "nodes_modes": .texts(["BRANCH_EQ", "BRANCH_EQ", "BRANCH_EQ", "LEAF", "LEAF"]),
        "nodes_truenodeids": .integers([3, 3, 3, 0, 0]),
        "nodes_falsenodeids": .integers([1, 2, 4, 0, 0]),
        "nodes_missing_value_tracks_true": .integers(missing + [0, 0]),
        "class_treeids": .integers([4, 4]), "class_nodeids": .integers([3, 4]),
    ]
}

@Suite("malformed trees are refused, and said where")
struct TreesRefusalTests {
    /// scripts/fuzz onnx, seed 1, mutant 756350: hundreds of dimensions were told whole.
    @Test func aLongShapeMakesNoLongMessage() throws {
        let shape = [3] + [Int](repeating: 1, count: 2000)
        let nodes =
            OnnxWriter.node("Mul", domain: "", ["X", "c"], ["Z"], name: "scale")
            + OnnxWriter.node("TreeEnsembleClassifier", ["Z"], ["label", "scores"])
        let model = OnnxWriter.model(
            nodes, inputs: [OnnxWriter.port("X", 1, [nil, 2])],
            outputs: [OnnxWriter.port("label", 7, nil)],
            tensors: [OnnxWriter.tensor("c", 1, shape, [0, 0, 0, 0])])
        let message = try #require(try refusal(model)?.message)
        #expect(message.contains("node 'scale' (operation Mul) a tensor of shape [3, 1"))
        #expect(message.utf8.count < 1000)
    }

    @Test func theModelItselfIsSound() throws {
        #expect(try refusal(stump()) == nil)
    }

    @Test(arguments: malformedTrees)
    func malformed(_ reason: String, _ changes: [String: OnnxWriter.Attribute]) throws {
        let error = try #require(try refusal(stump(changes)))
        #expect(error.kind == .invalid)
        #expect(error.message.contains(reason), "\(error)")
        #expect(error.message.contains("node 'trees' (operation TreeEnsembleClassifier)"))
    }

    @Test(arguments: unusualTrees)
    func declines(_ reason: String, _ changes: [String: OnnxWriter.Attribute]) throws {
        let error = try #require(try refusal(stump(changes)))
        #expect(error.kind == .declined)
        #expect(
            error.message.contains(reason) || reason.hasPrefix("tree 4, node 2"), "\(error)")
    }

    @Test func inputsThatAreNot() throws {
        for (shape, reason) in [
            ([8, 2], "input 'X' has a fixed batch"), ([nil, nil], "leaves its width open"),
            ([nil, 2, 2], "has 3 dimensions"), ([], "has 0 dimensions"),
        ] as [([Int64?], String)] {
            let error = try #require(try refusal(stump(input: shape)))
            #expect(error.kind == .declined)
            #expect(error.message.contains(reason), "\(error)")
        }
    }

    @Test("a deep tree is walked without recursion") func deep() throws {
        let depth = 200_000
        let nodes = Array(0..<Int64(2 * depth + 1))
        let splits = nodes.map { $0 % 2 == 0 && $0 < Int64(2 * depth) }
        let leaves = nodes.indices.filter { !splits[$0] }.map { Int64($0) }
        let bytes = stump([
            "nodes_treeids": .integers(nodes.map { _ in 0 }), "nodes_nodeids": .integers(nodes),
            "nodes_featureids": .integers(nodes.map { _ in 0 }),
            "nodes_values": .numbers(nodes.map { -Double($0) }),
            "nodes_modes": .texts(splits.map { $0 ? "BRANCH_LEQ" : "LEAF" }),
            "nodes_truenodeids": .integers(nodes.indices.map { splits[$0] ? Int64($0) + 2 : 0 }),
            "nodes_falsenodeids": .integers(nodes.indices.map { splits[$0] ? Int64($0) + 1 : 0 }),
            "class_treeids": .integers(leaves.map { _ in 0 }), "class_nodeids": .integers(leaves),
            "class_ids": .integers(leaves.map { _ in 0 }),
            "class_weights": .numbers(leaves.map { _ in 0.5 }),
        ])
        #expect(try refusal(bytes) == nil)
    }

    @Test("small files cannot ask for much") func blowUps() throws {
        var nodes: [UInt8] = []
        for step in 0..<40 {
            nodes += OnnxWriter.node(
                "Concat", domain: "", [step == 0 ? "scores" : "c\(step - 1)"].repeated(2),
                ["c\(step)"], ["axis": .integer(1)])
        }
        let model = OnnxWriter.model(
            OnnxWriter.leaf("scores", targets: 2) + nodes,
            inputs: [OnnxWriter.port("X", 1, [nil, 2])],
            outputs: [OnnxWriter.port("c39", 1, nil)])
        let error = try #require(try refusal(model))
        #expect(error.message.contains("more columns than a tree model has"), "\(error)")
        var copies = OnnxWriter.leaf("scores", targets: 1)
        for step in 0..<20 {
            copies += OnnxWriter.node(
                "Sum", domain: "", ["scores"].repeated(1000), ["s\(step)"])
        }
        copies += OnnxWriter.node(
            "Concat", domain: "", (0..<20).map { "s\($0)" }, ["all"], ["axis": .integer(1)])
        let many = OnnxWriter.model(
            copies, inputs: [OnnxWriter.port("X", 1, [nil, 2])],
            outputs: [OnnxWriter.port("all", 1, nil)])
        // As it has a byte for each, all of them may be made; more may not.
        #expect(try refusal(many)?.kind ?? .declined == .declined)
        let wide = OnnxWriter.model(
            OnnxWriter.leaf("scores", targets: 1 << 40),
            inputs: [OnnxWriter.port("X", 1, [nil, 2])],
            outputs: [OnnxWriter.port("scores", 1, nil)])
        #expect(try refusal(wide)?.kind == .declined)
    }

    /// What an imputer puts in the place of an index is none.
    @Test func labelsAreChosenByIndicesOnly() throws {
        let model = OnnxWriter.model(
            OnnxWriter.leaf("scores", targets: 2)
                + OnnxWriter.node(
                    "ArgMax", domain: "", ["scores"], ["place"], ["axis": .integer(1)])
                + OnnxWriter.node("Cast", domain: "", ["place"], ["number"], ["to": .integer(1)])
                + OnnxWriter.node(
                    "Imputer", ["number"], ["other"],
                    [
                        "imputed_value_floats": .numbers([-1]), "replaced_value_float": .number(0),
                    ])
                + OnnxWriter.node("Cast", domain: "", ["other"], ["index"], ["to": .integer(7)])
                + OnnxWriter.node("Gather", domain: "", ["labels", "index"], ["label"]),
            inputs: [OnnxWriter.port("X", 1, [nil, 2])],
            outputs: [OnnxWriter.port("label", 7, nil)],
            tensors: [OnnxWriter.tensor("labels", integers: [10, 20])])
        let error = try #require(try refusal(model))
        #expect(error.kind == .declined)
        #expect(error.message.contains("no indices"), "\(error)")
    }

    /// To any power, infinite or none, 1 is 1: no exp() of a product.
    @Test func powersOfOne() throws {
        /// - Parameter base: the bytes of a float32.
        func model(_ base: [UInt8]) -> [UInt8] {
            OnnxWriter.model(
                OnnxWriter.leaf("scores")
                    + OnnxWriter.node("Pow", domain: "", ["base", "scores"], ["power"]),
                inputs: [OnnxWriter.port("X", 1, [nil, 2])],
                outputs: [OnnxWriter.port("power", 1, nil)],
                tensors: [OnnxWriter.tensor("base", 1, [1], base)])
        }
        #expect(try refusal(model([0, 0, 0, 0x40])) == nil)
        let error = try #require(try refusal(model([0, 0, 0x80, 0x3f])))
        #expect(error.kind == .declined)
        #expect(error.message.contains("(operation Pow) does not raise"), "\(error)")
    }

    @Test("questions for single categories that lead to one place are a set")
    func chains() throws {
        for (missing, ofNaN) in [([0, 0, 0], 0.75), ([1, 1, 1], 0.25)] as [([Int64], Double)] {
            try withModel(stump(chain(missing: missing))) { path in
                let session = try OnnxTreesEngine().load(path: path).makeSession(
                    outputs: ["scores"], maxRows: 8)
                let column = Fixture.Column(
                    name: "X", type: "float32", rowShape: [2], labels: nil,
                    values: ["1", "5", "7", "6", "nan", "0"].flatMap { [$0, "0"] })
                try session.predict(try Features([column], rows: 6).columns, rows: 0..<6)
                let got = values(session.predictions.columns[0], rows: 6)
                let wanted = [0.25, 0.25, 0.25, 0.75, ofNaN, 0.75]
                #expect(got == wanted.flatMap { ["\(1 - $0)", "\($0)"] })
            }
        }
    }

    @Test(
        "damaged files never trap",
        arguments: [
            "decision_tree", "xgboost_multi", "forest_zipmap", "adaboost", "bagging",
            "isolation_forest",
        ])
    func damage(_ name: String) throws {
        try damage(
            [UInt8](Data(contentsOf: URL(filePath: "\(fixtureFolder)/\(name).onnx"))), seed: 7)
    }

    @Test("damaged files of the newest operator never trap")
    func damageOfTheNewest() throws {
        for seed in 0..<8 {
            try damage(RandomTrees(seed: seed, kind: .fifth).bytes, seed: seed, count: 100)
        }
    }

    private func damage(_ whole: [UInt8], seed: Int, count: Int = 700) throws {
        var random = SeededRandom(seed: UInt64(seed))
        for round in 0..<count {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                bytes[place] = UInt8.random(in: 0...255, using: &random)
            }
            if round % 5 == 0 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
            try withModel(bytes) { path in
                guard let model = try? OnnxTreesEngine().load(path: path) else { return }
                let outputs = model.signature.outputs.map(\.name)
                guard let session = try? model.makeSession(outputs: outputs, maxRows: 2),
                    let zeros = FeatureColumns(zerosFor: model.signature.inputs, rows: 2)
                else { return }
                try? session.predict(zeros, rows: 0..<2)
            }
        }
    }
}

extension Array {
    fileprivate func repeated(_ count: Int) -> [Element] {
        (0..<count).flatMap { _ in self }
    }
}
