/// What makes two splits share a column: they look at the same feature in the same way.
struct BinColumn: Sendable {
    /// How the column's bins come from the feature.
    enum Kind: Sendable, Equatable {
        /// How many of the thresholds are not above the value; a split goes right where its own is
        /// among them.
        case rank
        /// 1 where the value is this one.
        case equal(Double)
        /// 1 where the value's category is in the set.
        case member(set: Int, TreeEnsemble.CategoryReading)
        /// The value's category, for splits that look it up in sets of their own.
        case code(TreeEnsemble.CategoryReading)
        /// The same below 254, in which byte of a set of 256 bits it is, and which bit there.
        case codeByte(TreeEnsemble.CategoryReading)
        case codeBit(TreeEnsemble.CategoryReading)
    }

    /// What is done with values that are not there, for all splits of the column.
    struct Missing: Hashable, Sendable {
        /// They are above all thresholds, else below all.
        var isHigh = false
        /// NaN is 0 and not missing.
        var nanIsZero = false
        /// 0 is missing.
        var zeroIsMissing = false

        /// Below 8.
        var index: Int {
            (isHigh ? 1 : 0) + (nanIsZero ? 2 : 0) + (zeroIsMissing ? 4 : 0)
        }
    }

    let feature: Int
    var kind: Kind
    let missing: Missing
    /// Of a rank: sorted, each once, when the layout is done.
    var thresholds: [Double] = []
    /// Thresholds from which on those that came twice are thrown away: boosters that bin features
    /// ask for the same few a million times.
    private var sortFrom = 1 << 12

    init(feature: Int, kind: Kind, missing: Missing) {
        self.feature = feature
        self.kind = kind
        self.missing = missing
    }

    /// Adds a threshold, not NaN.
    mutating func note(_ threshold: Double) {
        if thresholds.count >= sortFrom {
            sortThresholds()
            sortFrom = max(sortFrom, 2 * thresholds.count)
        }
        thresholds.append(threshold)
    }

    /// Sorts the thresholds and leaves each once.
    mutating func sortThresholds() {
        var sorted = thresholds
        thresholds = []
        sorted.sort()
        var count = 0
        for threshold in sorted {
            // -0 and 0 are one threshold.
            if count > 0, sorted[count - 1] == threshold { continue }
            sorted[count] = threshold
            count += 1
        }
        sorted.removeSubrange(count...)
        thresholds = sorted
    }
}

/// A split as the kernel asks it: whether the column's bin is at least the threshold's rank. Where
/// it is, the row goes right, or, where `isSwapped`, to what the ensemble calls left.
struct Question {
    let kind: BinColumn.Kind
    let missing: BinColumn.Missing
    /// Of a rank; NaN is above every value.
    let threshold: Double
    let isSwapped: Bool

    fileprivate init(
        _ rule: TreeEnsemble.Rule, threshold: Double, comparing: TreeEnsemble.Precision
    ) {
        var isSwapped: Bool
        var limit = Double.nan
        if let reading = rule.reading {
            kind = .member(set: Int(threshold), reading)
            isSwapped = true
        } else {
            switch rule.comparison {
            case .less:
                isSwapped = false
                limit = Self.from(threshold, comparing, isAbove: false)
            case .lessOrEqual:
                isSwapped = false
                limit = Self.from(threshold, comparing, isAbove: true)
            case .greater:
                isSwapped = true
                limit = Self.from(threshold, comparing, isAbove: true)
            case .greaterOrEqual:
                isSwapped = true
                limit = Self.from(threshold, comparing, isAbove: false)
            case .equal: isSwapped = true
            case .notEqual: isSwapped = false
            }
            // No value is less, equal or greater than NaN: all go right.
            if threshold.isNaN, rule.comparison == .less || rule.comparison == .lessOrEqual {
                limit = -.infinity
            }
            let isFlag = rule.comparison == .equal || rule.comparison == .notEqual
            kind = isFlag ? .equal(Self.rounded(threshold, comparing)) : .rank
        }
        self.threshold = limit
        self.isSwapped = isSwapped
        missing = Self.missing(rule, isSwapped: isSwapped, isRank: kind == .rank)
    }

    /// The least value that is at least, or above, the threshold; NaN where there is none.
    private static func from(
        _ threshold: Double, _ comparing: TreeEnsemble.Precision, isAbove: Bool
    ) -> Double {
        let limit = rounded(threshold, comparing)
        guard isAbove else { return limit }
        if limit == .infinity { return .nan }
        return comparing == .float32 ? Double(Float(limit).nextUp) : limit.nextUp
    }

    private static func rounded(_ number: Double, _ comparing: TreeEnsemble.Precision) -> Double {
        comparing == .float32 ? Double(Float(number)) : number
    }

    private static func missing(
        _ rule: TreeEnsemble.Rule, isSwapped: Bool, isRank: Bool
    ) -> BinColumn.Missing {
        var missing = BinColumn.Missing()
        switch rule.missing {
        case .left: missing.isHigh = isSwapped
        case .right: missing.isHigh = !isSwapped
        case .compared:
            // The comparison is false: the ensemble's right. "Not equal" is true of NaN, which a
            // bin of 0 says already.
            missing.isHigh = isRank && !isSwapped
        case .zero: missing.nanIsZero = true
        case .zeroOrNaNLeft:
            missing.isHigh = isSwapped
            missing.zeroIsMissing = true
        case .zeroOrNaNRight:
            missing.isHigh = !isSwapped
            missing.zeroIsMissing = true
        }
        return missing
    }
}

extension TreeEnsemble {
    /// What a node asks. A method, as an initializer would take a copy of the ensemble for itself.
    func question(of node: Int) -> Question {
        Question(rules[node], threshold: thresholds[node], comparing: comparing)
    }
}
