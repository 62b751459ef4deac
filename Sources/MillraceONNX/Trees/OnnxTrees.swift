import MillraceCore
import MillraceTrees

/// The trees of one TreeEnsemble node, as the file has them: nodes and leaves in one list, children
/// found, all lists of the right length. That they are trees is seen by `TreeBuilding`.
struct OnnxTrees {
    /// What a node does: the numbers of TreeEnsemble's `nodes_modes`, and one for leaves.
    enum Mode: UInt8 {
        case lessOrEqual, less, greaterOrEqual, greater, equal, notEqual, member, leaf
    }

    /// Lists that a file may have of a node's attributes, `count` of each.
    var features: [Int32] = []
    var modes: [Mode] = []
    /// Of `member` the index into `sets`.
    var thresholds: [Double] = []
    /// Whether NaN goes the true way; empty where the file does not say so for any node.
    var tracksMissing: [Bool] = []
    /// Places in these lists.
    var trueChildren: [Int32] = []
    var falseChildren: [Int32] = []
    var sets: [CategorySet] = []
    /// The first node of each tree.
    var roots: [Int32] = []
    /// Where the values of each leaf begin in `values`; one more entry for the end.
    var valueStarts: [Int32] = []
    var values: [Double] = []
    /// The target of each value.
    var targets: [Int32] = []
    /// Ids in the file, for messages; empty where nodes have none.
    var treeIDs: [Int32] = []
    var nodeIDs: [Int32] = []
    /// Nodes that are no leaves of the lists; TreeEnsemble numbers leaves apart.
    var splitCount = Int.max

    var count: Int { modes.count }

    /// How messages name a node of the tree of this number.
    func place(_ node: Int, tree: Int) -> String {
        if !nodeIDs.isEmpty { return "tree \(treeIDs[node]), node \(nodeIDs[node])" }
        return node < splitCount
            ? "tree \(tree), node \(node)" : "tree \(tree), leaf \(node - splitCount)"
    }

    /// Refuses lists whose counts differ from `count`.
    static func check(
        _ name: String, _ count: Int, is expected: Int, of other: String
    ) throws(TreesFailure) {
        guard count == expected else {
            throw .invalid(
                "attribute '\(name)' has \(count) entries, '\(other)' has \(expected)")
        }
    }
}

// MARK: - TreeEnsembleClassifier and -Regressor

extension OnnxTrees {
    /// - Parameters:
    ///   - prefix: "class" or "target", as the weights' attributes begin.
    ///   - isDouble: whether thresholds and weights are compared and summed in float64.
    init(
        _ attributes: NodeAttributes, prefix: String, isDouble: Bool
    ) throws(TreesFailure) {
        let of = "nodes_treeids"
        treeIDs = try attributes.words(of)
        let count = treeIDs.count
        guard count > 0 else { throw .invalid("attribute 'nodes_treeids' has no entries") }
        nodeIDs = try attributes.words("nodes_nodeids", expected: count)
        try Self.check("nodes_nodeids", nodeIDs.count, is: count, of: of)
        features = try attributes.words("nodes_featureids", expected: count)
        try Self.check("nodes_featureids", features.count, is: count, of: of)
        thresholds = try attributes.list("nodes_values", isDouble: isDouble, expected: count)
        try Self.check("nodes_values", thresholds.count, is: count, of: of)
        modes.reserveCapacity(count)
        try attributes.visitTexts("nodes_modes") { text throws(TreesFailure) in
            modes.append(try Self.mode(text))
        }
        try Self.check("nodes_modes", modes.count, is: count, of: of)
        try readMissing(attributes, count, of: of)
        let index = try NodeIndex(treeIDs: treeIDs, nodeIDs: nodeIDs)
        trueChildren = try attributes.words("nodes_truenodeids", expected: count)
        falseChildren = try attributes.words("nodes_falsenodeids", expected: count)
        try Self.check("nodes_truenodeids", trueChildren.count, is: count, of: of)
        try Self.check("nodes_falsenodeids", falseChildren.count, is: count, of: of)
        for node in 0..<count where modes[node] != .leaf {
            trueChildren[node] = try child(trueChildren[node], of: node, index, "true")
            falseChildren[node] = try child(falseChildren[node], of: node, index, "false")
        }
        try addRoots()
        try addValues(attributes, prefix: prefix, isDouble: isDouble, index)
    }

