package import MillraceCore

/// What a model of trees computes, from its inputs to its outputs: steps over matrices with a row
/// for each record of a batch. Made by a loader, run by `TreeSession`.
package struct TreeProgram: Sendable {
    /// The matrix that the step of this index makes.
    package typealias Matrix = Int

    /// Element types of matrices.
    package enum Number: Sendable, Equatable { case float32, float64, int64 }

    /// Norms of ai.onnx.ml's Normalizer.
    package enum Norm: Sendable, Equatable { case max, l1, l2 }

    /// Functions of one number, computed in the matrix's own type.
    package enum Function: Sendable, Equatable {
        /// 1 / (1 + exp(-|x|)), and 1 minus that where x is negative: ai.onnx.ml's LOGISTIC as
        /// ONNX Runtime computes it. It is exactly 0 where the true value is far below 1.
        case logistic
        /// 1 / (1 + exp(-x)), as the boosting libraries compute it.
        case sigmoid
        /// sqrt(2) * erfinv(2x - 1), ai.onnx.ml's PROBIT.
        case probit
        case exponential
        case absolute, negative, log, squareRoot
        /// log(1 + exp(x)).
        case softplus
        /// 1 where the number is greater than this, else 0.
        case greater(than: Double)
        /// 1 where the number is less than this, else 0.
        case less(than: Double)
        /// 0 where the number is 0, else 1, so for NaN.
        case nonzero
        /// 0 where the number's magnitude is at most this.
        case zero(atMost: Double)
    }

    /// Functions of a whole row.
    package enum RowFunction: Sendable, Equatable {
        case softmax
        /// Softmax over the numbers whose magnitude is above 1e-7; the others are only scaled
        /// (ai.onnx.ml's SOFTMAX_ZERO).
        case softmaxZero
        case normalized(Norm)
    }

    /// Arithmetic with constants, one a column, or a single one for all.
    package enum Arithmetic: Sendable, Equatable { case add, subtract, multiply, divide }

    /// One step. A matrix that it reads was made by a step before it.
    package enum Step: Sendable {
        /// The model input of this index: a row's elements in a row. A bool is 0 or 1; of integer
        /// types the values. Not for strings.
        case input(Int, as: Number)
        case cast(Matrix, to: Number)
        /// float64: the place of each text of the string input of this index in the list; NaN where
        /// it is none of them. nil has a place that no text finds.
        case encodeTexts(Int, [String?])
        /// float64: the place of each number, a float64, in the list; NaN where it is none of them.
        case encodeNumbers(Matrix, [Double])
        /// Columns side by side; all of one type.
        case join([Matrix])
        case pick(Matrix, columns: [Int])
        /// Values equal to `replaced`, or NaN where that is NaN, become the column's value; one a
        /// column, or a single one for all.
        case impute(Matrix, replaced: Double, values: [Double])
        case arithmetic(Matrix, Arithmetic, constants: [Double])
        /// As many columns as the ensemble has targets, in the type that it sums in. The matrix
        /// has the type that it compares in, and a column for each feature.
        case trees(Matrix, TreeEnsemble)
        case function(Matrix, Function)
        case rowFunction(Matrix, RowFunction)
        /// Two matrices of the same shape and type, element by element.
        case combine(Matrix, Arithmetic, Matrix)
        /// int64: the index of the first greatest number of the row.
        case greatest(Matrix)
        /// One column, as the two columns [1 - x, x].
        case complement(Matrix)
        /// The same for raw scores: [-x, x] (a binary classifier's two scores).
        case opposite(Matrix)
    }

    /// One output of the model.
    package struct Output: Sendable {
        /// What the rows of an output hold.
        package enum Content: Sendable {
            /// The matrix's numbers as they are; [N] where `isFlat` and it has one column,
            /// else [N,k].
            case numbers(Matrix, isFlat: Bool)
            /// The matrix's int64 numbers are indices into these labels, all of one kind; gives
            /// int64 or strings, [N] where it has one column.
            case labels(Matrix, [ClassLabel])
        }

        package let name: String
        package let content: Content
        /// Labels of the row's elements, where it is the scores of classes.
        package let classLabels: [ClassLabel]?

        package init(name: String, content: Content, classLabels: [ClassLabel]? = nil) {
            self.name = name
            self.content = content
            self.classLabels = classLabels
        }
    }

    package let inputs: [ModelInput]
    package private(set) var steps: [Step] = []
    package var outputs: [Output] = []
    /// What the file says about itself.
    package var facts: ModelFacts

    package init(inputs: [ModelInput], facts: ModelFacts) {
        self.inputs = inputs
        self.facts = facts
    }

    /// Adds a step; the matrix that it makes.
    package mutating func add(_ step: Step) -> Matrix {
        steps.append(step)
        return steps.count - 1
    }

    /// Lets go of the ensemble of a step, once it is laid out.
    mutating func emptyEnsemble(of step: Int) {
        guard case .trees(let matrix, let old) = steps[step] else { return }
        steps[step] = .trees(
            matrix,
            TreeEnsemble(
                featureCount: old.featureCount, targetCount: old.targetCount,
                comparing: old.comparing, summing: old.summing))
    }
}
