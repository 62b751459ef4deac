import Glibc
import MillraceCore
import MillraceTrees

/// From what a CatBoost export says to what runs.
struct CatBoostLoader {
    static let targetLimit = 1 << 16
    static let featureLimit = 1 << 24

    let file: BoosterFile
    let document: CatBoostDocument

    /// Reads the file but for its trees.
    init(_ file: BoosterFile) throws(ModelError) {
        self.file = file
        do throws(DocumentError) {
            document = try CatBoostDocument(file.bytes)
        } catch {
            throw file.invalid(error, kind: "CatBoost JSON")
        }
    }

    func program() throws(ModelError) -> TreeProgram {
        let columns = try Columns(document, file)
        let ensemble = try ensemble(columns)
        var program = TreeProgram(inputs: columns.inputs, facts: facts(ensemble))
        let raw = program.add(.trees(program.addFloatInputs(columns.texts), ensemble))
        try addOutputs(&program, raw: raw, dimensions: ensemble.targetCount)
        return program
    }

    // MARK: Inputs

    /// Where each feature comes from.
    struct Columns {
        let inputs: [ModelInput]
        /// Of the matrix, by index among the numeric features.
        let numeric: [Int]
        /// Nil for a categorical feature that no split asks for.
        let categorical: [Int?]
        /// By input, the texts that a model asks for, in place of which come codes.
        let texts: [Int: Categories]
        let count: Int

        /// Named features are inputs by their names; without names there is one input with all
        /// columns of the training data. Categories are whole numbers where all that are asked for
        /// are, else texts; a categorical feature that no split asks for is no input.
        init(_ document: CatBoostDocument, _ file: BoosterFile) throws(ModelError) {
            let all = document.numeric + document.categorical
            guard !all.isEmpty else { throw file.invalid("no features in the file") }
            let flat = all.map(\.flatIndex)
            guard Set(flat).count == flat.count else {
                throw file.invalid("two features have the same flat_feature_index")
            }
            let isNamed = all.contains { !$0.name.isEmpty && $0.name != String($0.flatIndex) }
            guard isNamed else {
                count = (flat.max() ?? 0) + 1
                inputs = [ModelInput(name: "features", type: .float32, rowShape: [count])]
                numeric = document.numeric.map(\.flatIndex)
                categorical = document.categorical.map(\.flatIndex)
                texts = [:]
                return
            }
            let asked = document.categorical.filter { !$0.asked.isEmpty }
            let sorted = (document.numeric + asked).sorted { $0.flatIndex < $1.flatIndex }
            guard !sorted.isEmpty else { throw file.invalid("no feature that a split asks for") }
            let names = sorted.map { $0.name.isEmpty ? String($0.flatIndex) : $0.name }
            guard Set(names).count == names.count else {
                throw file.invalid("two features have the same name")
            }
            var texts: [Int: Categories] = [:]
            var places: [Int: Int] = [:]
            var inputs: [ModelInput] = []
            for (place, feature) in sorted.enumerated() {
                var type = feature.asked.isEmpty ? ElementType.float32 : .int64
                let known = feature.asked.map { document.categoryTexts[$0] }
                if known.contains(where: { $0.map(CatBoostLoader.wholeNumber) == .some(nil) }) {
                    type = .string
                    // A place for each hash, so that what has no text is met by none.
                    texts[place] = .texts(known)
                }
                places[feature.flatIndex] = place
                inputs.append(ModelInput(name: names[place], type: type, rowShape: []))
            }
            self.inputs = inputs
            self.texts = texts
            numeric = document.numeric.map { places[$0.flatIndex] ?? 0 }
            categorical = document.categorical.map { places[$0.flatIndex] }
            count = sorted.count
        }
    }
}

extension CatBoostLoader {
    // MARK: Trees

