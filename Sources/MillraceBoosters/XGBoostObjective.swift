import Glibc

/// What an XGBoost objective does with the sums of trees.
struct XGBoostObjective: Equatable {
    /// From the margin to what `Booster.predict` gives.
    enum Link: Equatable { case identity, logistic, exponential, hinge, softmax, softmaxClass }

    let name: String
    let link: Link
    /// How `base_score` becomes a margin.
    let base: Base
    /// Whether the predictions tell a class.
    let isClassifier: Bool
    /// What `base_score` is kept within, so that a model whose labels are all alike has a margin.
    private let baseRange: ClosedRange<Float>?

    enum Base: Equatable { case asIs, logit, log }

    /// Nil for an objective that is not known.
    ///
    /// - Parameter version: of the library that wrote the file; empty where it does not say.
    init?(name: String, version: [Int32]) {
        self.name = name
        let isProbability = ["reg:logistic", "binary:logistic"].contains(name)
        baseRange =
            isProbability && !version.lexicographicallyPrecedes([3, 2]) ? 1e-6...(1 - 1e-6) : nil
        switch name {
        case "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror",
            "reg:absoluteerror", "reg:quantileerror", "rank:pairwise", "rank:ndcg", "rank:map":
            (link, base, isClassifier) = (.identity, .asIs, false)
        case "reg:logistic": (link, base, isClassifier) = (.logistic, .logit, false)
        case "binary:logistic": (link, base, isClassifier) = (.logistic, .logit, true)
        // From 1.3 on its base_score is taken for a margin, alone among the logistic ones.
        case "binary:logitraw":
            (link, base, isClassifier) = (
                .identity, Self.isBefore13(version) ? .logit : .asIs, true
            )
        case "binary:hinge": (link, base, isClassifier) = (.hinge, .asIs, true)
        case "multi:softprob": (link, base, isClassifier) = (.softmax, .asIs, true)
        case "multi:softmax": (link, base, isClassifier) = (.softmaxClass, .asIs, true)
        case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft":
            (link, base, isClassifier) = (.exponential, .log, false)
        default: return nil
        }
    }

    /// Whether the library was older than 1.3; false where the file does not say.
    static func isBefore13(_ version: [Int32]) -> Bool {
        !version.isEmpty && version.lexicographicallyPrecedes([1, 3])
    }

    /// The margin of a `base_score`, in float32 as the library computes it; nil where it has none.
    func margin(_ score: Float) -> Float? {
        switch base {
        case .asIs: return score.isFinite ? score : nil
        case .logit:
            guard score >= 0, score <= 1 else { return nil }
            let inside = baseRange.map { min(max(score, $0.lowerBound), $0.upperBound) } ?? score
            return inside > 0 && inside < 1 ? -logf(1 / inside - 1) : nil
        // Where all counts were 0 it is minus infinity.
        case .log: return score >= 0 && score.isFinite ? logf(score) : nil
        }
    }
}
