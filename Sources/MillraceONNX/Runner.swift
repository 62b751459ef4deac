import COnnxRuntime
import MillraceCore

/// Calls one session with one set of outputs. Used by one thread at a time.
@safe final class Runner {
    let handle: SessionHandle
    private let inputs: [InputTensor]
    private let inputNames: CStrings
    private let outputNames: CStrings
    private let inputValues: UnsafeMutableBufferPointer<OpaquePointer?>
    /// What the last `run` gave, in the order of the outputs; released by the next one.
    private let outputValues: UnsafeMutableBufferPointer<OpaquePointer?>

    /// - Parameter outputs: names of the graph's own outputs, each once.
    init(handle: SessionHandle, inputs: [ModelInput], outputs: [String]) {
        self.handle = handle
        self.inputs = inputs.map { InputTensor(library: handle.library, type: $0.type) }
        inputNames = CStrings(inputs.map(\.name))
        outputNames = CStrings(outputs)
        unsafe inputValues = .allocate(capacity: inputs.count)
        unsafe inputValues.initialize(repeating: nil)
        unsafe outputValues = .allocate(capacity: outputs.count)
        unsafe outputValues.initialize(repeating: nil)
    }

    deinit {
        releaseOutputs()
        unsafe inputValues.deallocate()
        unsafe outputValues.deallocate()
    }

    func releaseOutputs() {
        for index in unsafe outputValues.indices {
            if let value = unsafe outputValues[index] {
                unsafe handle.library.api.release_value(value)
            }
            unsafe outputValues[index] = nil
        }
    }

    /// The columns that come next have the shapes of these.
    func setShapes(of columns: [FeatureColumn]) {
        for (input, column) in zip(inputs, columns) { input.setRowShape(column.rowShape) }
    }

    /// Scores rows of the columns, which are as many as the model's inputs.
    func run(_ columns: [FeatureColumn], start: Int, rows: Int) throws(ModelError) {
        releaseOutputs()
        for index in inputs.indices {
            unsafe inputValues[index] = try inputs[index].tensor(
                over: columns[index], start: start, rows: rows)
        }
        guard let values = unsafe inputValues.baseAddress,
            let results = unsafe outputValues.baseAddress
        else { return }
        let library = handle.library
        try unsafe library.calls.check(
            library.api.run(
                handle.session, nil, inputNames.pointer, values, inputValues.count,
                outputNames.pointer, outputValues.count, results),
            .inference, "the model failed")
    }

    /// An output of the last run.
    func output(_ index: Int) throws(ModelError) -> OpaquePointer {
        guard unsafe outputValues.indices.contains(index), let value = unsafe outputValues[index]
        else { throw ModelError(.inference, "the model gave no value for an output") }
        return unsafe value
    }

    /// Element type and dimensions of an output of the last run.
    func describeOutput(_ index: Int) throws(ModelError) -> (code: Int32, shape: [Int64]) {
        let library = handle.library
        let value = try unsafe output(index)
        var kind: Int32 = 0
        try unsafe library.calls.check(
            library.api.kind_of_value(value, &kind), .inference, "onnx runtime")
        guard kind == Int32(ONNX_VALUE_TENSOR) else {
            throw ModelError(.inference, "the model gave something else than a tensor")
        }
        let info = try unsafe library.calls.make("output", kind: .inference) {
            unsafe library.api.tensor_info_of_value(value, $0)
        }
        defer { unsafe library.api.release_tensor_info(info) }
        return try unsafe library.describe(info)
    }
}

/// Names for C, kept for the life of the object.
@safe private final class CStrings {
    var pointer: UnsafePointer<UnsafePointer<CChar>?> { unsafe UnsafePointer(names) }
    private let names: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let texts: [UnsafeMutableBufferPointer<CChar>]

    init(_ strings: [String]) {
        unsafe texts = strings.map { string in
            let text = string.utf8CString
            let buffer = UnsafeMutableBufferPointer<CChar>.allocate(capacity: text.count)
            _ = unsafe buffer.initialize(from: text)
            return unsafe buffer
        }
        unsafe names = .allocate(capacity: strings.count)
        for index in unsafe texts.indices {
            unsafe (names + index).initialize(to: UnsafePointer(texts[index].baseAddress))
        }
    }

    deinit {
        for index in unsafe texts.indices { unsafe texts[index].deallocate() }
        unsafe names.deallocate()
    }
}