    private func ensemble(_ columns: Columns) throws(ModelError) -> TreeEnsemble {
        if let other = document.otherFeatures.first {
            throw file.unsupported(
                "features of the kind '\(other)'; only numeric and one-hot features run here")
        }
        var ensemble = TreeEnsemble(
            featureCount: columns.count, targetCount: try dimensions(), comparing: .float32,
            summing: .float64)
        ensemble.scale = document.scale
        guard document.scale.isFinite, document.bias.allSatisfy({ $0.isFinite }) else {
            throw file.invalid("scale_and_bias has a number that is none")
        }
        if !document.bias.isEmpty {
            ensemble.base =
                document.bias.count == ensemble.targetCount
                ? document.bias
                : Array(repeating: document.bias[0], count: ensemble.targetCount)
        }
        var trees = CatBoostTrees(ensemble) { split throws(CatBoostTrees.Failure) in
            try question(split, columns)
        }
        do throws(CatBoostTrees.Failure) {
            if var reader = document.obliviousTrees { try trees.readOblivious(&reader) }
            if var reader = document.trees { try trees.read(&reader) }
        } catch {
            switch error {
            case .document(let error): throw file.invalid(error, kind: "CatBoost JSON")
            case .tree(let what): throw file.invalid(what)
            case .unsupported(let what): throw file.unsupported(what)
            }
        }
        return trees.ensemble
    }

    /// How many values a leaf has: as many as the model has biases, unless it has one for all. A
    /// class that the training data lacked has none.
    private func dimensions() throws(ModelError) -> Int {
        guard document.obliviousTrees != nil || document.trees != nil else {
            throw file.invalid("no 'oblivious_trees' and no 'trees' in the file")
        }
        let isMulti = ["MultiClass", "MultiClassOneVsAll"].contains(document.loss)
        let told = [document.classOfDimension.count, document.classNames.count]
        let classes = told.first { $0 > 0 } ?? 1
        let count = max(document.bias.count, isMulti ? classes : 1)
        guard count <= Self.targetLimit else {
            throw file.invalid("\(count) dimensions; at most \(Self.targetLimit)")
        }
        guard document.bias.count <= 1 || document.bias.count == count else {
            throw file.invalid("\(document.bias.count) biases for \(count) classes")
        }
        return count
    }

    private func question(
        _ split: CatBoostTrees.Split, _ columns: Columns
    ) throws(CatBoostTrees.Failure) -> CatBoostTrees.Question {
        switch split.kind {
        case "FloatFeature":
            guard columns.numeric.indices.contains(split.feature) else {
                throw .tree("a split on numeric feature \(split.feature), which is not there")
            }
            guard !split.border.isNaN else { throw .tree("a split without a border") }
            return CatBoostTrees.Question(
                feature: columns.numeric[split.feature],
                comparison: .lessOrEqual, threshold: Double(split.border),
                missing: document.numeric[split.feature].missing, isRightWhenTrue: false)
        case "OneHotFeature":
            guard columns.categorical.indices.contains(split.feature),
                let column = columns.categorical[split.feature]
            else {
                throw .tree("a split on category \(split.feature), which is not there")
            }
            return CatBoostTrees.Question(
                feature: column, comparison: .equal, threshold: try category(split, columns),
                missing: .compared, isRightWhenTrue: true)
        case "OnlineCtr":
            throw .unsupported(
                "categorical features by their statistics (ctr), which need all categories of the "
                    + "training data; train with a one_hot_max_size above the number of "
                    + "categories, or encode them before")
        default: throw .unsupported("a split of the kind '\(split.kind)' does not run here")
        }
    }

