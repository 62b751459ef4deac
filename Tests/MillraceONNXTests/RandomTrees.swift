import MillraceTestKit

/// A random model with one TreeEnsemble node, of whatever the operators allow.
struct RandomTrees {
    static let width = 4
    static let modes = [
        "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ",
    ]
    static let thresholds: [Double] = [
        -2, -0.5, -0.0, 0, 0.1, 0.5, 1, 3, 16_777_216, 0.1 + 1e-9, 1e-40, .infinity, -.infinity,
    ]

    enum Kind: CaseIterable { case classifier, regressor, fifth }

    let bytes: [UInt8]
    /// ONNX's number of the input's type: float32, float64, int64 or int32.
    let inputType: Int64
    /// Whether it asks for members of sets.
    private(set) var hasSets = false

    private struct Node {
        var tree = 0
        var id = 0
        var feature = 0
        var mode = 0
        var threshold = 0.0
        var missing = false
        var children = (0, 0)
        var isLeaf = true
    }

    init(seed: Int, kind: Kind) {
        var random = SeededRandom(seed: UInt64(seed * 3 + 1))
        let isClassifier = kind == .classifier
        inputType =
            [1, 1, 1, 11, 11, isClassifier ? 7 : 1, isClassifier ? 6 : 1].randomElement(
                using: &random) ?? 1
        var nodes: [Node] = []
        let isMixed = Bool.random(using: &random)
        let ownMode = Int.random(in: 0..<6, using: &random)
        let depth = Int.random(in: 0...5, using: &random)
        for tree in 0..<Int.random(in: 1...6, using: &random) {
            Self.addTree(
                tree, depth: depth, mode: isMixed ? nil : ownMode, &nodes, &random)
        }
        switch kind {
        case .classifier: bytes = Self.classifier(nodes, inputType, &random)
        case .regressor: bytes = Self.regressor(nodes, inputType, &random)
        case .fifth: (bytes, hasSets) = Self.fifth(nodes, inputType, &random)
        }
    }

    /// Numbers of which sums are exact, so that all ways of summing agree on labels.
    private static func weight(_ random: inout SeededRandom, isPositive: Bool) -> Double {
        Double(Int.random(in: (isPositive ? 0 : -32)...32, using: &random)) / 64
    }

    private static func addTree(
        _ tree: Int, depth: Int, mode: Int?, _ nodes: inout [Node], _ random: inout SeededRandom
    ) {
        let first = nodes.count
        nodes.append(Node(tree: tree, id: 0))
        var open = [(first, 0)]
        while let (index, level) = open.popLast() {
            guard level < depth, Int.random(in: 0..<5, using: &random) > 0 else { continue }
            nodes[index].isLeaf = false
            nodes[index].feature = Int.random(in: 0..<width, using: &random)
            nodes[index].mode = mode ?? Int.random(in: 0..<6, using: &random)
            nodes[index].threshold = thresholds.randomElement(using: &random) ?? 0
            nodes[index].missing = Bool.random(using: &random)
            nodes[index].children = (nodes.count - first, nodes.count - first + 1)
            for _ in 0..<2 {
                nodes.append(Node(tree: tree, id: nodes.count - first))
                open.append((nodes.count - 1, level + 1))
            }
        }
    }

    private static func common(
        _ nodes: [Node], _ inputType: Int64, _ random: inout SeededRandom
    ) -> [String: OnnxWriter.Attribute] {
        var result: [String: OnnxWriter.Attribute] = [
            "nodes_treeids": .integers(nodes.map { Int64($0.tree) }),
            "nodes_nodeids": .integers(nodes.map { Int64($0.id) }),
            "nodes_featureids": .integers(nodes.map { Int64($0.feature) }),
            "nodes_modes": .texts(nodes.map { $0.isLeaf ? "LEAF" : modes[$0.mode] }),
            "nodes_truenodeids": .integers(nodes.map { Int64($0.children.0) }),
            "nodes_falsenodeids": .integers(nodes.map { Int64($0.children.1) }),
        ]
        if Bool.random(using: &random) {
            result["nodes_missing_value_tracks_true"] = .integers(nodes.map { $0.missing ? 1 : 0 })
        }
        if inputType == 11, Bool.random(using: &random) {
            result["nodes_values_as_tensor"] = .doubles(nodes.map(\.threshold))
        } else {
            result["nodes_values"] = .numbers(nodes.map(\.threshold))
        }
        return result
    }

