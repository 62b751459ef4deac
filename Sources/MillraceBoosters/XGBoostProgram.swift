import MillraceCore
import MillraceTrees

/// From what an XGBoost file says to what runs.
struct XGBoostLoader {
    /// Greatest numbers of targets and features: a file of a few bytes must not take much memory.
    static let targetLimit = 1 << 16
    static let featureLimit = 1 << 24

    let file: BoosterFile
    let document: XGBoostDocument
    let objective: XGBoostObjective
    private let format: String
    private let targets: Int
    private let features: Int

    /// Reads the file but for its trees.
    init(_ file: BoosterFile, isBinary: Bool) throws(ModelError) {
        self.file = file
        format = isBinary ? "XGBoost UBJSON" : "XGBoost JSON"
        do throws(DocumentError) {
            document = try XGBoostDocument(file.bytes, isBinary: isBinary)
        } catch {
            throw file.invalid(error, kind: format)
        }
        guard document.booster != "gblinear" else {
            throw file.unsupported("a linear model (booster gblinear); only gbtree and dart run")
        }
        guard document.booster == "gbtree" || document.booster == "dart" else {
            throw file.unsupported("booster '\(document.booster)'; only gbtree and dart run")
        }
        guard
            let objective = XGBoostObjective(
                name: document.objective, version: document.version)
        else {
            throw file.unsupported(
                "objective '\(document.objective)' is not known; with one of XGBoost's own, as "
                    + "reg:squarederror, its margin can be served")
        }
        self.objective = objective
        let targets = max(document.classCount, document.targetCount, 1)
        guard targets <= Self.targetLimit else {
            throw file.invalid("\(targets) classes or targets; at most \(Self.targetLimit)")
        }
        self.targets = Int(targets)
        guard document.featureCount > 0, document.featureCount <= Self.featureLimit else {
            throw file.invalid(
                "\(document.featureCount) features; 1 to \(Self.featureLimit) are possible")
        }
        features = Int(document.featureCount)
    }

    /// The whole program.
    func program() throws(ModelError) -> TreeProgram {
        let ensemble = try ensemble()
        var program = TreeProgram(inputs: try inputs(), facts: facts(ensemble))
        let row = program.addFloatInputs(document.categories)
        let margin = program.add(.trees(row, ensemble))
        addOutputs(&program, margin: margin)
        return program
    }

    // MARK: Inputs

    /// The file's names, one input each; without names one input with all. Categories are what
    /// the training data had, where the file tells, else their codes.
    private func inputs() throws(ModelError) -> [ModelInput] {
        let names = document.featureNames
        guard names.isEmpty || names.count == features else {
            throw file.invalid("\(names.count) feature names for \(features) features")
        }
        // Older versions made these up where the data had no names.
        let areMadeUp = names.enumerated().allSatisfy { $1 == "f\($0)" }
        guard document.categories.keys.allSatisfy({ $0 < names.count || names.isEmpty }) else {
            throw file.invalid("categories of a feature that is not there")
        }
        if names.isEmpty || areMadeUp && document.categories.isEmpty {
            guard document.categories.isEmpty else {
                throw file.invalid("categories of features that have no names")
            }
            return [ModelInput(name: "features", type: .float32, rowShape: [features])]
        }
        guard Set(names).count == features else {
            throw file.invalid("two features have the same name")
        }
        return names.enumerated().map { index, name in
            let type: ElementType =
                switch document.categories[index] {
                case .texts: .string
                case .numbers: .float64
                case nil: .float32
                }
            return ModelInput(name: name, type: type, rowShape: [])
        }
    }

    // MARK: Trees