    /// What a category is in the matrix; the file has it by its hash.
    private func category(
        _ split: CatBoostTrees.Split, _ columns: Columns
    ) throws(CatBoostTrees.Failure) -> Double {
        let feature = document.categorical[split.feature]
        let name = feature.name.isEmpty ? String(feature.flatIndex) : feature.name
        let hash = UInt32(truncatingIfNeeded: split.value)
        guard let text = document.categoryTexts[hash] else {
            throw .unsupported(
                "categories of feature '\(name)' are known by their hashes only; save with "
                    + "save_model(..., format=\"json\", pool=train_pool)")
        }
        if let column = columns.categorical[split.feature], columns.texts[column] != nil {
            guard let place = feature.places[hash] else {
                throw .tree("a split on '\(text)', which is no value of feature '\(name)'")
            }
            return Double(place)
        }
        guard let number = Self.wholeNumber(text) else {
            throw .unsupported(
                "feature '\(name)' has categories that are texts ('\(text)'), but no name; give "
                    + "the features names when training")
        }
        return Double(number)
    }

    /// A category that is a whole number, and the only one that is this float32.
    static func wholeNumber(_ text: String) -> Int32? {
        guard let number = Int32(text), number.magnitude < 1 << 24, String(number) == text else {
            return nil
        }
        return number
    }

    // MARK: Outputs

    private func addOutputs(
        _ program: inout TreeProgram, raw: TreeProgram.Matrix, dimensions: Int
    ) throws(ModelError) {
        var raw = raw
        switch document.loss {
        case "MultiClass", "MultiClassOneVsAll":
            let classes = try classes(dimensions)
            let place = program.add(.greatest(raw))
            raw = spread(&program, raw, classes)
            let isSoftmax = document.loss == "MultiClass"
            let scores = program.add(
                isSoftmax ? .rowFunction(raw, .softmax) : .function(raw, .sigmoid))
            addClasses(&program, place: place, classes, scores: scores)
        case "Logloss", "CrossEntropy", "Focal":
            guard dimensions == 1 else {
                throw file.invalid("\(dimensions) dimensions for the loss \(document.loss)")
            }
            let classes = try classes(2)
            let score = program.add(.function(raw, .sigmoid))
            let place = try side(&program, raw)
            let both = program.add(.complement(score))
            addClasses(&program, place: place, classes, scores: both)
        case "MultiLogloss", "MultiCrossEntropy":
            let labels = try side(&program, raw)
            add(&program, "prediction", labels, isFlat: false)
            add(&program, "label", labels, isFlat: false)
            add(&program, "probabilities", program.add(.function(raw, .sigmoid)), isFlat: false)
        case "Poisson", "Tweedie":
            add(
                &program, "prediction", program.add(.function(raw, .exponential)),
                isFlat: dimensions == 1)
        case "RMSEWithUncertainty" where dimensions == 2:
            // The mean, and the variance from half its logarithm.
            let mean = program.add(.pick(raw, columns: [0]))
            let half = program.add(.pick(raw, columns: [1]))
            let log = program.add(.arithmetic(half, .multiply, constants: [2]))
            let variance = program.add(.function(log, .exponential))
            add(&program, "prediction", program.add(.join([mean, variance])), isFlat: false)
        default: add(&program, "prediction", raw, isFlat: dimensions == 1)
        }
        add(&program, "raw", raw, isFlat: dimensions == 1)
    }

    private func add(
        _ program: inout TreeProgram, _ name: String, _ matrix: TreeProgram.Matrix, isFlat: Bool
    ) {
        program.outputs.append(
            TreeProgram.Output(name: name, content: .numbers(matrix, isFlat: isFlat)))
    }

    /// 1 where a sum is above the file's probability threshold.
    private func side(
        _ program: inout TreeProgram, _ raw: TreeProgram.Matrix
    ) throws(ModelError) -> TreeProgram.Matrix {
        let limit = document.threshold ?? 0.5
        guard limit > 0, limit < 1 else {
            throw file.invalid("the probability threshold \(limit) is not between 0 and 1")
        }
        let side = program.add(.function(raw, .greater(than: -Glibc.log(1 / limit - 1))))
        return program.add(.cast(side, to: .int64))
    }

    // MARK: Classes

    /// The classes of a classifier.
    private struct Classes {
        var labels: [ClassLabel]
        /// By dimension of the sums, its place in `labels`; the others were never seen.
        var places: [Int]