    /// For each leaf, weights for some of the targets.
    private static func weights(
        _ nodes: [Node], _ prefix: String, targets: [Int], isSparse: Bool, isPositive: Bool,
        _ random: inout SeededRandom
    ) -> [String: OnnxWriter.Attribute] {
        var (trees, ids, chosen, values) = ([Int64](), [Int64](), [Int64](), [Double]())
        for node in nodes where node.isLeaf {
            for target in targets where !isSparse || Bool.random(using: &random) {
                trees.append(Int64(node.tree))
                ids.append(Int64(node.id))
                chosen.append(Int64(target))
                values.append(weight(&random, isPositive: isPositive))
            }
        }
        return [
            "\(prefix)_treeids": .integers(trees), "\(prefix)_nodeids": .integers(ids),
            "\(prefix)_ids": .integers(chosen), "\(prefix)_weights": .numbers(values),
        ]
    }

    private static func input(_ type: Int64) -> [[UInt8]] {
        [OnnxWriter.port("X", type, [nil, Int64(width)])]
    }

    private static func classifier(
        _ nodes: [Node], _ inputType: Int64, _ random: inout SeededRandom
    ) -> [UInt8] {
        var attributes = common(nodes, inputType, &random)
        let count = [2, 2, 2, 3, 5].randomElement(using: &random) ?? 2
        var targets = Array(0..<count)
        if count == 2 { targets = [[0], [0], [1], [0, 1]].randomElement(using: &random) ?? [0] }
        attributes.merge(
            weights(
                nodes, "class", targets: targets,
                isSparse: Int.random(in: 0..<4, using: &random) == 0,
                isPositive: Bool.random(using: &random), &random)
        ) { $1 }
        let isText = Bool.random(using: &random)
        if isText {
            attributes["classlabels_strings"] = .texts((0..<count).map { "class \($0)" })
        } else {
            attributes["classlabels_int64s"] = .integers((0..<count).map { Int64($0 * 7 - 3) })
        }
        let baseCount = [0, 0, 1, count].randomElement(using: &random) ?? 0
        if baseCount > 0 {
            attributes["base_values"] = .numbers(
                (0..<baseCount).map { _ in weight(&random, isPositive: false) })
        }
        attributes["post_transform"] = .text(
            ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"].randomElement(using: &random)
                ?? "NONE")
        let version =
            attributes["nodes_values"] == nil ? 3 : Int64.random(in: 1...3, using: &random)
        return OnnxWriter.model(
            OnnxWriter.node("TreeEnsembleClassifier", ["X"], ["label", "scores"], attributes),
            inputs: input(inputType),
            outputs: [
                OnnxWriter.port("label", isText ? 8 : 7, nil), OnnxWriter.port("scores", 1, nil),
            ], learning: version)
    }

    private static func regressor(
        _ nodes: [Node], _ inputType: Int64, _ random: inout SeededRandom
    ) -> [UInt8] {
        var attributes = common(nodes, inputType, &random)
        let count = [1, 1, 2, 3].randomElement(using: &random) ?? 1
        attributes.merge(
            weights(
                nodes, "target", targets: Array(0..<count),
                isSparse: Int.random(in: 0..<4, using: &random) == 0, isPositive: false, &random)
        ) { $1 }
        attributes["n_targets"] = .integer(Int64(count))
        attributes["aggregate_function"] = .text(
            ["SUM", "AVERAGE", "MIN", "MAX"].randomElement(using: &random) ?? "SUM")
        if Bool.random(using: &random) {
            attributes["base_values"] = .numbers(
                (0..<count).map { _ in weight(&random, isPositive: false) })
        }
        attributes["post_transform"] = .text(
            ["NONE", "NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"].randomElement(
                using: &random) ?? "NONE")
        return OnnxWriter.model(
            OnnxWriter.node("TreeEnsembleRegressor", ["X"], ["y"], attributes),
            inputs: input(inputType), outputs: [OnnxWriter.port("y", 1, nil)],
            learning: attributes["nodes_values"] == nil ? 3 : 1)
    }