    private mutating func readMissing(
        _ attributes: NodeAttributes, _ count: Int, of: String
    ) throws(TreesFailure) {
        let name = "nodes_missing_value_tracks_true"
        let missing = try attributes.words(name, expected: count)
        guard !missing.isEmpty else { return }
        try Self.check(name, missing.count, is: count, of: of)
        if missing.contains(where: { $0 != 0 }) { tracksMissing = missing.map { $0 != 0 } }
    }

    private static func mode(_ text: ArraySlice<UInt8>) throws(TreesFailure) -> Mode {
        switch text {
        case _ where text.elementsEqual("LEAF".utf8): .leaf
        case _ where text.elementsEqual("BRANCH_LEQ".utf8): .lessOrEqual
        case _ where text.elementsEqual("BRANCH_LT".utf8): .less
        case _ where text.elementsEqual("BRANCH_GTE".utf8): .greaterOrEqual
        case _ where text.elementsEqual("BRANCH_GT".utf8): .greater
        case _ where text.elementsEqual("BRANCH_EQ".utf8): .equal
        case _ where text.elementsEqual("BRANCH_NEQ".utf8): .notEqual
        default:
            throw .invalid(
                "attribute 'nodes_modes' has '"
                    + printable(String(decoding: text, as: UTF8.self), limit: 40)
                    + "', which is no mode")
        }
    }

    private func child(
        _ id: Int32, of node: Int, _ index: NodeIndex, _ branch: String
    ) throws(TreesFailure) -> Int32 {
        let guess = node + Int(id) - Int(nodeIDs[node])
        guard let child = index.place(treeID: treeIDs[node], nodeID: id, guess: guess) else {
            throw .invalid(
                "\(place(node, tree: 0)): its \(branch) branch leads to node \(id), which the tree "
                    + "does not have")
        }
        return Int32(clamping: child)
    }

    /// ONNX Runtime starts a tree wherever the id becomes another one, first from -1.
    private mutating func addRoots() throws(TreesFailure) {
        var seen: Set<Int32> = [-1]
        for node in 0..<count where node == 0 || treeIDs[node] != treeIDs[node - 1] {
            guard seen.insert(treeIDs[node]).inserted else {
                throw .declined(
                    "the nodes of tree \(treeIDs[node]) do not follow each other, or -1 is its id")
            }
            roots.append(Int32(clamping: node))
        }
    }

    private mutating func addValues(
        _ attributes: NodeAttributes, prefix: String, isDouble: Bool, _ index: NodeIndex
    ) throws(TreesFailure) {
        let of = "\(prefix)_ids"
        targets = try attributes.words(of)
        let expected = targets.count
        guard expected > 0 else { throw .declined("has no entries in '\(of)'") }
        values = try attributes.list("\(prefix)_weights", isDouble: isDouble, expected: expected)
        try Self.check("\(prefix)_weights", values.count, is: expected, of: of)
        let owners = try owners(attributes, prefix: prefix, expected, index)
        valueStarts = Array(repeating: 0, count: count + 1)
        for node in owners { valueStarts[Int(node) + 1] &+= 1 }
        for node in 0..<count { valueStarts[node + 1] &+= valueStarts[node] }
        // Most files have them in the order of the nodes.
        if zip(owners, owners.dropFirst()).allSatisfy({ $0 <= $1 }) { return }
        let (oldValues, oldTargets) = (values, targets)
        var places = valueStarts
        for (entry, node) in owners.enumerated() {
            let place = Int(places[Int(node)])
            values[place] = oldValues[entry]
            targets[place] = oldTargets[entry]
            places[Int(node)] &+= 1
        }
    }

    /// The node of each value.
    private func owners(
        _ attributes: NodeAttributes, prefix: String, _ expected: Int, _ index: NodeIndex
    ) throws(TreesFailure) -> [Int32] {
        let trees = try attributes.words("\(prefix)_treeids", expected: expected)
        var nodes = try attributes.words("\(prefix)_nodeids", expected: expected)
        for (name, count) in [("treeids", trees.count), ("nodeids", nodes.count)] {
            try Self.check("\(prefix)_\(name)", count, is: expected, of: "\(prefix)_ids")
        }
        var guess = 0
        for entry in 0..<expected {
            let next = guess + 1
            let found =
                next < count && nodeIDs[next] == nodes[entry] && treeIDs[next] == trees[entry]
                ? next : index.place(treeID: trees[entry], nodeID: nodes[entry], guess: guess)
            guard let node = found else {
                throw .invalid(
                    "attribute '\(prefix)_nodeids' has node \(nodes[entry]) of tree "
                        + "\(trees[entry]), which the model does not have")
            }
            guess = node
            nodes[entry] = Int32(clamping: node)
        }
        return nodes
    }
}

