import COnnxRuntime
import MillraceCore

/// Points one prediction column at what the model gave: straight at the tensor's memory, or, where
/// texts or several parts have to be put together, at a buffer of its own.
@safe final class OutputReader {
    let column: PredictionColumn
    private let index: Int
    /// Nil where the model leaves the width open.
    private let width: Int?
    private let gathered = GrowingBuffer()
    /// Ends of the texts in `gathered`.
    private var textEnds: [Int] = []
    private var offsets: [Int] = []
    private var slices: UnsafeMutableBufferPointer<TextSlice>

    /// - Parameter index: of the output in the runner's.
    init(_ output: ModelOutput, index: Int) {
        column = PredictionColumn(name: output.name, type: output.type, width: output.width ?? 1)
        self.index = index
        width = output.width
        unsafe slices = .allocate(capacity: 0)
    }

    deinit { unsafe slices.deallocate() }

    /// Points at the last run's output without copying it, texts excepted.
    func point(at runner: Runner, rows: Int) throws(ModelError) {
        guard column.type != .string else {
            begin()
            try gather(from: runner, rows: rows, keep: rows)
            return finish()
        }
        try check(runner, rows: rows)
        unsafe column.base = UnsafeRawPointer(try data(of: runner))
    }

    func begin() {
        unsafe column.base = nil
        gathered.count = 0
        textEnds.removeAll(keepingCapacity: true)
    }

    /// Appends the first `keep` of the last run's `rows` rows.
    func gather(from runner: Runner, rows: Int, keep: Int) throws(ModelError) {
        try check(runner, rows: rows)
        if column.type == .string {
            return try gatherTexts(
                from: runner, count: rows * column.width, keep: keep * column.width)
        }
        let byteCount = keep * column.width * column.type.byteCount
        guard let data = unsafe try data(of: runner) else { return }
        unsafe gathered.reserve(byteCount).copyMemory(from: data, byteCount: byteCount)
        gathered.count += byteCount
    }

    /// Points at all that was gathered.
    func finish() {
        guard column.type == .string else {
            unsafe column.base = UnsafeRawPointer(gathered.base)
            return
        }
        let count = textEnds.count
        if unsafe slices.count < count {
            unsafe slices.deallocate()
            unsafe slices = .allocate(capacity: count)
        }
        let texts = unsafe gathered.base.assumingMemoryBound(to: UInt8.self)
        var start = 0
        for (position, end) in textEnds.enumerated() {
            unsafe slices.initializeElement(
                at: position, to: TextSlice(start: texts + start, count: end - start))
            start = end
        }
        unsafe column.base = UnsafeRawPointer(slices.baseAddress)
    }

    /// Type and shape must be what the signature says.
    private func check(_ runner: Runner, rows: Int) throws(ModelError) {
        let (code, shape) = try runner.describeOutput(index)
        guard code == column.type.onnxCode else {
            throw ModelError(
                .inference,
                "output '\(column.name)' came as \(ElementType.onnxName(code)), not as "
                    + "\(column.type)")
        }
        guard let first = shape.first, first == Int64(rows) else {
            throw ModelError(
                .inference,
                "output '\(column.name)' has the shape \(shape) for a batch of \(rows) rows; its "
                    + "first dimension must be the batch")
        }
        var width = 1
        for dimension in shape.dropFirst() {
            let (next, overflow) = width.multipliedReportingOverflow(by: Int(dimension))
            width = overflow ? -1 : next
        }
        guard width > 0, self.width == nil || width == self.width else {
            throw ModelError(
                .inference,
                "output '\(column.name)' has \(width) values a row"
                    + (self.width.map { " instead of \($0)" } ?? ""))
        }
        column.width = width
    }

    private func data(of runner: Runner) throws(ModelError) -> UnsafeMutableRawPointer? {
        let library = runner.handle.library
        var data: UnsafeMutableRawPointer?
        try unsafe library.calls.check(
            library.api.tensor_data(try runner.output(index), &data), .inference,
            "output '\(column.name)'")
        return unsafe data
    }

    private func gatherTexts(from runner: Runner, count: Int, keep: Int) throws(ModelError) {
        let library = runner.handle.library
        let value = try unsafe runner.output(index)
        var size = 0
        try unsafe library.calls.check(
            library.api.string_bytes(value, &size), .inference, "output '\(column.name)'")
        if offsets.count < count { offsets = Array(repeating: 0, count: count) }
        let start = gathered.count
        let place = unsafe gathered.reserve(size)
        let status = unsafe offsets.withUnsafeMutableBufferPointer { buffer -> OpaquePointer? in
            guard let first = buffer.baseAddress else { return nil }
            return unsafe library.api.string_content(value, place, size, first, count)
        }
        try unsafe library.calls.check(status, .inference, "output '\(column.name)'")
        for position in 0..<keep {
            let end = position + 1 < count ? offsets[position + 1] : size
            textEnds.append(start + end)
        }
        gathered.count = textEnds.last ?? start
    }
}

/// Bytes that are appended to and kept for the next time.
@safe private final class GrowingBuffer {
    private(set) var base: UnsafeMutableRawPointer
    private var capacity = 64
    /// Bytes in use; behind what was reserved is nothing.
    var count = 0

    init() { unsafe base = .allocate(byteCount: 64, alignment: 64) }

    deinit { unsafe base.deallocate() }

    /// The place for so many more bytes, behind those in use.
    func reserve(_ more: Int) -> UnsafeMutableRawPointer {
        if more > capacity - count {
            let larger = max(capacity * 2, count + more)
            let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 64)
            unsafe moved.copyMemory(from: base, byteCount: count)
            unsafe base.deallocate()
            unsafe base = moved
            capacity = larger
        }
        return unsafe base + count
    }
}
