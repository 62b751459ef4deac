/// Leaves in a model's main graph what some of its outputs need.
///
/// ONNX Runtime computes every node of a session, also for outputs that a run does not ask for;
/// classifiers, for one, have a label beside their scores, whose nodes take a tenth of a small
/// network's time.
struct GraphPruning {
    let edits: [GraphEdit]

    /// - Parameters:
    ///   - removal: of the same scan; the pruned graph is without those ZipMaps too.
    ///   - tensors: the graph's own names of the outputs that stay.
    init(_ scan: ModelScan, _ removal: ZipMapRemoval, keeping tensors: [String]) {
        let kept = Set(tensors)
        var edits: [GraphEdit] = []
        for output in scan.outputs {
            if !kept.contains(removal.replaced[output.name]?.tensor ?? output.name) {
                edits.append(GraphEdit(range: output.range, bytes: []))
            } else if let edit = removal.edits.first(where: { $0.range == output.range }) {
                edits.append(edit)
            }
        }
        let isNeeded = Self.needed(scan.nodes, by: kept)
        for (node, isNeeded) in zip(scan.nodes, isNeeded) where !isNeeded {
            edits.append(GraphEdit(range: node.range, bytes: []))
        }
        self.edits = edits
    }

    /// For each node whether one of the tensors comes from it, directly or through others.
    static func needed(_ nodes: [ModelScan.Node], by tensors: Set<String>) -> [Bool] {
        var writers: [String: [Int]] = [:]
        for (index, node) in nodes.enumerated() {
            // The name of an output that a node leaves out is empty.
            for name in node.writes where !name.isEmpty { writers[name, default: []].append(index) }
        }
        var isNeeded = [Bool](repeating: false, count: nodes.count)
        var seen = tensors
        var waiting = Array(tensors)
        while let name = waiting.popLast() {
            for index in writers[name] ?? [] where !isNeeded[index] {
                isNeeded[index] = true
                for read in nodes[index].reads where seen.insert(read).inserted {
                    waiting.append(read)
                }
            }
        }
        return isNeeded
    }
}