    private func ensemble() throws(ModelError) -> TreeEnsemble {
        var ensemble = TreeEnsemble(
            featureCount: features, targetCount: targets, comparing: .float32, summing: .float32)
        // Before 1.3 the trees are summed first, which differs in the last bits.
        ensemble.basePlace = XGBoostObjective.isBefore13(document.version) ? .last : .first
        ensemble.base = try base()
        let count = try usedTrees()
        let weights = document.booster == "dart" ? document.treeWeights : nil
        if let weights, weights.count != document.treeTargets.count {
            throw file.invalid(
                "\(weights.count) weights for \(document.treeTargets.count) trees")
        }
        guard var reader = document.trees else { throw file.invalid("no 'trees' in the file") }
        var tree = XGBoostTree()
        var room = FileRoom(reader.position..<file.bytes.count)
        var index = 0
        try reading { () throws(DocumentError) in try reader.beginArray() }
        while try reading({ () throws(DocumentError) in try reader.nextElement() }) {
            guard index < document.treeTargets.count else {
                throw file.invalid("more trees than tree_info has (\(document.treeTargets.count))")
            }
            if index < count {
                try reading { () throws(DocumentError) in try tree.read(&reader) }
                try add(&tree, index, to: &ensemble, weight: weights?[index])
                room.make(in: &ensemble, at: reader.position)
            } else {
                try reading { () throws(DocumentError) in try reader.skip() }
            }
            index += 1
        }
        guard index == document.treeTargets.count else {
            throw file.invalid("\(index) trees where tree_info has \(document.treeTargets.count)")
        }
        return ensemble
    }

    private func reading<Value>(
        _ body: () throws(DocumentError) -> Value
    ) throws(ModelError) -> Value {
        do throws(DocumentError) {
            return try body()
        } catch {
            throw file.invalid(error, kind: format)
        }
    }

    private func add(
        _ tree: inout XGBoostTree, _ index: Int, to ensemble: inout TreeEnsemble, weight: Float?
    ) throws(ModelError) {
        let target = Int(document.treeTargets[index])
        guard target >= 0, target < targets else {
            throw file.invalid("tree \(index): target \(target) of \(targets)")
        }
        do throws(TreeError) {
            try tree.add(to: &ensemble, target: target, weight: weight)
        } catch {
            throw file.invalid("tree \(index), \(error.message)")
        }
    }

    /// The margins that sums begin with; none where all are 0.
    private func base() throws(ModelError) -> [Double] {
        guard let scores = document.baseScores else {
            throw file.invalid("base_score '\(document.baseScore)' is not a number")
        }
        guard scores.count == 1 || scores.count == targets else {
            throw file.invalid("\(scores.count) numbers in base_score for \(targets) targets")
        }
        var margins: [Double] = []
        for score in scores {
            guard let margin = objective.margin(score) else {
                throw file.invalid(
                    "base_score \(score) is none that \(objective.name) can start from")
            }
            margins.append(Double(margin))
        }
        return margins.count == targets
            ? margins : Array(repeating: margins[0], count: targets)
    }

    /// How many trees count, from the first on: those that the tool that saved the file predicts
    /// with. scikit-learn's wrappers, which leave a note of their own, stop at the iteration that
    /// early stopping found best; `Booster.predict` uses all.
    private func usedTrees() throws(ModelError) -> Int {
        let all = document.treeTargets.count
        let isWrapper = document.attribute("scikit_learn") != nil
        guard isWrapper, let best = bestIteration else { return all }
        let starts = document.iterationStarts
        if !starts.isEmpty {
            guard best + 1 < starts.count else { return all }
            let count = Int(starts[best + 1])
            guard count >= 0, count <= all else {
                throw file.invalid("iteration_indptr names \(count) trees of \(all)")
            }
            return count
        }
        guard document.parallelTrees > 0, document.parallelTrees <= Int64(all) else { return all }
        let (count, isOver) = (best + 1).multipliedReportingOverflow(
            by: Int(document.parallelTrees) * targets)
        return isOver ? all : min(count, all)
    }

    /// The iteration at which early stopping found the best result.
    private var bestIteration: Int? {
        document.attribute("best_iteration").flatMap { Int($0) }.flatMap {
            $0 >= 0 && $0 < Int(Int32.max) ? $0 : nil
        }
    }

    // MARK: Outputs

