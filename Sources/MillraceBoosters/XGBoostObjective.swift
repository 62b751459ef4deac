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

    enum Base: Equatable { case asIs, logit, log }

    /// Nil for an objective that is not known.
    ///
    /// - Parameter isBefore13: whether a version before 1.3 wrote the file.
    init?(name: String, isBefore13: Bool) {
        self.name = name
        switch name {
        case "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror",
            "reg:absoluteerror", "reg:quantileerror", "rank:pairwise", "rank:ndcg", "rank:map":
            (link, base, isClassifier) = (.identity, .asIs, false)
        case "reg:logistic": (link, base, isClassifier) = (.logistic, .logit, false)
        case "binary:logistic": (link, base, isClassifier) = (.logistic, .logit, true)
        // From 1.3 on its base_score is taken for a margin, alone among the logistic ones.
        case "binary:logitraw":
            (link, base, isClassifier) = (.identity, isBefore13 ? .logit : .asIs, true)
        case "binary:hinge": (link, base, isClassifier) = (.hinge, .asIs, true)
        case "multi:softprob": (link, base, isClassifier) = (.softmax, .asIs, true)
        case "multi:softmax": (link, base, isClassifier) = (.softmaxClass, .asIs, true)
        case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft":
            (link, base, isClassifier) = (.exponential, .log, false)
        default: return nil
        }
    }

    /// The margin of a `base_score`, in float32 as the library computes it; nil where it has none.
    func margin(_ score: Float) -> Float? {
        switch base {
        case .asIs: return score.isNaN ? nil : score
        case .logit: return score > 0 && score < 1 ? -logf(1 / score - 1) : nil
        case .log: return score > 0 && score.isFinite ? logf(score) : nil
        }
    }
}
