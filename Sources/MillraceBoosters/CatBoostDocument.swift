import MillraceTrees

/// The parts of a CatBoost JSON export; trees are read when all else is known.
struct CatBoostDocument {
    /// A column of the training data.
    struct Feature {
        var name = ""
        /// Among all columns.
        var flatIndex = 0
        /// Among those of its kind: what splits name it by.
        var index = 0
        var missing = TreeEnsemble.Missing.left
        /// Hashes of the categories that splits ask for.
        var asked: [UInt32] = []
        /// Where each of them stands there.
        var places: [UInt32: Int] = [:]
    }

    var numeric: [Feature] = []
    var categorical: [Feature] = []
    /// Texts of categories by their hash.
    var categoryTexts: [UInt32: String] = [:]
    /// Kinds of features that no split of ours can ask for.
    var otherFeatures: [String] = []
    var loss = ""
    var version = ""
    var classNames: [ClassName] = []
    /// Of `class_to_label`, by dimension of the sums: which class it is of; the class itself where
    /// the file has neither names nor `classCount`.
    var classOfDimension: [Int64] = []
    /// Of `classes_count`: classes 0, 1, ... that training was told of; 0 where it was not.
    var classCount: Int64 = 0
    /// Of `set_probability_threshold`.
    var threshold: Double?
    var scale = 1.0
    var bias: [Double] = []
    /// At the list of oblivious trees, or of others.
    var obliviousTrees: DocumentReader?
    var trees: DocumentReader?

    /// A class as the training data had it.
    enum ClassName: Equatable {
        case number(Double)
        case text(String)
    }

