import COnnxRuntime
import MillraceCore

/// One ONNX Runtime session over a model's bytes, and what it says of inputs and outputs.
@safe final class SessionHandle {
    /// An input or output as ONNX Runtime describes it.
    struct Port {
        let name: String
        /// Nil for sequences, maps and the like.
        let elementCode: Int32?
        /// Negative where free; empty also where the model does not tell the rank.
        let dimensions: [Int64]
    }

    let library: OnnxLibrary
    let session: OpaquePointer

    /// - Parameters:
    ///   - folder: where external data lies.
    ///   - path: of the model, for messages.
    init(
        library: OnnxLibrary, bytes: [UInt8], folder: String, path: String, intraOpThreads: Int
    ) throws(ModelError) {
        let options = try unsafe Self.options(
            library, folder: folder, intraOpThreads: intraOpThreads)
        defer { unsafe library.api.release_session_options(options) }
        self.library = library
        unsafe session = try unsafe library.calls.make(
            "\(path): refused by onnx runtime \(library.version)"
        ) { made in
            unsafe bytes.withUnsafeBytes { buffer -> OpaquePointer? in
                guard let base = buffer.baseAddress else { return nil }
                return unsafe library.api.create_session_from_array(
                    library.environment, base, buffer.count, options, made)
            }
        }
    }

    deinit { unsafe library.api.release_session(session) }

    private static func options(
        _ library: OnnxLibrary, folder: String, intraOpThreads: Int
    ) throws(ModelError) -> OpaquePointer {
        let api = library.api
        let calls = unsafe library.calls
        let options = try unsafe calls.make("session options") {
            unsafe api.create_session_options($0)
        }
        let statuses = unsafe [
            api.set_execution_mode(options, Int32(ONNX_SEQUENTIAL)),
            api.set_optimization_level(options, Int32(ONNX_OPTIMIZE_ALL)),
            api.set_intra_op_threads(options, Int32(clamping: intraOpThreads)),
            api.set_inter_op_threads(options, 1),
            // What fails comes back as a status; logged too, each search for a bad record would
            // fill the log.
            api.set_log_severity(options, Int32(ONNX_LOG_FATAL)),
            api.add_config_entry(
                options, "session.model_external_initializers_file_folder_path", folder),
            // Waiting threads would take the core from the rest of the worker.
            api.add_config_entry(options, "session.intra_op.allow_spinning", "0"),
        ]
        var failure: ModelError?
        for index in unsafe statuses.indices {
            do throws(ModelError) {
                try unsafe calls.check(statuses[index], .invalid, "session options")
            } catch {
                failure = error
            }
        }
        if let failure {
            unsafe api.release_session_options(options)
            throw failure
        }
        return unsafe options
    }

    func inputs() throws(ModelError) -> [Port] {
        let api = library.api
        return try unsafe ports(
            api.session_input_count, api.session_input_name, api.session_input_type)
    }

    func outputs() throws(ModelError) -> [Port] {
        let api = library.api
        return try unsafe ports(
            api.session_output_count, api.session_output_name, api.session_output_type)
    }

    private typealias CountFunction =
        @convention(c) (OpaquePointer, UnsafeMutablePointer<Int>) -> OpaquePointer?
    private typealias NameFunction =
        @convention(c) (
            OpaquePointer, Int, OpaquePointer, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
        ) -> OpaquePointer?
    private typealias TypeFunction =
        @convention(c) (OpaquePointer, Int, UnsafeMutablePointer<OpaquePointer?>) -> OpaquePointer?

    @unsafe private func ports(
        _ count: CountFunction, _ name: NameFunction, _ type: TypeFunction
    ) throws(ModelError) -> [Port] {
        let calls = unsafe library.calls
        var total = 0
        try unsafe calls.check(count(session, &total), .invalid, "onnx runtime")
        var ports: [Port] = []
        for index in 0..<total {
            var text: UnsafeMutablePointer<CChar>?
            try unsafe calls.check(
                name(session, index, library.allocator, &text), .invalid, "onnx runtime")
            let portName = unsafe text.map { unsafe String(cString: $0) } ?? ""
            if let text = unsafe text {
                try unsafe calls.check(
                    library.api.allocator_free(library.allocator, text), .invalid, "onnx runtime")
            }
            let info = try unsafe calls.make("type of '\(printable(portName))'") {
                unsafe type(session, index, $0)
            }
            defer { unsafe library.api.release_type_info(info) }
            ports.append(try unsafe port(portName, info))
        }
        return ports
    }

    private func port(_ name: String, _ info: OpaquePointer) throws(ModelError) -> Port {
        let api = library.api
        let calls = unsafe library.calls
        var kind: Int32 = 0
        try unsafe calls.check(api.kind_of_type(info, &kind), .invalid, "onnx runtime")
        var tensor: OpaquePointer?
        if kind == Int32(ONNX_VALUE_TENSOR) {
            try unsafe calls.check(api.tensor_info_of_type(info, &tensor), .invalid, "onnx runtime")
        }
        guard let tensor = unsafe tensor else {
            return Port(name: name, elementCode: nil, dimensions: [])
        }
        let (code, dimensions) = try unsafe library.describe(tensor)
        return Port(name: name, elementCode: code, dimensions: dimensions)
    }
}

extension OnnxLibrary {
    /// Element type and dimensions of a tensor.
    func describe(_ tensor: OpaquePointer) throws(ModelError) -> (code: Int32, shape: [Int64]) {
        var code: Int32 = 0
        var rank = 0
        try unsafe calls.check(api.element_type(tensor, &code), .inference, "onnx runtime")
        try unsafe calls.check(api.dimension_count(tensor, &rank), .inference, "onnx runtime")
        var shape = [Int64](repeating: 0, count: rank)
        let status = unsafe shape.withUnsafeMutableBufferPointer { buffer -> OpaquePointer? in
            guard let base = buffer.baseAddress, rank > 0 else { return nil }
            return unsafe api.dimensions(tensor, base, rank)
        }
        try unsafe calls.check(status, .inference, "onnx runtime")
        return (code, shape)
    }
}
