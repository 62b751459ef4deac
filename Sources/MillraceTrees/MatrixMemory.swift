import MillraceCore

/// What a session computes in: views of columns and blocks of rows, allocated when it is made.
@safe final class MatrixMemory {
    /// Of all matrices; each has its columns side by side.
    let views: UnsafeMutableBufferPointer<FeatureView>
    private var blocks: [UnsafeMutableRawPointer]

    private static let blockLimit = 1 << 30

    init(viewCount: Int) {
        unsafe blocks = []
        unsafe views = .allocate(capacity: viewCount)
        let nothing = unsafe UnsafeRawPointer(bitPattern: 64).map {
            unsafe FeatureView(base: $0, strideBytes: 0)
        }
        if let nothing = unsafe nothing { unsafe views.initialize(repeating: nothing) }
    }

    deinit {
        for index in unsafe blocks.indices { unsafe blocks[index].deallocate() }
        unsafe views.deallocate()
    }

    /// A block of that many elements a row; nil where it would be too large.
    func block(rows: Int, width: Int, elementBytes: Int) -> UnsafeMutableRawPointer? {
        var size = elementBytes
        for factor in [rows, width] {
            let (next, overflow) = size.multipliedReportingOverflow(by: max(1, factor))
            guard !overflow, next <= Self.blockLimit else { return nil }
            size = next
        }
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        unsafe blocks.append(block)
        return unsafe block
    }

    /// A block with the numbers in it.
    func constants<Number: MatrixNumber>(
        _ values: [Double], as type: Number.Type
    ) -> UnsafeMutableRawPointer? {
        let block = unsafe block(
            rows: 1, width: values.count, elementBytes: MemoryLayout<Number>.stride)
        guard let block = unsafe block else { return nil }
        let numbers = unsafe block.bindMemory(to: Number.self, capacity: values.count)
        for index in values.indices {
            unsafe (numbers + index).initialize(to: Number(double: values[index]))
        }
        return unsafe block
    }
}

/// Where a matrix lies.
@safe struct MatrixPlace {
    /// Its first column in `MatrixMemory.views`.
    let first: Int
    let width: Int
    let number: TreeProgram.Number
    /// Its rows, where they are its own and row-major; nil where its columns are others'.
    let base: UnsafeMutableRawPointer?
}

/// Points views at columns. Runs when the columns of the batch change.
enum Binding {
    /// At the columns of a model input.
    case input(Int, first: Int, width: Int)
    /// At what the views of others point at.
    case copy(from: Int, first: Int, width: Int)
    case pick(from: Int, columns: [Int], first: Int)

    /// - Parameter start: the batch's first row.
    func run(
        _ columns: [FeatureColumn], start: Int, views: UnsafeMutableBufferPointer<FeatureView>
    ) {
        switch self {
        case .input(let index, let first, let width):
            let column = columns[index]
            guard let base = unsafe column.storage.baseAddress else { return }
            let rows = unsafe base + start * column.rowBytes
            for position in 0..<width {
                unsafe views[first + position] = FeatureView(
                    base: UnsafeRawPointer(rows + position * column.type.byteCount),
                    strideBytes: column.rowBytes)
            }
        case .copy(let from, let first, let width):
            for position in 0..<width {
                unsafe views[first + position] = unsafe views[from + position]
            }
        case .pick(let from, let columns, let first):
            for position in columns.indices {
                unsafe views[first + position] = unsafe views[from + columns[position]]
            }
        }
    }
}
