import MillraceCore

/// One step over all rows of a batch: reads columns through views, writes rows of its own.
@safe struct Operation {
    /// What it does; the source's elements are of `source`, the results of `target`.
    enum Work {
        case convert
        case placesOfTexts(TextTable)
        case placesOfNumbers(NumberTable)
        case impute(replaced: Double)
        case arithmetic(TreeProgram.Arithmetic)
        case combine(TreeProgram.Arithmetic, second: Int)
        case function(TreeProgram.Function)
        /// In place: its source are its own rows.
        case rowFunction(TreeProgram.RowFunction)
        case trees(TreeScorer)
        case greatest
        /// 1 - x and x, or -x and x.
        case pair(isComplement: Bool)
        case integerLabels(count: Int)
        case textLabels(count: Int)
    }

    let work: Work
    /// The source's first view.
    let first: Int
    /// Columns of the source.
    let width: Int
    let source: ElementType
    let target: TreeProgram.Number
    /// The first row of results.
    let base: UnsafeMutableRawPointer
    /// One a column, or the labels.
    var constants: UnsafeMutableRawPointer?

    /// False where a label was asked for that there is not.
    func run(rows: Int, views: UnsafeMutableBufferPointer<FeatureView>) -> Bool {
        switch work {
        case .convert: unsafe convert(rows, views)
        case .placesOfTexts(let table):
            unsafe look(rows, views, at: TextSlice.self) { text in unsafe table.place(of: text) }
        case .placesOfNumbers(let table):
            unsafe look(rows, views, at: Double.self) { table.place(of: $0) }
        case .trees(let scorer):
            let features = unsafe UnsafeBufferPointer(rebasing: views[first..<first + width])
            unsafe scorer.score(features, rows: rows, into: base)
        case .integerLabels(let count):
            return unsafe label(rows, views, count: count, as: Int64.self)
        case .textLabels(let count):
            return unsafe label(rows, views, count: count, as: TextSlice.self)
        case .greatest:
            switch source {
            case .float32: unsafe greatest(rows, views, as: Float.self)
            case .float64: unsafe greatest(rows, views, as: Double.self)
            default: unsafe greatest(rows, views, as: Int64.self)
            }
        default:
            switch target {
            case .float32: unsafe compute(rows, views, as: Float.self)
            case .float64: unsafe compute(rows, views, as: Double.self)
            case .int64: unsafe computeWhole(rows, views)
            }
        }
        return true
    }

    private func look<Source>(
        _ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>, at type: Source.Type,
        _ place: (Source) -> Double
    ) {
        let results = unsafe base.assumingMemoryBound(to: Double.self)
        for column in 0..<width {
            let view = unsafe views[first + column]
            for row in 0..<rows {
                let source = unsafe view.base.load(
                    fromByteOffset: row * view.strideBytes, as: Source.self)
                unsafe results[row * width + column] = place(source)
            }
        }
    }

    private func compute<Number: RealNumber>(
        _ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>, as type: Number.Type
    ) {
        let results = unsafe base.assumingMemoryBound(to: Number.self)
        switch work {
        case .function(let function):
            for column in 0..<width {
                let view = unsafe views[first + column]
                for row in 0..<rows {
                    let x = unsafe view.base.load(
                        fromByteOffset: row * view.strideBytes, as: Number.self)
                    unsafe results[row * width + column] = function.of(x)
                }
            }
        case .rowFunction(let function):
            for row in 0..<rows {
                unsafe function.apply(
                    to: UnsafeMutableBufferPointer(start: results + row * width, count: width))
            }
        default: unsafe calculate(rows, views, as: type)
        }
    }

    private func computeWhole(_ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>) {
        let results = unsafe base.assumingMemoryBound(to: Int64.self)
        guard case .function(let function) = work else {
            return unsafe calculate(rows, views, as: Int64.self)
        }
        for column in 0..<width {
            let view = unsafe views[first + column]
            for row in 0..<rows {
                let x = unsafe view.base.load(
                    fromByteOffset: row * view.strideBytes, as: Int64.self)
                unsafe results[row * width + column] = function.of(x)
            }
        }
    }

    /// What all number types have.
    private func calculate<Number: MatrixNumber>(
        _ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>, as type: Number.Type
    ) {
        switch work {
        case .impute(let replaced):
            unsafe impute(rows, views, isNaN: replaced.isNaN, Number(double: replaced))
        case .arithmetic(let arithmetic):
            guard let constants = unsafe constants else { return }
            let size = MemoryLayout<Number>.stride
            for column in 0..<width {
                let constant = unsafe FeatureView(
                    base: UnsafeRawPointer(constants + column * size), strideBytes: 0)
                unsafe calculate(
                    arithmetic, rows, column, views[first + column], constant, as: type)
            }
        case .combine(let arithmetic, let second):
            for column in 0..<width {
                unsafe calculate(
                    arithmetic, rows, column, views[first + column], views[second + column],
                    as: type)
            }
        case .pair(let isComplement):
            let results = unsafe base.assumingMemoryBound(to: Number.self)
            let view = unsafe views[first]
            for row in 0..<rows {
                let x = unsafe view.base.load(
                    fromByteOffset: row * view.strideBytes, as: Number.self)
                unsafe results[2 * row] =
                    isComplement ? Number.difference(.one, x) : Number.negation(x)
                unsafe results[2 * row + 1] = x
            }
        default: break
        }
    }