    private func addOutputs(_ program: inout TreeProgram, margin: TreeProgram.Matrix) {
        let isFlat = targets == 1
        func numbers(_ name: String, _ matrix: Int, isFlat: Bool) -> TreeProgram.Output {
            TreeProgram.Output(name: name, content: .numbers(matrix, isFlat: isFlat))
        }
        var outputs: [TreeProgram.Output] = []
        switch objective.link {
        case .softmax, .softmaxClass:
            let labels = (0..<targets).map { ClassLabel.integer(Int64($0)) }
            let scores = program.add(.rowFunction(margin, .softmax))
            let isClass = objective.link == .softmaxClass
            let label = program.add(.greatest(isClass ? margin : scores))
            if isClass {
                let number = program.add(.cast(label, to: .float32))
                outputs.append(numbers("prediction", number, isFlat: true))
            } else {
                outputs.append(numbers("prediction", scores, isFlat: false))
            }
            outputs.append(TreeProgram.Output(name: "label", content: .labels(label, labels)))
            outputs.append(
                TreeProgram.Output(
                    name: "probabilities", content: .numbers(scores, isFlat: false),
                    classLabels: labels))
        case .hinge:
            let sign = program.add(.function(margin, .greater(than: 0)))
            outputs.append(numbers("prediction", sign, isFlat: isFlat))
            let label = program.add(.cast(sign, to: .int64))
            outputs.append(binaryLabel(label))
        case .exponential:
            let value = program.add(.function(margin, .exponential))
            outputs.append(numbers("prediction", value, isFlat: isFlat))
        case .identity, .logistic:
            let isMargin = objective.link == .identity
            let needsScore = !isMargin || objective.isClassifier
            let score = needsScore ? program.add(.function(margin, .sigmoid)) : margin
            outputs.append(numbers("prediction", isMargin ? margin : score, isFlat: isFlat))
            guard objective.isClassifier else { break }
            let side = program.add(
                .function(isMargin ? margin : score, .greater(than: isMargin ? 0 : 0.5)))
            outputs.append(binaryLabel(program.add(.cast(side, to: .int64))))
            if isFlat {
                outputs.append(
                    TreeProgram.Output(
                        name: "probabilities",
                        content: .numbers(program.add(.complement(score)), isFlat: false),
                        classLabels: [.integer(0), .integer(1)]))
            }
        }
        outputs.append(numbers("raw", margin, isFlat: isFlat))
        program.outputs = outputs
    }

    /// Of several targets each has a label of its own.
    private func binaryLabel(_ label: TreeProgram.Matrix) -> TreeProgram.Output {
        let content: TreeProgram.Output.Content =
            targets == 1
            ? .labels(label, [.integer(0), .integer(1)]) : .numbers(label, isFlat: false)
        return TreeProgram.Output(name: "label", content: content)
    }

    // MARK: Facts

    private func facts(_ ensemble: TreeEnsemble) -> ModelFacts {
        var facts = ModelFacts(format: format)
        if !document.version.isEmpty {
            let version = document.version.map { String($0) }.joined(separator: ".")
            facts.producer = "XGBoost \(version)"
        }
        func note(_ key: String, _ value: String) {
            facts.notes.append(ModelFacts.Note(key: key, value: value))
        }
        note("objective", objective.name)
        note("booster", document.booster)
        note("trees", String(ensemble.roots.count))
        note("base_score", document.baseScore)
        if let best = bestIteration {
            let used = ensemble.roots.count == document.treeTargets.count ? "all trees count" : ""
            let what = used.isEmpty ? "the trees behind it do not count" : used
            note("best_iteration", "\(best) (\(what))")
        }
        let coded = document.featureTypes.indices.filter {
            ["c", "categorical"].contains(document.featureTypes[$0])
                && document.categories[$0] == nil
        }
        if !coded.isEmpty {
            let names = coded.map {
                $0 < document.featureNames.count ? document.featureNames[$0] : String($0)
            }
            note("categorical_by_code", names.joined(separator: ", "))
        }
        for (key, value) in document.attributes where key != "best_iteration" { note(key, value) }
        return facts
    }
}
