import MillraceCore
import MillraceTrees

/// From what a LightGBM file says to what runs.
struct LightGBMLoader {
    private let header: LightGBMHeader
    private var objective: LightGBMObjective
    private(set) var text: LightGBMText
    private var ensemble: TreeEnsemble
    private var treeCount = 0
    private var categories: [Int: LightGBMCategories] = [:]

    /// The program of a file.
    ///
    /// - Parameter path: of the file, for messages.
    static func program(
        _ text: consuming LightGBMText, path: String
    ) throws(ModelError) -> TreeProgram {
        do throws(LightGBMError) {
            return try LightGBMLoader(text).makeProgram()
        } catch {
            throw error.ofFile(path)
        }
    }

    private static func objective(
        _ header: LightGBMHeader
    ) throws(LightGBMError) -> LightGBMObjective {
        guard let text = header.objective else { return .none }
        guard let objective = LightGBMObjective(text) else {
            throw LightGBMError(
                line: header.objectiveLine,
                "objective '\(text.prefix(80))' is not known; with 'objective=custom' in its place "
                    + "the raw scores can be served", .unsupported)
        }
        let expected = objective.classCount ?? (objective.isClassifier ? 1 : nil)
        if let expected, expected != header.targetCount {
            throw LightGBMError(
                line: header.objectiveLine,
                "objective '\(text.prefix(80))', but num_tree_per_iteration is "
                    + "\(header.targetCount)")
        }
        return objective
    }

    /// Reads all of a file.
    init(_ text: consuming LightGBMText) throws(LightGBMError) {
        header = try LightGBMHeader(&text)
        objective = try Self.objective(header)
        ensemble = TreeEnsemble(
            featureCount: header.featureCount, targetCount: header.targetCount,
            comparing: .float64, summing: .float64)
        self.text = text
        try readTrees()
        let tail = try LightGBMTail(&self.text)
        categories = try tail.categoriesByFeature(header)
    }

    // MARK: Trees

    /// Whether a line is none of the tree before it.
    static func endsTree(_ line: Range<Int>, _ text: LightGBMText) -> Bool {
        guard !line.isEmpty else { return false }
        switch text.bytes[line.lowerBound] {
        case UInt8(ascii: "T"): return text.starts(line, with: "Tree=")
        case UInt8(ascii: "e"), UInt8(ascii: "f"), UInt8(ascii: "p"): return isTail(line, text)
        default: return false
        }
    }

    /// Whether a line begins what follows the trees.
    private static func isTail(_ line: Range<Int>, _ text: LightGBMText) -> Bool {
        text.starts(line, with: "end of trees")
            || text.starts(line, with: "feature_importances:")
            || text.starts(line, with: "feature importances:")
            || text.starts(line, with: "parameters:")
            || text.starts(line, with: "pandas_categorical:")
    }

    private mutating func readTrees() throws(LightGBMError) {
        var room = FileRoom(text.offset..<text.size)
        var tree = LightGBMTree(mayBeOldest: header.version == nil)
        /// Where the tree before this one must end, by tree_sizes.
        var expected: Int?
        text.forget()
        while let line = try text.peek(), text.starts(line, with: "Tree=") {
            let start = text.offset - text.returns
            _ = try text.next()
            if let expected, expected != start { throw sizeError(treeCount - 1, text.line) }
            let index = LightGBMValue(line: text.line, range: line.lowerBound + 5..<line.upperBound)
            guard try text.integer(index, "Tree") == treeCount else {
                throw LightGBMError(line: text.line, "this should be Tree=\(treeCount)")
            }
            expected = try size(of: treeCount).map { start &+ $0 }
            try tree.read(&text, number: treeCount)
            try tree.add(to: &ensemble, target: treeCount % header.targetCount, text)
            treeCount += 1
            text.forget()
            room.make(in: &ensemble, at: text.offset)
        }
        if let expected {
            let end = text.offset - text.returns
            guard expected <= end, expected >= end - tree.blankBytes else {
                throw sizeError(treeCount - 1, text.line)
            }
        }
        // A model that learned nothing has no trees, and says so. Files without a version have no
        // sizes; they are whole where something stands behind the trees.
        let hasMore = try text.peek() != nil
        let isWhole =
            header.version == nil
            ? hasMore : treeCount > 0 || (header.treeSizes?.isEmpty == true && hasMore)
        guard isWhole else {
            throw LightGBMError(
                line: text.line + 1, "no tree here, nor the end of trees; is the file cut short?")
        }
        if let sizes = header.treeSizes, sizes.count != treeCount {
            throw LightGBMError(
                line: text.line + 1,
                "\(treeCount) trees where tree_sizes has \(sizes.count); is the file cut short?")
        }
        guard treeCount % header.targetCount == 0 else {
            throw LightGBMError(
                line: text.line + 1,
                "\(treeCount) trees, but \(header.targetCount) an iteration; is the file cut short?"
            )
        }
        if header.version == nil, tree.hasLeafParents { objective.dropExponential() }
        try checkForest(tree)
    }

    private func size(of tree: Int) throws(LightGBMError) -> Int? {
        guard let sizes = header.treeSizes else { return nil }
        guard tree < sizes.count else {
            throw LightGBMError(
                line: text.line, "more trees than the \(sizes.count) that tree_sizes has")
        }
        return sizes[tree]
    }

