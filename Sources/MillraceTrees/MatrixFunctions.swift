// The formulas of ONNX Runtime's core/providers/cpu/ml/ml_common.h and normalizer.cc, step by step
// in the same order, so that results agree to the last bits; in the matrix's own type, where ONNX
// Runtime has float32 only.

extension TreeProgram.Function {
    func of<Number: RealNumber>(_ x: Number) -> Number {
        switch self {
        case .logistic:
            let half = 1 / (1 + Number.exponential(-x.magnitude))
            return x < 0 ? 1 - half : half
        case .sigmoid: return 1 / (1 + Number.exponential(-x))
        case .probit: return Number(1.414_213_56 as Float) * Self.inverseError(2 * x - 1)
        case .exponential: return Number.exponential(x)
        case .absolute: return x.magnitude
        case .negative: return -x
        case .log: return Number.logarithm(x)
        case .squareRoot: return x.squareRoot()
        case .softplus:
            let power = Number.exponential(x)
            return power.isInfinite ? x : Number.logarithmOfOnePlus(power)
        case .greater(let limit): return x > Number(double: limit) ? 1 : 0
        case .less(let limit): return x < Number(double: limit) ? 1 : 0
        case .nonzero: return x == 0 ? 0 : 1
        case .zero(let limit): return x.magnitude <= Number(double: limit) ? 0 : x
        }
    }

    /// Of the functions that are defined for whole numbers; else 0, `ProgramCheck` sees to it.
    func of(_ x: Int64) -> Int64 {
        switch self {
        case .absolute: x < 0 ? 0 &- x : x
        case .negative: 0 &- x
        case .greater(let limit): Self.isAbove(limit, x) ? 1 : 0
        case .less(let limit): Self.isBelow(limit, x) ? 1 : 0
        case .nonzero: x == 0 ? 0 : 1
        default: 0
        }
    }

    // Exact where the limit lies between whole numbers, beyond all of them, or is NaN, and where
    // float64 does not hold the whole number.

    private static func isAbove(_ limit: Double, _ x: Int64) -> Bool {
        let floor = limit.rounded(.down)
        guard let whole = Int64(exactly: floor) else { return floor < 0 }
        return x > whole
    }

    private static func isBelow(_ limit: Double, _ x: Int64) -> Bool {
        let ceiling = limit.rounded(.up)
        guard let whole = Int64(exactly: ceiling) else { return ceiling > 0 }
        return x < whole
    }

    /// The inverse of the error function after Winitzki ("A handy approximation for the error
    /// function and its inverse", 2008) with a = 0.147.
    private static func inverseError<Number: RealNumber>(_ x: Number) -> Number {
        let a = Number(0.147 as Float)
        let log = Number.logarithm((1 - x) * (1 + x))
        let first = 2 / (Number(Float.pi) * a) + log / 2
        let second = 1 / a * log
        let root = (-first + (first * first - second).squareRoot()).squareRoot()
        return x < 0 ? -root : root
    }
}

extension TreeProgram.RowFunction {
    /// Replaces the numbers of one row.
    func apply<Number: RealNumber>(to row: UnsafeMutableBufferPointer<Number>) {
        switch self {
        case .softmax: unsafe Self.softmax(row)
        case .softmaxZero: unsafe Self.softmaxZero(row)
        case .normalized(.max): unsafe Self.divide(row, by: Self.greatest(row))
        case .normalized(.l1):
            var sum: Number = 0
            for index in row.indices { unsafe sum += row[index].magnitude }
            unsafe Self.divide(row, by: sum)
        case .normalized(.l2): unsafe Self.normalizeSquares(row)
        }
    }

    /// The greatest number of the row, or the least finite one; NaN is passed over.
    private static func greatest<Number: RealNumber>(
        _ row: UnsafeMutableBufferPointer<Number>
    ) -> Number {
        var greatest = -Number.greatestFiniteMagnitude
        for index in row.indices where unsafe row[index] > greatest {
            unsafe greatest = row[index]
        }
        return greatest
    }

    private static func softmax<Number: RealNumber>(_ row: UnsafeMutableBufferPointer<Number>) {
        let greatest = unsafe greatest(row)
        var sum: Number = 0
        for index in row.indices {
            unsafe row[index] = Number.exponential(row[index] - greatest)
            unsafe sum += row[index]
        }
        for index in row.indices { unsafe row[index] /= sum }
    }

    private static func softmaxZero<Number: RealNumber>(
        _ row: UnsafeMutableBufferPointer<Number>
    ) {
        let least = Number(1e-7 as Float)
        let greatest = unsafe greatest(row)
        let factor = Number.exponential(-greatest)
        var sum: Number = 0
        for index in row.indices {
            if unsafe row[index] > least || row[index] < -least {
                unsafe row[index] = Number.exponential(row[index] - greatest)
                unsafe sum += row[index]
            } else {
                unsafe row[index] *= factor
            }
        }
        for index in row.indices { unsafe row[index] /= sum }
    }

    private static func divide<Number: RealNumber>(
        _ row: UnsafeMutableBufferPointer<Number>, by divisor: Number
    ) {
        guard divisor != 0 else { return }
        for index in row.indices { unsafe row[index] /= divisor }
    }

    private static func normalizeSquares<Number: RealNumber>(
        _ row: UnsafeMutableBufferPointer<Number>
    ) {
        var sum: Number = 0
        for index in row.indices { unsafe sum += row[index] * row[index] }
        guard sum != 0 else { return }
        for index in row.indices {
            let x = unsafe row[index]
            let root = (x * x / sum).squareRoot()
            unsafe row[index] = x < 0 ? -root : root
        }
    }
}
