import COnnxRuntime
import MillraceCore

/// One model input: a tensor over a feature column's own memory, or, for texts, filled from it.
///
/// The tensor object is kept for as long as place and number of rows stay the same, which is the
/// rule for single records and for full batches.
@safe final class InputTensor {
    private let library: OnnxLibrary
    private let type: ElementType
    /// Rows, then the dimensions of one row.
    private var shape: [Int64] = []
    private var value: OpaquePointer?
    private var address: UnsafeMutableRawPointer?
    private var rows = 0

    init(library: OnnxLibrary, type: ElementType) {
        self.library = library
        self.type = type
    }

    deinit { release() }

    private func release() {
        if let value = unsafe value { unsafe library.api.release_value(value) }
        unsafe value = nil
    }

    /// From now on the columns have this shape.
    func setRowShape(_ rowShape: [Int]) {
        release()
        shape = [0] + rowShape.map(Int64.init)
    }

    /// The tensor of these rows, which must lie in the column; it stays this object's.
    func tensor(
        over column: FeatureColumn, start: Int, rows: Int
    ) throws(ModelError) -> OpaquePointer {
        guard let base = unsafe column.storage.baseAddress, rows > 0,
            start >= 0, start <= column.capacityRows, rows <= column.capacityRows - start
        else {
            throw ModelError(.inference, "input '\(column.name)': rows outside of the batch")
        }
        let first = unsafe base + start * column.rowBytes
        let isSame = unsafe rows == self.rows && (type == .string || first == address)
        if let value = unsafe value, isSame {
            if type == .string { try unsafe fill(value, from: first, column: column, rows: rows) }
            return unsafe value
        }
        release()
        shape[0] = Int64(rows)
        let made = try unsafe make(over: first, byteCount: rows * column.rowBytes)
        unsafe value = made
        self.rows = rows
        unsafe address = first
        if type == .string { try unsafe fill(made, from: first, column: column, rows: rows) }
        return unsafe made
    }

    @unsafe private func make(
        over first: UnsafeMutableRawPointer, byteCount: Int
    ) throws(ModelError) -> OpaquePointer {
        let library = library
        let code = type.onnxCode
        let isText = type == .string
        return try unsafe library.calls.make("input tensor", kind: .inference) { made in
            unsafe shape.withUnsafeBufferPointer { shape -> OpaquePointer? in
                guard let dimensions = shape.baseAddress else { return nil }
                return unsafe isText
                    ? library.api.create_tensor(
                        library.allocator, dimensions, shape.count, code, made)
                    : library.api.create_tensor_over(
                        library.memory, first, byteCount, dimensions, shape.count, code, made)
            }
        }
    }

    /// Copies the texts; ONNX Runtime keeps each in a string of its own, NUL bytes included.
    @unsafe private func fill(
        _ value: OpaquePointer, from first: UnsafeMutableRawPointer, column: FeatureColumn,
        rows: Int
    ) throws(ModelError) {
        let count = rows * column.width
        let texts = unsafe first.assumingMemoryBound(to: TextSlice.self)
        for index in 0..<count {
            let text = unsafe texts[index]
            var buffer: UnsafeMutablePointer<CChar>?
            try unsafe library.calls.check(
                library.api.string_buffer(value, index, text.count, &buffer), .inference,
                "input '\(column.name)'")
            guard let start = unsafe text.start, unsafe text.count > 0, let buffer = unsafe buffer
            else { continue }
            unsafe UnsafeMutableRawPointer(buffer).copyMemory(from: start, byteCount: text.count)
        }
    }
}