    /// Nodes and leaves in lists of their own, as TreeEnsemble has them.
    private struct FifthLists {
        var own: [Node] = []
        var sets: [Double] = []
        var ids = [[Int64]](repeating: [], count: 2)
        var areLeaves = [[Int64]](repeating: [], count: 2)
        var roots: [Int64] = []
        var leafCount: Int64 = 0

        init(_ nodes: [Node], _ random: inout SeededRandom) {
            var numbers: [Int: Int64] = [:]
            var starts: [Int: Int] = [:]
            var splitCount: Int64 = 0
            for (index, node) in nodes.enumerated() {
                if node.id == 0 { starts[node.tree] = index }
                numbers[index] = node.isLeaf ? leafCount : splitCount
                if node.isLeaf { leafCount += 1 } else { splitCount += 1 }
            }
            for (index, node) in nodes.enumerated() {
                if node.id == 0 { roots.append(numbers[index] ?? 0) }
                guard !node.isLeaf else { continue }
                var node = node
                if Int.random(in: 0..<4, using: &random) == 0 {
                    node.mode = 6
                    sets += [[1], [0, 3], [-2, 1, 3]].randomElement(using: &random) ?? []
                    sets.append(.nan)
                }
                own.append(node)
                for (side, child) in [node.children.0, node.children.1].enumerated() {
                    let place = (starts[node.tree] ?? 0) + child
                    ids[side].append(numbers[place] ?? 0)
                    areLeaves[side].append(nodes[place].isLeaf ? 1 : 0)
                }
            }
            // A tree of one leaf is a split with the same leaf on both sides.
            for (index, node) in nodes.enumerated() where node.id == 0 && node.isLeaf {
                roots[node.tree] = Int64(own.count)
                own.append(Node())
                for side in 0..<2 {
                    ids[side].append(numbers[index] ?? 0)
                    areLeaves[side].append(1)
                }
            }
        }
    }

    private static func fifth(
        _ nodes: [Node], _ inputType: Int64, _ random: inout SeededRandom
    ) -> ([UInt8], Bool) {
        let count = Int64.random(in: 1...3, using: &random)
        let lists = FifthLists(nodes, &random)
        let list: ([Double]) -> OnnxWriter.Attribute = {
            inputType == 11 ? .doubles($0) : .floats($0)
        }
        let leaves = 0..<lists.leafCount
        var attributes: [String: OnnxWriter.Attribute] = [
            "n_targets": .integer(count),
            "aggregate_function": .integer(Int64.random(in: 0...3, using: &random)),
            "post_transform": .integer(Int64.random(in: 0...4, using: &random)),
            "tree_roots": .integers(lists.roots),
            "nodes_splits": list(lists.own.map(\.threshold)),
            "nodes_featureids": .integers(lists.own.map { Int64($0.feature) }),
            "nodes_modes": .bytes(lists.own.map { UInt8($0.mode) }),
            "nodes_truenodeids": .integers(lists.ids[0]),
            "nodes_trueleafs": .integers(lists.areLeaves[0]),
            "nodes_falsenodeids": .integers(lists.ids[1]),
            "nodes_falseleafs": .integers(lists.areLeaves[1]),
            "leaf_targetids": .integers(
                leaves.map { _ in Int64.random(in: 0..<count, using: &random) }),
            "leaf_weights": list(leaves.map { _ in weight(&random, isPositive: false) }),
        ]
        if Bool.random(using: &random) {
            attributes["nodes_missing_value_tracks_true"] = .integers(
                lists.own.map { $0.missing ? 1 : 0 })
        }
        if !lists.sets.isEmpty { attributes["membership_values"] = list(lists.sets) }
        let model = OnnxWriter.model(
            OnnxWriter.node("TreeEnsemble", ["X"], ["y"], attributes),
            inputs: input(inputType), outputs: [OnnxWriter.port("y", inputType, nil)], learning: 5)
        return (model, !lists.sets.isEmpty)
    }
}