        var areAllSeen: Bool { places.elementsEqual(labels.indices) }
    }

    /// - Parameter dimensions: classes that training saw.
    private func classes(_ dimensions: Int) throws(ModelError) -> Classes {
        let told = document.classOfDimension
        var labels = Self.labels(document.classNames)
        if labels.isEmpty, document.classCount > 0 {
            guard document.classCount <= Self.targetLimit else {
                throw file.invalid(
                    "classes_count is \(document.classCount); at most \(Self.targetLimit)")
            }
            labels = (0..<document.classCount).map { .integer($0) }
        }
        if labels.isEmpty {
            let all = told.isEmpty ? (0..<dimensions).map { Int64($0) } : told
            guard all.count == dimensions else {
                throw file.invalid(
                    "class_to_label has \(told.count) entries for \(dimensions) classes")
            }
            return Classes(labels: all.map { .integer($0) }, places: Array(all.indices))
        }
        let places = told.isEmpty ? Array(labels.indices) : told.map { Int(clamping: $0) }
        guard places.count == dimensions else {
            throw file.invalid(
                told.isEmpty
                    ? "\(labels.count) class names for \(dimensions) classes"
                    : "class_to_label has \(told.count) entries for \(dimensions) classes")
        }
        guard places.allSatisfy(labels.indices.contains), Set(places).count == places.count else {
            throw file.invalid("class_to_label does not fit \(labels.count) classes")
        }
        return Classes(labels: labels, places: places)
    }

    /// Whole numbers where all are.
    private static func labels(_ names: [CatBoostDocument.ClassName]) -> [ClassLabel] {
        let whole = names.compactMap { name -> Int64? in
            if case .number(let number) = name { Int64(exactly: number) } else { nil }
        }
        if whole.count == names.count { return whole.map { .integer($0) } }
        return names.map { name in
            switch name {
            case .number(let number): .text("\(number)")
            case .text(let text): .text(text)
            }
        }
    }

    /// The sums of all classes; of one that training never saw it is minus infinity, as CatBoost
    /// has it.
    private func spread(
        _ program: inout TreeProgram, _ raw: TreeProgram.Matrix, _ classes: Classes
    ) -> TreeProgram.Matrix {
        guard !classes.areAllSeen else { return raw }
        var columns = Array(repeating: 0, count: classes.labels.count)
        var addends = Array(repeating: -Double.infinity, count: classes.labels.count)
        for (dimension, place) in classes.places.enumerated() {
            columns[place] = dimension
            addends[place] = 0
        }
        let picked = program.add(.pick(raw, columns: columns))
        return program.add(.arithmetic(picked, .add, constants: addends))
    }

    /// What predict() says of a classifier is the class itself.
    ///
    /// - Parameter place: the dimension of the class, or the class itself of two.
    private func addClasses(
        _ program: inout TreeProgram, place: TreeProgram.Matrix, _ classes: Classes,
        scores: TreeProgram.Matrix
    ) {
        let seen = classes.places.map { classes.labels[$0] }
        for name in ["prediction", "label"] {
            program.outputs.append(TreeProgram.Output(name: name, content: .labels(place, seen)))
        }
        program.outputs.append(
            TreeProgram.Output(
                name: "probabilities", content: .numbers(scores, isFlat: false),
                classLabels: classes.labels))
    }

    // MARK: Facts

    private func facts(_ ensemble: TreeEnsemble) -> ModelFacts {
        var facts = ModelFacts(format: "CatBoost JSON")
        facts.producer = document.version.isEmpty ? "CatBoost" : "CatBoost \(document.version)"
        func note(_ key: String, _ value: String) {
            facts.notes.append(ModelFacts.Note(key: key, value: value))
        }
        if !document.loss.isEmpty { note("loss_function", document.loss) }
        note("trees", String(ensemble.roots.count))
        if document.trees != nil { note("tree_shape", "not symmetric") }
        return facts
    }
}
