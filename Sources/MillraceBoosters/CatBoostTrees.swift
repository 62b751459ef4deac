import MillraceTrees

/// Reads the trees of a CatBoost export into an ensemble.
struct CatBoostTrees {
    /// What a split asks, as the file has it.
    struct Split {
        /// "FloatFeature", "OneHotFeature", or one that does not run here.
        var kind = ""
        var feature = -1
        var border = Float.nan
        /// Hash of a category.
        var value: Int64 = 0
    }

    /// Why trees cannot be read.
    enum Failure: Error {
        case document(DocumentError)
        case tree(String)
        case unsupported(String)
    }

    /// A question of the ensemble; what it is true for goes left.
    struct Question {
        let feature: Int
        let comparison: TreeEnsemble.Comparison
        let threshold: Double
        let missing: TreeEnsemble.Missing
        /// Whether what CatBoost sends right (a bit of 1) is what the condition is true for.
        let isRightWhenTrue: Bool
    }

    /// Makes a split's question; given by who knows the features.
    let question: (Split) throws(Failure) -> Question
    var ensemble: TreeEnsemble
    private var splits: [Split] = []
    private var values: [Double] = []

    init(
        _ ensemble: TreeEnsemble, question: @escaping (Split) throws(Failure) -> Question
    ) {
        self.ensemble = ensemble
        self.question = question
    }

    private func reading<Value>(
        _ body: () throws(DocumentError) -> Value
    ) throws(Failure) -> Value {
        do throws(DocumentError) {
            return try body()
        } catch {
            throw .document(error)
        }
    }

    // MARK: Oblivious trees

    mutating func readOblivious(_ reader: inout DocumentReader) throws(Failure) {
        var room = FileRoom(reader.position..<reader.bytes.count)
        try reading { () throws(DocumentError) in try reader.beginArray() }
        while try reading({ () throws(DocumentError) in try reader.nextElement() }) {
            do throws(DocumentError) {
                try readObliviousTree(&reader)
            } catch {
                throw .document(error)
            }
            do throws(Failure) {
                try addOblivious()
            } catch .tree(let what) {
                throw .tree("tree \(ensemble.roots.count), \(what)")
            }
            room.make(in: &ensemble, at: reader.position)
        }
    }

    private mutating func readObliviousTree(
        _ reader: inout DocumentReader
    ) throws(DocumentError) {
        splits.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "leaf_values": try reader.doubles(into: &values)
            case "splits":
                guard try reader.kind() == .array else {
                    try reader.skip()
                    continue
                }
                try reader.beginArray()
                while try reader.nextElement() { splits.append(try Self.split(&reader)) }
            default: try reader.skip()
            }
        }
    }

    private static func split(_ reader: inout DocumentReader) throws(DocumentError) -> Split {
        var split = Split()
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "split_type": split.kind = try reader.text()
            case "float_feature_index", "cat_feature_index":
                split.feature = Int(truncatingIfNeeded: try reader.integer())
            case "border": split.border = try reader.float()
            case "value": split.value = try reader.integer()
            default: try reader.skip()
            }
        }
        return split
    }

    /// The last split is the root, so that leaves come in the order of their bits.
    private mutating func addOblivious() throws(Failure) {
        let depth = splits.count
        let dimensions = ensemble.targetCount
        guard depth < 31, values.count == dimensions << depth else {
            throw .tree(
                "\(values.count) leaf values for \(depth) splits and \(dimensions) dimensions")
        }
        let firstLeaf = ensemble.leafCount
        for leaf in 0..<1 << depth {
            try addLeaf(values[leaf * dimensions..<(leaf + 1) * dimensions])
        }
        var levels: [TreeEnsemble.Level] = []
        for split in splits.reversed() {
            let question = try question(split)
            levels.append(
                TreeEnsemble.Level(
                    feature: question.feature, question.comparison, question.threshold,
                    missing: question.missing, isUpperWhenTrue: question.isRightWhenTrue))
        }
        ensemble.addSymmetricTree(levels, firstLeaf: firstLeaf)
    }

    @discardableResult
    private mutating func add(
        _ question: Question, lower: TreeEnsemble.Child, upper: TreeEnsemble.Child
    ) -> Int {
        ensemble.addSplit(
            feature: question.feature, .compare(question.comparison, question.threshold),
            missing: question.missing,
            left: question.isRightWhenTrue ? upper : lower,
            right: question.isRightWhenTrue ? lower : upper)
    }

    @discardableResult
    private mutating func addLeaf(_ values: ArraySlice<Double>) throws(Failure) -> Int {
        guard values.allSatisfy({ $0.isFinite }) else { throw .tree("a leaf that is no number") }
        return ensemble.addLeaf(dense: values)
    }

    // MARK: Trees of other shapes

    /// A node whose object is open.
    private struct Open {
        var split: Split?
        var left: TreeEnsemble.Child?
        var right: TreeEnsemble.Child?
        var values: [Double]?
        /// Which child is being read.
        var isLeft = false
    }

    mutating func read(_ reader: inout DocumentReader) throws(Failure) {
        var room = FileRoom(reader.position..<reader.bytes.count)
        try reading { () throws(DocumentError) in try reader.beginArray() }
        while try reading({ () throws(DocumentError) in try reader.nextElement() }) {
            do throws(Failure) {
                try readTree(&reader)
            } catch .tree(let what) {
                throw .tree("tree \(ensemble.roots.count), \(what)")
            }
            room.make(in: &ensemble, at: reader.position)
        }
    }

    /// Nodes lie within each other; their depth is the reader's to bound.
    private mutating func readTree(_ reader: inout DocumentReader) throws(Failure) {
        try reading { () throws(DocumentError) in try reader.beginObject() }
        var open = [Open()]
        while var node = open.popLast() {
            let key = try reading { () throws(DocumentError) in try reader.nextKey() }
            switch key {
            case "left", "right":
                node.isLeft = key == "left"
                try reading { () throws(DocumentError) in try reader.beginObject() }
                open.append(node)
                open.append(Open())
                continue
            case "split":
                node.split = try reading { () throws(DocumentError) in try Self.split(&reader) }
            case "value":
                node.values = try reading { () throws(DocumentError) in
                    var values: [Double] = []
                    if try reader.kind() == .array {
                        try reader.doubles(into: &values)
                    } else {
                        values = [try reader.double()]
                    }
                    return values
                }
            case nil:
                let child = try close(node)
                guard var parent = open.popLast() else { return ensemble.addTree(root: child) }
                if parent.isLeft { parent.left = child } else { parent.right = child }
                open.append(parent)
                continue
            default: try reading { () throws(DocumentError) in try reader.skip() }
            }
            open.append(node)
        }
    }

    private mutating func close(_ node: Open) throws(Failure) -> TreeEnsemble.Child {
        if let values = node.values {
            guard values.count == ensemble.targetCount else {
                throw .tree("a leaf with \(values.count) values of \(ensemble.targetCount)")
            }
            return .leaf(try addLeaf(values[...]))
        }
        guard let split = node.split, let left = node.left, let right = node.right else {
            throw .tree("a node without value, split, or one of its children")
        }
        return .node(add(try question(split), lower: left, upper: right))
    }
}
