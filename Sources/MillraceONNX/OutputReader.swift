import COnnxRuntime
import MillraceCore

/// Points one prediction column at what the model gave: straight at the tensor's memory, or, where
/// texts or several parts have to be put together, at a buffer of its own.
@safe final class OutputReader {
    let column: PredictionColumn
    private let index: Int
    /// Nil where the model leaves the width open.
    private let width: Int?
    private var gathered: [UInt8] = []
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
        gathered.removeAll(keepingCapacity: true)
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
        unsafe gathered.append(
            contentsOf: UnsafeRawBufferPointer(start: try data(of: runner), count: byteCount))
    }

    /// Points at all that was gathered.
    func finish() {
        let count = textEnds.count
        if unsafe slices.count < count {
            unsafe slices.deallocate()
            unsafe slices = .allocate(capacity: count)
        }
        // The array's memory stays where it is until it is changed, by the next `begin`.
        unsafe gathered.withUnsafeBufferPointer { bytes in
            guard column.type == .string else {
                unsafe column.base = UnsafeRawPointer(bytes.baseAddress)
                return
            }
            var start = 0
            for (position, end) in textEnds.enumerated() {
                let slice = unsafe TextSlice(
                    start: bytes.baseAddress.map { unsafe $0 + start }, count: end - start)
                unsafe slices.initializeElement(at: position, to: slice)
                start = end
            }
            unsafe column.base = UnsafeRawPointer(slices.baseAddress)
        }
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
        // One more, so that the pointer exists where all texts are empty.
        gathered.append(contentsOf: repeatElement(0, count: size + 1))
        let status = unsafe gathered.withUnsafeMutableBytes { bytes -> OpaquePointer? in
            unsafe offsets.withUnsafeMutableBufferPointer { offsets -> OpaquePointer? in
                guard let base = bytes.baseAddress, let first = offsets.baseAddress else {
                    return nil
                }
                return unsafe library.api.string_content(value, base + start, size, first, count)
            }
        }
        try unsafe library.calls.check(status, .inference, "output '\(column.name)'")
        for position in 0..<keep {
            textEnds.append(start + (position + 1 < count ? offsets[position + 1] : size))
        }
        if let end = textEnds.last { gathered.removeLast(gathered.count - end) }
    }
}
