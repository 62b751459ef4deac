internal import CTrees

/// A tree as a block would ask it, and what that costs.
///
/// Costs are processor cycles of one block of 64 rows, or of one row's walk, as
/// `scripts/bench trees` shows them; only their proportions count.
struct TreeSketch {
    struct Node {
        /// In the ensemble.
        let index: Int
        /// Places among the sketch's nodes; nil for a leaf.
        var left: Int?
        var right: Int?
        var leftLeaves = 0
    }

    let root: Int32
    let shape: ct_shape
    /// Levels below the root.
    let depth: Int
    /// Parents before children.
    private(set) var nodes: [Node] = []
    /// From left to right.
    private(set) var leaves: [Int] = []
    /// Nodes that ask for a set.
    private(set) var memberCount = 0
    /// The first node of each level.
    private(set) var levels: [Int] = []

    /// A leaf's number is a byte.
    private static let depthMax = 8
    private static let perTree = 30.0

    static func walkCost(depth: Int) -> Double { 2 + 1.3 * Double(depth) }

    var blockCost: Double {
        // Up to 64 values are looked up within registers.
        let values = shape == CT_GENERIC ? leaves.count : 1 << depth
        let lookUp = values > 64 ? 60.0 : 0
        let sets = Double(memberCount) * 4
        let asking =
            switch shape {
            case CT_PERFECT: 1.5 * Double(1 << depth)
            case CT_OBLIVIOUS: 3 * Double(depth)
            default: 3.1 * Double(nodes.count)
            }
        return Self.perTree + asking + sets + lookUp
    }

    /// Nil where the tree is too large for a block.
    init?(_ questions: NodeQuestions, tree: Int) {
        root = questions.ensemble.roots[tree]
        if let symmetric = questions.ensemble.symmetric(tree: tree) {
            depth = Int(symmetric.levels)
            guard depth <= Self.depthMax else { return nil }
            shape = CT_OBLIVIOUS
            levels = (0..<depth).map { Int(root) + $0 }
            let below = questions.bitsBelow(symmetric, root: root)
            leaves = (0..<1 << depth).map { Int(symmetric.firstLeaf) + ($0 ^ below) }
            return
        }
        // A node waits with its parent's place and side until its place is known.
        var waiting: [(place: Int32, parent: Int, isRight: Bool, depth: Int)] = [
            (root, -1, false, 0)
        ]
        var deepest = 0
        var shallowest = Int.max
        var isOblivious = true
        while let (place, parent, isRight, depth) = waiting.popLast() {
            if parent >= 0, isRight {
                nodes[parent].leftLeaves = leaves.count - nodes[parent].leftLeaves
            }
            guard place >= 0 else {
                guard leaves.count < Int(CT_BLOCK_LEAVES) else { return nil }
                leaves.append(Int(~place))
                deepest = max(deepest, depth)
                shallowest = min(shallowest, depth)
                continue
            }
            let node = Int(place)
            if questions.ensemble.rules[node].reading != nil { memberCount += 1 }
            if parent >= 0 {
                if isRight {
                    nodes[parent].right = nodes.count
                } else {
                    nodes[parent].left = nodes.count
                }
            }
            if depth == levels.count {
                levels.append(node)
            } else if !questions.areAlike(levels[depth], node) {
                isOblivious = false
            }
            let (left, right) = questions.children(of: node)
            waiting.append((right, nodes.count, true, depth + 1))
            waiting.append((left, nodes.count, false, depth + 1))
            // Until the right child comes: the leaves before the left one.
            nodes.append(Node(index: node, leftLeaves: leaves.count))
        }
        depth = deepest
        if memberCount > 0 {
            shape = CT_GENERIC  // only there sets are looked up
        } else if isOblivious, deepest == shallowest, (1...Self.depthMax).contains(deepest) {
            shape = CT_OBLIVIOUS
        } else if (1...Self.depthMax).contains(deepest),
            1.5 * Double(1 << deepest) < 3.1 * Double(nodes.count)
        {
            shape = CT_PERFECT
        } else {
            shape = CT_GENERIC
        }
    }
}