extension NodeAttributes {
    /// A list of float32 attributes, or a tensor of the type that the model computes in.
    func list(
        _ name: String, isDouble: Bool, expected: Int = 0
    ) throws(TreesFailure) -> [Double] {
        let plain = try numbers(name, expected: expected) ?? []
        guard let tensor = try tensor(name + "_as_tensor") else { return plain }
        guard plain.isEmpty else {
            throw .invalid("has both of the attributes '\(name)' and '\(name)_as_tensor'")
        }
        guard tensor.type == (isDouble ? .float64 : .float32) else {
            throw .declined(
                "attribute '\(name)_as_tensor' is of type \(tensor.type), not of the input's")
        }
        return tensor.numbers
    }
}

/// Finds nodes by their ids.
private struct NodeIndex {
    private let treeIDs: [Int32]
    private let nodeIDs: [Int32]
    /// Places in ascending order of their keys; nil where the keys ascend themselves.
    private let order: [Int32]?

    init(treeIDs: [Int32], nodeIDs: [Int32]) throws(TreesFailure) {
        self.treeIDs = treeIDs
        self.nodeIDs = nodeIDs
        func key(_ place: Int) -> UInt64 { Self.key(treeIDs[place], nodeIDs[place]) }
        let ascends = treeIDs.indices.dropFirst().allSatisfy { key($0 - 1) < key($0) }
        order =
            ascends
            ? nil : (0..<Int32(clamping: treeIDs.count)).sorted { key(Int($0)) < key(Int($1)) }
        guard let order else { return }
        for i in order.indices.dropFirst() where key(Int(order[i - 1])) == key(Int(order[i])) {
            let node = Int(order[i])
            throw .invalid("tree \(treeIDs[node]) has two nodes \(nodeIDs[node])")
        }
    }

    private static func key(_ tree: Int32, _ node: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: tree)) << 32 | UInt64(UInt32(bitPattern: node))
    }

    func place(treeID: Int32, nodeID: Int32, guess: Int) -> Int? {
        let key = Self.key(treeID, nodeID)
        func own(_ place: Int) -> UInt64 { Self.key(treeIDs[place], nodeIDs[place]) }
        if treeIDs.indices.contains(guess), own(guess) == key { return guess }
        var (low, high) = (0, treeIDs.count)
        while low < high {
            let middle = (low + high) / 2
            let place = order.map { Int($0[middle]) } ?? middle
            if own(place) == key { return place }
            if own(place) < key { low = middle + 1 } else { high = middle }
        }
        return nil
    }
}

// MARK: - TreeEnsemble

extension OnnxTrees {
    /// The form of ai.onnx.ml 5.
    ///
    /// - Parameter isDouble: whether splits and weights are float64, else float32.
    init(fifth attributes: NodeAttributes, isDouble: Bool) throws(TreesFailure) {
        features = try attributes.words("nodes_featureids")
        let nodes = features.count
        let of = "nodes_featureids"
        guard nodes > 0 else { throw .invalid("attribute '\(of)' has no entries") }
        splitCount = nodes
        thresholds = try attributes.tensorList("nodes_splits", isDouble: isDouble)
        try Self.check("nodes_splits", thresholds.count, is: nodes, of: of)
        guard let modes = try attributes.tensor("nodes_modes"), modes.type == .uint8 else {
            throw .invalid("attribute 'nodes_modes' is no tensor of uint8")
        }
        try Self.check("nodes_modes", modes.count, is: nodes, of: of)
        self.modes.reserveCapacity(nodes)
        for value in modes.integers {
            guard let mode = UInt8(exactly: value).flatMap({ Mode(rawValue: $0) }), mode != .leaf
            else { throw .invalid("attribute 'nodes_modes' has \(value), which is no mode") }
            self.modes.append(mode)
        }
        try readMissing(attributes, nodes, of: of)
        targets = try attributes.words("leaf_targetids")
        values = try attributes.tensorList("leaf_weights", isDouble: isDouble)
        guard !targets.isEmpty else { throw .invalid("attribute 'leaf_targetids' has no entries") }
        try Self.check("leaf_weights", values.count, is: targets.count, of: "leaf_targetids")
        trueChildren = try Self.children("true", attributes, nodes: nodes, leaves: targets.count)
        falseChildren = try Self.children("false", attributes, nodes: nodes, leaves: targets.count)
        roots = try attributes.words("tree_roots")
        for (tree, root) in roots.enumerated() where root < 0 || Int(root) >= nodes {
            throw .invalid(
                "tree \(tree) begins at node \(root), which the model does not have")
        }
        try readSets(attributes, isDouble: isDouble)
        try assignSets()
        valueStarts = Array(repeating: 0, count: nodes)
        for leaf in 0...targets.count { valueStarts.append(Int32(clamping: leaf)) }
        self.modes += Array(repeating: .leaf, count: targets.count)
    }

