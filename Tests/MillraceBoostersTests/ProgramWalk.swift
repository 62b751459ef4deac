import Glibc
import MillraceCore
import MillraceTrees

@testable import MillraceBoosters

/// Runs a tree program in the plainest way, row by row, for what the loaders of this module use.
struct ProgramWalk {
    let program: TreeProgram
    private var values: [[Double]] = []
    private var types: [TreeProgram.Number] = []

    init(_ program: TreeProgram) { self.program = program }

    /// Numbers of each output for one row.
    mutating func run(_ row: [Double]) throws -> [String: [Double]] {
        values = []
        types = []
        for step in program.steps {
            let (type, result) = try self.result(of: step, row)
            types.append(type)
            values.append(type == .float32 ? result.map { Double(Float($0)) } : result)
        }
        var outputs: [String: [Double]] = [:]
        for output in program.outputs {
            switch output.content {
            case .numbers(let matrix, _): outputs[output.name] = values[matrix]
            case .labels(let matrix, let labels):
                outputs[output.name] = values[matrix].map { index in
                    if case .integer(let label) = labels[Int(index)] {
                        Double(label)
                    } else {
                        index
                    }
                }
            }
        }
        return outputs
    }

    private func result(
        of step: TreeProgram.Step, _ row: [Double]
    ) throws -> (TreeProgram.Number, [Double]) {
        switch step {
        case .input(let index, let type):
            let start = program.inputs[..<index].reduce(0) { $0 + ($1.width ?? 0) }
            return (type, Array(row[start..<start + (program.inputs[index].width ?? 0)]))
        case .cast(let matrix, let type): return (type, values[matrix])
        case .join(let matrices): return (types[matrices[0]], matrices.flatMap { values[$0] })
        case .trees(let matrix, let ensemble): return score(ensemble, values[matrix])
        case .function(let matrix, let function):
            return (types[matrix], values[matrix].map { apply(function, $0) })
        case .rowFunction(let matrix, _):
            let most = values[matrix].max() ?? 0
            let powers = values[matrix].map { exp($0 - most) }
            return (types[matrix], powers.map { $0 / powers.reduce(0, +) })
        case .greatest(let matrix):
            let most = values[matrix].max() ?? 0
            return (.int64, [Double(values[matrix].firstIndex(of: most) ?? 0)])
        case .pick(let matrix, let columns):
            return (types[matrix], columns.map { values[matrix][$0] })
        case .arithmetic(let matrix, .multiply, let constants):
            return (types[matrix], values[matrix].map { $0 * constants[0] })
        case .complement(let matrix):
            return (types[matrix], [1 - values[matrix][0], values[matrix][0]])
        default: throw TreeError("a step that the loaders do not use")
        }
    }

    private func apply(_ function: TreeProgram.Function, _ x: Double) -> Double {
        switch function {
        case .logistic: 1 / (1 + exp(-x))
        case .exponential: exp(x)
        case .greater(let limit): x > limit ? 1 : 0
        default: .nan
        }
    }

    private func score(
        _ ensemble: TreeEnsemble, _ row: [Double]
    ) -> (TreeProgram.Number, [Double]) {
        let isSingle = ensemble.comparing == .float32
        let words = row.map { isSingle ? UInt64(Float($0).bitPattern) : $0.bitPattern }
        var sums = [UInt64](repeating: 0, count: ensemble.targetCount + 1)
        guard let layout = try? TreeLayout(ensemble) else { return (.float64, []) }
        unsafe words.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let views = unsafe row.indices.map { index in
                unsafe FeatureView(base: base + index * 8, strideBytes: 8)
            }
            unsafe views.withUnsafeBufferPointer { views in
                unsafe sums.withUnsafeMutableBytes { sums in
                    guard let place = sums.baseAddress else { return }
                    unsafe TreeScorer(layout).score(views, rows: 1, into: place)
                }
            }
        }
        guard ensemble.summing == .float32 else {
            return (.float64, sums.prefix(ensemble.targetCount).map { Double(bitPattern: $0) })
        }
        let singles = (0..<ensemble.targetCount).map { index in
            let word = sums[index / 2] >> (index % 2 == 0 ? 0 : 32)
            return Double(Float(bitPattern: UInt32(truncatingIfNeeded: word)))
        }
        return (.float32, singles)
    }
}
