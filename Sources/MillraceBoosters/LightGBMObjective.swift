import MillraceCore
import MillraceTrees

/// What a LightGBM objective makes of raw scores.
struct LightGBMObjective: Equatable {
    enum Conversion: Equatable {
        case identity
        /// sign(x) * x * x
        case signedSquare
        case exponential
        /// 1 / (1 + exp(-factor * x)), of each column.
        case sigmoid(factor: Double)
        case softmax
        /// log(1 + exp(x))
        case softplus
    }

    /// As the file has it, with its options.
    let text: String
    private(set) var conversion: Conversion
    /// Binary, or one column a class.
    let isClassifier: Bool
    /// For an objective of several classes.
    let classCount: Int?

    /// Raw scores only: the file names no objective.
    static let none = LightGBMObjective(
        text: "none", conversion: .identity, isClassifier: false, classCount: nil)

    private init(text: String, conversion: Conversion, isClassifier: Bool, classCount: Int?) {
        self.text = text
        self.conversion = conversion
        self.isClassifier = isClassifier
        self.classCount = classCount
    }

    /// Nil where the objective or one of its numbers is not known.
    init?(_ text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard let name = words.first else { return nil }
        var options: [String: String] = [:]
        for word in words.dropFirst() {
            let parts = word.split(separator: ":", maxSplits: 1).map(String.init)
            options[parts[0]] = parts.count == 2 ? parts[1] : ""
        }
        let factor = options["sigmoid"].map { Double($0) ?? 0 } ?? 1
        let classes = options["num_class"].map { Int($0) ?? 0 }
        guard factor > 0, factor.isFinite, classes ?? 1 > 0 else { return nil }
        let square: Conversion = options["sqrt"] != nil ? .signedSquare : .identity
        let kind: (Conversion, isClassifier: Bool)
        switch name {
        case "regression", "regression_l1", "fair", "quantile", "mape": kind = (square, false)
        case "huber", "lambdarank", "rank_xendcg", "custom", "none": kind = (.identity, false)
        case "poisson", "gamma", "tweedie": kind = (.exponential, false)
        case "cross_entropy", "xentropy": kind = (.sigmoid(factor: 1), false)
        case "cross_entropy_lambda", "xentlambda": kind = (.softplus, false)
        case "binary": kind = (.sigmoid(factor: factor), true)
        case "multiclass": kind = (.softmax, true)
        case "multiclassova": kind = (.sigmoid(factor: factor), true)
        default: return nil
        }
        let isMulti = name.hasPrefix("multiclass")
        if isMulti && classes == nil { return nil }
        self.init(
            text: text, conversion: kind.0, isClassifier: kind.isClassifier,
            classCount: isMulti ? classes : nil)
    }

    /// For files from before LightGBM 2.0.7, where poisson predicts the raw score.
    mutating func dropExponential() {
        if conversion == .exponential { conversion = .identity }
    }

    /// The matrix of what `Booster.predict` gives, from that of raw scores.
    func convert(
        _ raw: TreeProgram.Matrix, in program: inout TreeProgram
    ) -> TreeProgram.Matrix {
        switch conversion {
        case .identity: return raw
        case .signedSquare:
            let size = program.add(.function(raw, .absolute))
            return program.add(.combine(raw, .multiply, size))
        case .exponential: return program.add(.function(raw, .exponential))
        case .sigmoid(let factor):
            let scaled =
                factor == 1 ? raw : program.add(.arithmetic(raw, .multiply, constants: [factor]))
            return program.add(.function(scaled, .sigmoid))
        case .softmax: return program.add(.rowFunction(raw, .softmax))
        case .softplus: return program.add(.function(raw, .softplus))
        }
    }

    /// Whether a leaf value of a random forest before LightGBM 2.2.3, which put converted values
    /// into leaves, could be as great or small as this.
    func couldBeConverted(least: Double, greatest: Double) -> Bool {
        switch conversion {
        case .identity: false
        case .sigmoid, .softmax: least >= 0 && greatest <= 1
        case .signedSquare: true
        case .exponential, .softplus: least >= 0
        }
    }
}