    private static func children(
        _ branch: String, _ attributes: NodeAttributes, nodes: Int, leaves: Int
    ) throws(TreesFailure) -> [Int32] {
        var children = try attributes.words("nodes_\(branch)nodeids", expected: nodes)
        try check(
            "nodes_\(branch)nodeids", children.count, is: nodes, of: "nodes_featureids")
        let areLeaves = try attributes.words("nodes_\(branch)leafs", expected: nodes)
        try check("nodes_\(branch)leafs", areLeaves.count, is: nodes, of: "nodes_featureids")
        for node in 0..<nodes {
            let isLeaf = areLeaves[node] != 0
            guard children[node] >= 0, Int(children[node]) < (isLeaf ? leaves : nodes) else {
                throw .invalid(
                    "node \(node): its \(branch) branch leads to \(isLeaf ? "leaf" : "node") "
                        + "\(children[node]), which the model does not have")
            }
            if isLeaf { children[node] = Int32(clamping: Int(children[node]) + nodes) }
        }
        return children
    }

    /// Whole numbers that float64 holds, all of them.
    static let categoryLimit = 0x1p53

    /// Sets follow each other in the order of their nodes, a NaN behind each.
    private mutating func readSets(
        _ attributes: NodeAttributes, isDouble: Bool
    ) throws(TreesFailure) {
        let name = "membership_values"
        guard let range = try attributes.tensorRange(name) else { return }
        var categories: [Int64] = []
        let isRead = try OnnxTensor.visitNumbers(
            attributes.bytes, range, type: isDouble ? .float64 : .float32
        ) { value throws(TreesFailure) in
            if value.isNaN {
                sets.append(CategorySet(categories))
                categories.removeAll(keepingCapacity: true)
                return
            }
            guard abs(value) <= Self.categoryLimit, let category = Int64(exactly: value) else {
                throw .declined(
                    "attribute '\(name)' has \(value) in set \(sets.count), no whole number"
                )
            }
            categories.append(category)
        }
        guard isRead else {
            throw .declined("attribute '\(name)' is of another type than the input")
        }
        if !categories.isEmpty { sets.append(CategorySet(categories)) }
    }

    private mutating func assignSets() throws(TreesFailure) {
        var next = 0
        for node in modes.indices where modes[node] == .member {
            guard next < sets.count else {
                throw .invalid(
                    "attribute 'membership_values' has \(sets.count) sets, fewer than there are "
                        + "nodes that ask for one")
            }
            thresholds[node] = Double(next)
            next += 1
        }
        guard next == sets.count else {
            throw .invalid(
                "attribute 'membership_values' has \(sets.count) sets for \(next) nodes")
        }
    }
}

extension NodeAttributes {
    /// A tensor of the type that the model computes in.
    func tensorList(_ name: String, isDouble: Bool) throws(TreesFailure) -> [Double] {
        guard let tensor = try tensor(name) else {
            throw .invalid("attribute '\(name)' is missing")
        }
        guard tensor.type == (isDouble ? .float64 : .float32) else {
            throw .declined("attribute '\(name)' is of type \(tensor.type), not of the input's")
        }
        return tensor.numbers
    }
}