    private func sizeError(_ tree: Int, _ line: Int) -> LightGBMError {
        LightGBMError(
            line: line,
            "tree \(tree) does not end where tree_sizes says; the file was cut or edited: take the "
                + "line tree_sizes out of it if that was meant")
    }

    /// Before 2.2.3 LightGBM gave the leaves of random forests converted values, and did not
    /// convert the mean; the file does not say which of the two it has.
    private func checkForest(_ tree: LightGBMTree) throws(LightGBMError) {
        guard header.isAverage, header.version ?? 2 == 2,
            objective.couldBeConverted(least: tree.leastValue, greatest: tree.greatestValue)
        else { return }
        throw LightGBMError(
            line: text.line,
            "a random forest of format v2 or older, whose leaves may hold raw or converted values "
                + "of '\(objective.text)'; load it with the LightGBM that trained it and see "
                + "whether its predictions are the mean of the leaves (then write "
                + "objective=custom in the file) or not (then save it with LightGBM 2.3 or later)",
            .unsupported)
    }

    // MARK: The program

    func makeProgram() -> TreeProgram {
        // Names that LightGBM makes up where the data had none.
        let areMadeUp = header.featureNames.enumerated().allSatisfy { $1 == "Column_\($0)" }
        let isOneInput = areMadeUp && categories.isEmpty
        let inputs =
            isOneInput
            ? [ModelInput(name: "features", type: .float64, rowShape: [header.featureCount])]
            : header.featureNames.enumerated().map { index, name in
                ModelInput(name: name, type: categories[index]?.type ?? .float64, rowShape: [])
            }
        var program = TreeProgram(inputs: inputs, facts: facts())
        let columns = inputs.indices.map { index in
            guard let column = categories[index]?.encode(input: index, in: &program) else {
                return program.add(.input(index, as: .float64))
            }
            // Before 2.1 a category that is not in the list was -1; only the oldest trees tell it
            // from NaN.
            return header.version == nil
                ? program.add(.impute(column, replaced: .nan, values: [-1])) : column
        }
        var row = columns.count == 1 ? columns[0] : program.add(.join(columns))
        if header.version == nil {
            // Before 2.0.12, LightGBM leaves such values out of a row that it scores.
            row = program.add(.function(row, .zero(atMost: 1e-15)))
        }
        if !ensemble.linearLeaves.isEmpty {
            // What decisions need no step for, see `LightGBMTree`.
            row = program.add(.function(row, .zero(atMost: LightGBMTree.zeroLimit)))
        }
        addOutputs(&program, raw: program.add(.trees(row, ensemble)))
        return program
    }

    private func addOutputs(_ program: inout TreeProgram, raw: TreeProgram.Matrix) {
        let isFlat = header.targetCount == 1
        let iterations = treeCount / header.targetCount
        let mean =
            header.isAverage && iterations > 0
            ? program.add(.arithmetic(raw, .divide, constants: [Double(iterations)])) : raw
        let prediction = objective.convert(mean, in: &program)
        let labels =
            objective.isClassifier
            ? (0..<max(2, header.targetCount)).map { ClassLabel.integer(Int64($0)) } : nil
        let rowLabels = isFlat ? nil : labels
        program.outputs = [
            TreeProgram.Output(
                name: "prediction", content: .numbers(prediction, isFlat: isFlat),
                classLabels: rowLabels),
            TreeProgram.Output(
                name: "raw", content: .numbers(raw, isFlat: isFlat), classLabels: rowLabels),
        ]
        guard let labels else { return }
        let probabilities = isFlat ? program.add(.complement(prediction)) : prediction
        let label = program.add(.greatest(probabilities))
        program.outputs += [
            TreeProgram.Output(name: "label", content: .numbers(label, isFlat: true)),
            TreeProgram.Output(
                name: "probabilities", content: .numbers(probabilities, isFlat: false),
                classLabels: labels),
        ]
    }

    private func facts() -> ModelFacts {
        let version = header.version.map { " v\($0)" } ?? " of 2.0"
        var facts = ModelFacts(format: "LightGBM text\(version)")
        func note(_ key: String, _ value: String) {
            facts.notes.append(ModelFacts.Note(key: key, value: value))
        }
        note("objective", objective.text)
        note("trees", String(treeCount))
        note("iterations", String(treeCount / header.targetCount))
        note("leaves", String(ensemble.leafCount))
        if header.isAverage { note("average_output", "the mean of the iterations") }
        if !ensemble.linearLeaves.isEmpty { note("linear_tree", "leaves are linear") }
        if !categories.isEmpty {
            let names = categories.keys.sorted().map { header.featureNames[$0] }
            note("pandas_categorical", names.joined(separator: ", "))
        }
        return facts
    }
}

extension LightGBMError {
    /// As whoever named the file reads it.
    fileprivate func ofFile(_ path: String) -> ModelError {
        let text = ModelText.printable("line \(line): \(what)")
        switch kind {
        case .invalid: return ModelError(.invalid, "\(path): \(text)")
        case .unsupported: return ModelError(.unsupported, "\(path): \(text)")
        case .unreadable: return ModelError(.unreadable, what)
        }
    }
}