    private func calculate<Number: MatrixNumber>(
        _ arithmetic: TreeProgram.Arithmetic, _ rows: Int, _ column: Int, _ a: FeatureView,
        _ b: FeatureView, as type: Number.Type
    ) {
        let results = unsafe base.assumingMemoryBound(to: Number.self) + column
        for row in 0..<rows {
            let x = unsafe a.base.load(fromByteOffset: row * a.strideBytes, as: Number.self)
            let y = unsafe b.base.load(fromByteOffset: row * b.strideBytes, as: Number.self)
            unsafe results[row * width] =
                switch arithmetic {
                case .add: Number.sum(x, y)
                case .subtract: Number.difference(x, y)
                case .multiply: Number.product(x, y)
                case .divide: Number.quotient(x, y)
                }
        }
    }

    private func impute<Number: MatrixNumber>(
        _ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>, isNaN: Bool,
        _ replaced: Number
    ) {
        guard let constants = unsafe constants else { return }
        let values = unsafe constants.assumingMemoryBound(to: Number.self)
        let results = unsafe base.assumingMemoryBound(to: Number.self)
        for column in 0..<width {
            let view = unsafe views[first + column]
            let value = unsafe values[column]
            for row in 0..<rows {
                let x = unsafe view.base.load(
                    fromByteOffset: row * view.strideBytes, as: Number.self)
                let isMissing = isNaN ? x.isNotANumber : x == replaced
                unsafe results[row * width + column] = isMissing ? value : x
            }
        }
    }

    private func greatest<Number: MatrixNumber>(
        _ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>, as type: Number.Type
    ) {
        let results = unsafe base.assumingMemoryBound(to: Int64.self)
        for row in 0..<rows {
            var best = unsafe views[first].base.load(
                fromByteOffset: row * views[first].strideBytes, as: Number.self)
            var index = 0
            for column in 1..<max(1, width) {
                let view = unsafe views[first + column]
                let x = unsafe view.base.load(
                    fromByteOffset: row * view.strideBytes, as: Number.self)
                if x > best { (best, index) = (x, column) }
            }
            unsafe results[row] = Int64(index)
        }
    }

    private func label<Label>(
        _ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>, count: Int,
        as type: Label.Type
    ) -> Bool {
        guard let constants = unsafe constants else { return false }
        let labels = unsafe constants.assumingMemoryBound(to: Label.self)
        let results = unsafe base.assumingMemoryBound(to: Label.self)
        for column in 0..<width {
            let view = unsafe views[first + column]
            for row in 0..<rows {
                let index = unsafe view.base.load(
                    fromByteOffset: row * view.strideBytes, as: Int64.self)
                guard index >= 0, index < Int64(count) else { return false }
                unsafe results[row * width + column] = unsafe labels[Int(index)]
            }
        }
        return true
    }

    private func convert(_ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>) {
        switch source {
        case .float32: unsafe convert(rows, views, from: Float.self)
        case .float64: unsafe convert(rows, views, from: Double.self)
        case .int8: unsafe convert(rows, views, from: Int8.self)
        case .int16: unsafe convert(rows, views, from: Int16.self)
        case .int32: unsafe convert(rows, views, from: Int32.self)
        case .int64: unsafe convert(rows, views, from: Int64.self)
        case .uint8: unsafe convert(rows, views, from: UInt8.self)
        case .uint16: unsafe convert(rows, views, from: UInt16.self)
        case .uint32: unsafe convert(rows, views, from: UInt32.self)
        case .uint64: unsafe convert(rows, views, from: UInt64.self)
        case .bool: unsafe convert(rows, views, from: TruthByte.self)
        case .string: break  // refused by ProgramCheck
        }
    }

    private func convert<Source: SourceNumber>(
        _ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>, from type: Source.Type
    ) {
        switch target {
        case .float32: unsafe convert(rows, views, from: type, to: Float.self)
        case .float64: unsafe convert(rows, views, from: type, to: Double.self)
        case .int64: unsafe convert(rows, views, from: type, to: Int64.self)
        }
    }

    private func convert<Source: SourceNumber, Number: MatrixNumber>(
        _ rows: Int, _ views: UnsafeMutableBufferPointer<FeatureView>, from: Source.Type,
        to type: Number.Type
    ) {
        let results = unsafe base.assumingMemoryBound(to: Number.self)
        for column in 0..<width {
            let view = unsafe views[first + column]
            for row in 0..<rows {
                let x = unsafe view.base.load(
                    fromByteOffset: row * view.strideBytes, as: Source.self)
                unsafe results[row * width + column] = x.converted(to: type)
            }
        }
    }
}
