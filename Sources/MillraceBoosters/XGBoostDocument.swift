import MillraceCore

/// The parts of an XGBoost model file around its trees, which `trees` reads when all is known: keys
/// come in the order of the alphabet, so that what the trees need stands behind them.
struct XGBoostDocument {
    var version: [Int32] = []
    var attributes: [(key: String, value: String)] = []
    var featureNames: [String] = []
    var featureTypes: [String] = []
    var objective = ""
    var booster = ""
    var baseScore = ""
    var classCount: Int64 = 0
    var targetCount: Int64 = 1
    var featureCount: Int64 = 0
    var parallelTrees: Int64 = 1
    /// The target of each tree.
    var treeTargets: [Int32] = []
    /// Where the trees of each iteration begin; empty before 2.0.
    var iterationStarts: [Int32] = []
    /// DART's, one a tree.
    var treeWeights: [Float] = []
    /// At the list of trees.
    var trees: DocumentReader?
    /// By feature, the values behind codes, where the file has them (3.1 on) and they can be told.
    var categories: [Int: Categories] = [:]

    init(_ bytes: [UInt8], isBinary: Bool) throws(DocumentError) {
        var reader = DocumentReader(bytes, isBinary: isBinary)
        var hasLearner = false
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "learner":
                hasLearner = true
                try readLearner(&reader)
            case "version": try reader.integers(into: &version)
            default: try reader.skip()
            }
        }
        try reader.finish()
        guard hasLearner else { throw reader.failure("no 'learner' in the file", at: 0) }
    }

    private mutating func readLearner(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "attributes":
                try reader.beginObject()
                while let name = try reader.nextKey() {
                    if try reader.kind() == .text {
                        attributes.append((name, try reader.text()))
                    } else {
                        try reader.skip()
                    }
                }
            case "feature_names": featureNames = try reader.texts()
            case "feature_types": featureTypes = try reader.texts()
            case "gradient_booster": try readBooster(&reader)
            case "learner_model_param": try readParameters(&reader)
            case "objective":
                try reader.beginObject()
                while let name = try reader.nextKey() {
                    if name == "name" { objective = try reader.text() } else { try reader.skip() }
                }
            default: try reader.skip()
            }
        }
    }

    private mutating func readParameters(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "base_score": baseScore = try reader.text()
            case "num_class": classCount = try reader.looseInteger()
            case "num_target": targetCount = try reader.looseInteger()
            case "num_feature": featureCount = try reader.looseInteger()
            default: try reader.skip()
            }
        }
    }

    /// DART's booster has that of plain trees within it.
    private mutating func readBooster(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "name": booster = try reader.text()
            case "model": try readModel(&reader)
            case "weight_drop": try reader.floats(into: &treeWeights)
            case "gbtree":
                try reader.beginObject()
                while let inner = try reader.nextKey() {
                    if inner == "model" { try readModel(&reader) } else { try reader.skip() }
                }
            default: try reader.skip()
            }
        }
    }

    private mutating func readModel(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "gbtree_model_param":
                try reader.beginObject()
                while let name = try reader.nextKey() {
                    if name == "num_parallel_tree" {
                        parallelTrees = try reader.looseInteger()
                    } else {
                        try reader.skip()
                    }
                }
            case "tree_info": try reader.integers(into: &treeTargets)
            case "iteration_indptr": try reader.integers(into: &iterationStarts)
            case "trees":
                trees = try reader.fork()
                try reader.skip()
            case "cats": try readCategories(&reader)
            default: try reader.skip()
            }
        }
    }

    private mutating func readCategories(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard key == "enc" else {
                try reader.skip()
                continue
            }
            var feature = 0
            try reader.beginArray()
            while try reader.nextElement() {
                try readCategories(&reader, of: feature)
                feature += 1
            }
        }
    }

    /// Texts as bytes with the place where each begins, or numbers with their type.
    private mutating func readCategories(
        _ reader: inout DocumentReader, of feature: Int
    ) throws(DocumentError) {
        var starts: [Int32] = []
        var values: [Double] = []
        var areNumbers = false
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "offsets": try reader.integers(into: &starts)
            case "values": try reader.doubles(into: &values)
            case "type":
                areNumbers = true
                try reader.skip()
            default: try reader.skip()
            }
        }
        if areNumbers {
            // Of greater ones several integers are one float64.
            let areApart = values.allSatisfy { $0.magnitude < 0x1p53 }
            if !values.isEmpty, areApart { categories[feature] = .numbers(values) }
            return
        }
        guard starts.count > 1 else { return }
        let bytes = values.map { UInt8(truncatingIfNeeded: Int(exactly: $0) ?? 0) }
        // XGBoost's Python package counts characters where it should count bytes, so that beside a
        // text in another script all texts begin in wrong places, and the last ones are cut off.
        guard bytes.allSatisfy({ $0 < 0x80 }) else { return }
        var texts: [String] = []
        for (start, end) in zip(starts, starts.dropFirst()) {
            guard start >= 0, start <= end, end <= bytes.count else { return }
            texts.append(String(decoding: bytes[Int(start)..<Int(end)], as: UTF8.self))
        }
        categories[feature] = .texts(texts)
    }

    /// The value of an attribute that `Booster.set_attr` or training has left.
    func attribute(_ key: String) -> String? { attributes.last { $0.key == key }?.value }

    /// `base_score` as numbers: "5E-1", or "[5E-1,2E0]"; nil where it is neither.
    var baseScores: [Float]? {
        if baseScore.isEmpty { return [0.5] }
        let bytes = Array(baseScore.utf8)
        var reader = DocumentReader(bytes, isBinary: false)
        var scores: [Float] = []
        do throws(DocumentError) {
            if bytes.first == UInt8(ascii: "[") {
                try reader.floats(into: &scores)
            } else {
                scores = [try reader.float()]
            }
            try reader.finish()
        } catch {
            return nil
        }
        return scores
    }
}