    init(_ bytes: [UInt8]) throws(DocumentError) {
        var reader = DocumentReader(bytes, isBinary: false)
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "features_info": try readFeatures(&reader)
            case "model_info": try readInformation(&reader)
            case "scale_and_bias": try readScale(&reader)
            case "oblivious_trees":
                obliviousTrees = try reader.fork()
                try reader.skip()
            case "trees":
                trees = try reader.fork()
                try reader.skip()
            default: try reader.skip()
            }
        }
        try reader.finish()
    }

    // MARK: Features

    private mutating func readFeatures(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "float_features": numeric = try Self.features(&reader)
            case "categorical_features": categorical = try Self.features(&reader)
            case "cat_features_hash": try readHashes(&reader)
            case "ctrs": try reader.skip()
            default:
                guard try reader.beginArrayUnlessNull() else { continue }
                var isEmpty = true
                while try reader.nextElement() {
                    isEmpty = false
                    try reader.skip()
                }
                if !isEmpty { otherFeatures.append(key) }
            }
        }
    }

    private static func features(
        _ reader: inout DocumentReader
    ) throws(DocumentError) -> [Feature] {
        var features: [Feature] = []
        guard try reader.beginArrayUnlessNull() else { return [] }
        while try reader.nextElement() {
            var feature = Feature()
            let start = reader.position
            try reader.beginObject()
            while let key = try reader.nextKey() {
                switch key {
                case "feature_id", "feature_name":
                    let name = try reader.text()
                    if !name.isEmpty { feature.name = name }
                case "flat_feature_index":
                    feature.flatIndex = Int(truncatingIfNeeded: try reader.integer())
                case "feature_index": feature.index = Int(truncatingIfNeeded: try reader.integer())
                case "nan_value_treatment":
                    // "As is" is never above a border, as NaN is above nothing.
                    feature.missing = try reader.text() == "AsTrue" ? .right : .left
                case "values":
                    guard try reader.beginArrayUnlessNull() else { continue }
                    while try reader.nextElement() {
                        let hash = UInt32(truncatingIfNeeded: try reader.integer())
                        if feature.places.updateValue(feature.asked.count, forKey: hash) == nil {
                            feature.asked.append(hash)
                        }
                    }
                default: try reader.skip()
                }
            }
            guard feature.flatIndex >= 0, feature.flatIndex < CatBoostLoader.featureLimit,
                feature.index == features.count
            else { throw reader.failure("a feature whose index is out of order", at: start) }
            features.append(feature)
        }
        return features
    }

    private mutating func readHashes(_ reader: inout DocumentReader) throws(DocumentError) {
        guard try reader.beginArrayUnlessNull() else { return }
        while try reader.nextElement() {
            var hash: UInt32?
            var text = ""
            try reader.beginObject()
            while let key = try reader.nextKey() {
                switch key {
                case "hash": hash = UInt32(truncatingIfNeeded: try reader.integer())
                case "value": text = try reader.text()
                default: try reader.skip()
                }
            }
            if let hash { categoryTexts[hash] = text }
        }
    }

    // MARK: What the model is

    private mutating func readInformation(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "class_params", "multiclass_params": try readClasses(&reader)
            case "params":
                // Older versions have a text with JSON in it.
                if try reader.kind() == .text {
                    var inner = DocumentReader(Array(try reader.text().utf8), isBinary: false)
                    try readParameters(&inner)
                } else {
                    try readParameters(&reader)
                }
            case "catboost_version_info": version = Self.version(try reader.text())
            case "binclass_probability_threshold":
                threshold =
                    try reader.kind() == .text ? Double(try reader.text()) : try reader.double()
            default: try reader.skip()
            }
        }
    }

    /// From "... CatBoost release 1.2.10. commit_hash ...", or from "tags/v1.2.10".
    private static func version(_ text: String) -> String {
        let words = text.split { $0 == " " || $0 == "\n" }
        for (index, word) in words.enumerated() {
            if word == "release", index + 1 < words.count, words[index + 1].first?.isNumber == true
            {
                return String(words[index + 1].drop { $0 == "." }.trimmingDot)
            }
            if word.hasPrefix("tags/v") { return String(word.dropFirst(6)) }
        }
        return ""
    }

    private mutating func readClasses(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "class_names":
                classNames = []
                guard try reader.beginArrayUnlessNull() else { continue }
                while try reader.nextElement() { classNames.append(try Self.className(&reader)) }
            case "class_to_label":
                classOfDimension = []
                guard try reader.beginArrayUnlessNull() else { continue }
                while try reader.nextElement() {
                    // Whatever way it is written: 2 or 2.0.
                    guard let number = Int64(exactly: try reader.double()) else {
                        throw reader.failure("a class that is no whole number")
                    }
                    classOfDimension.append(number)
                }
            case "classes_count": classCount = try reader.integer()
            default: try reader.skip()
            }
        }
    }

    private static func className(
        _ reader: inout DocumentReader
    ) throws(DocumentError) -> ClassName {
        switch try reader.kind() {
        case .text: .text(try reader.text())
        // As version 1.2 wrote them.
        case .truth: .text(try reader.integer() != 0 ? "True" : "False")
        default: .number(try reader.double())
        }
    }

    private mutating func readParameters(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard key == "loss_function" else {
                try reader.skip()
                continue
            }
            guard try reader.kind() == .object else {
                loss = String(try reader.text().prefix { $0 != ":" })
                continue
            }
            try reader.beginObject()
            while let inner = try reader.nextKey() {
                if inner == "type" { loss = try reader.text() } else { try reader.skip() }
            }
        }
    }

    /// [scale, [bias, ...]], or [scale, bias] in older versions.
    private mutating func readScale(_ reader: inout DocumentReader) throws(DocumentError) {
        try reader.beginArray()
        var place = 0
        while try reader.nextElement() {
            switch place {
            case 0: scale = try reader.double()
            case 1 where try reader.kind() == .array: try reader.doubles(into: &bias)
            case 1: bias = [try reader.double()]
            default: try reader.skip()
            }
            place += 1
        }
    }
}

extension Substring {
    /// Without the full stop behind it.
    fileprivate var trimmingDot: Substring { hasSuffix(".") ? dropLast() : self }
}
