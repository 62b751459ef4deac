/// What stands before a LightGBM file's trees.
struct LightGBMHeader {
    /// What `feature_infos` says about a feature.
    enum FeatureInfo: Equatable {
        /// It had one value only.
        case none
        /// The least and the greatest number that training saw; NaN where the file is not clear.
        case numeric(least: Double, greatest: Double)
        /// The greatest category that training saw.
        case categories(greatest: Int)
    }

    /// Greatest numbers of targets and features: a file of a few bytes must not take much memory.
    static let targetLimit = 1 << 16
    static let featureLimit = 1 << 24

    /// 2, 3 or 4; nil where the file has none, as before LightGBM 2.0.12.
    private(set) var version: Int?
    private(set) var classCount = 1
    /// Trees of one iteration, one a target.
    private(set) var targetCount = 1
    /// Nil where the file has none: only raw scores can be told.
    private(set) var objective: String?
    private(set) var objectiveLine = 0
    /// A random forest: the mean of its iterations counts.
    private(set) var isAverage = false
    private(set) var featureNames: [String] = []
    /// Empty where the file has none.
    private(set) var featureInfos: [FeatureInfo] = []
    /// Bytes of each tree; nil where the file has none.
    private(set) var treeSizes: [Int]?

    var featureCount: Int { featureNames.count }

    /// Reads up to the first tree, or the end of trees.
    init(_ text: inout LightGBMText) throws(LightGBMError) {
        var values = try Self.values(&text)
        version = try Self.version(values["version"], text)
        func take(_ key: String) -> LightGBMValue? { values.removeValue(forKey: key) }
        func count(_ key: String, limit: Int) throws(LightGBMError) -> Int? {
            guard let value = take(key) else { return nil }
            let count = try text.integer(value, key)
            guard count >= 1, count <= limit else {
                throw LightGBMError(
                    line: value.line, "\(key)=\(count); 1 to \(limit) are possible")
            }
            return count
        }
        guard let classes = try count("num_class", limit: Self.targetLimit) else {
            throw LightGBMError(line: text.line, "the header has no num_class")
        }
        classCount = classes
        targetCount = try count("num_tree_per_iteration", limit: Self.targetLimit) ?? classes
        if let value = take("objective") {
            objective = text.text(value.range)
            objectiveLine = value.line
        }
        isAverage = take("average_output") != nil
        featureNames = try Self.names(take("feature_names"), text)
        guard let last = take("max_feature_idx") else {
            throw LightGBMError(line: text.line, "the header has no max_feature_idx")
        }
        let greatest = try text.integer(last, "max_feature_idx")
        guard greatest >= 0, greatest < Self.featureLimit, featureNames.count == greatest + 1 else {
            throw LightGBMError(
                line: last.line,
                "max_feature_idx=\(greatest), but feature_names has \(featureNames.count) names")
        }
        if let value = take("feature_infos") {
            featureInfos = text.words(value.range).map { Self.info($0, text) }
            guard featureInfos.count == featureNames.count else {
                throw LightGBMError(
                    line: value.line,
                    "\(featureInfos.count) feature_infos for \(featureNames.count) features")
            }
        }
        if let value = take("tree_sizes") {
            var sizes: [Int] = []
            try text.integers(value, "tree_sizes", into: &sizes)
            treeSizes = sizes
        }
    }

    private static func values(
        _ text: inout LightGBMText
    ) throws(LightGBMError) -> [String: LightGBMValue] {
        guard let first = try text.next(), text.text(first) == "tree" else {
            throw LightGBMError(line: 1, "not a LightGBM model (it does not begin with 'tree')")
        }
        var values: [String: LightGBMValue] = [:]
        while let line = try text.peek(), !LightGBMLoader.endsTree(line, text) {
            _ = try text.next()
            if line.isEmpty { continue }
            let (key, value) =
                text.keyAndValue(line) ?? (
                    text.text(line), LightGBMValue(line: text.line, range: line)
                )
            guard values.updateValue(value, forKey: key) == nil else {
                throw LightGBMError(line: text.line, "a second \(key)")
            }
        }
        return values
    }

    private static func version(
        _ value: LightGBMValue?, _ text: LightGBMText
    ) throws(LightGBMError) -> Int? {
        guard let value else { return nil }
        switch text.text(value.range) {
        case "v2": return 2
        case "v3": return 3
        case "v4": return 4
        case let other:
            throw LightGBMError(
                line: value.line, "format version '\(other.prefix(40))'; v2, v3 and v4 are known")
        }
    }

    private static func names(
        _ value: LightGBMValue?, _ text: LightGBMText
    ) throws(LightGBMError) -> [String] {
        guard let value else {
            throw LightGBMError(line: text.line, "the header has no feature_names")
        }
        var names: [String] = []
        var seen: Set<String> = []
        for word in text.words(value.range) {
            guard let name = String(validating: text.bytes[word], as: UTF8.self) else {
                throw LightGBMError(
                    line: value.line, "the name of feature \(names.count) is not UTF-8")
            }
            guard seen.insert(name).inserted else {
                throw LightGBMError(line: value.line, "two features are named '\(name)'")
            }
            names.append(name)
        }
        return names
    }

    private static func info(_ word: Range<Int>, _ text: LightGBMText) -> FeatureInfo {
        if text.starts(word, with: "[") {
            let ends = text.text(word).dropFirst().dropLast().split(separator: ":")
                .map { Double($0) ?? .nan }
            return .numeric(least: ends.first ?? .nan, greatest: ends.last ?? .nan)
        }
        if text.starts(word, with: "none") { return .none }
        let greatest = text.text(word).split(separator: ":").compactMap { Int($0) }.max()
        return .categories(greatest: greatest ?? 0)
    }
}
