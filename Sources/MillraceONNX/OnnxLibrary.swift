import COnnxRuntime
import Glibc
import MillraceCore
import Synchronization

/// ONNX Runtime's shared library, its table of functions and its one environment.
///
/// Loaded once for each file and never unloaded: its threads and log function may outlive any
/// session.
@safe final class OnnxLibrary: @unchecked Sendable {
    // Sendable: all is constant after init, and ONNX Runtime says of the functions called on the
    // environment, the allocator and the memory info that threads may share these.

    /// The oldest release whose results we vouch for. It is the first with version 20 of the table
    /// and takes weights from a folder for a model given as bytes. Its own checks of external data
    /// came later (1.24 and after) and are not needed: `ModelFile.checkExternalData` does them.
    static let oldest = (major: 1, minor: 20)

    let api: OnnxApi
    let version: String
    let environment: OpaquePointer
    let allocator: OpaquePointer
    let memory: OpaquePointer
    private let log: Unmanaged<LogBox>

    private static let loaded = Mutex<[String: OnnxLibrary]>([:])

    /// The library of the first of these names that the loader finds, from the cache if it was
    /// loaded before (then with the log of that time).
    ///
    /// - Parameter names: absolute paths, or bare names for the loader's own search.
    static func open(_ names: [String], log: Log) throws(ModelError) -> OnnxLibrary {
        // Under the lock throughout: the environment is one for the process, with the log of
        // whoever makes it first, so a second one must never be made and thrown away.
        try loaded.withLock { (cache) throws(ModelError) -> OnnxLibrary in
            var reason: String?
            for name in names {
                if let library = cache[name] { return library }
                guard let handle = unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
                    let text =
                        unsafe dlerror().map { unsafe String(cString: $0) } ?? "unknown reason"
                    // A file that is there but does not load tells more than one that is not.
                    let isThere = unsafe access(name, F_OK) == 0
                    if isThere || reason == nil { reason = text }
                    continue
                }
                let library = try unsafe OnnxLibrary(handle: handle, name: name, log: log)
                cache[name] = library
                return library
            }
            throw ModelError(
                .libraryMissing,
                "onnx runtime is not on this machine (\(printable(reason ?? "no name"))); run "
                    + "scripts/setup, or name libonnxruntime.so in MILLRACE_ONNXRUNTIME or "
                    + "engines.onnxruntime")
        }
    }

    /// - Parameter handle: from dlopen.
    @unsafe private convenience init(
        handle: UnsafeMutableRawPointer, name: String, log: Log
    ) throws(ModelError) {
        guard let symbol = unsafe dlsym(handle, "OrtGetApiBase") else {
            throw ModelError(
                .symbolMissing,
                "\(name): not onnx runtime (has no function OrtGetApiBase); name its "
                    + "libonnxruntime.so in MILLRACE_ONNXRUNTIME or engines.onnxruntime")
        }
        guard let base = unsafe onnx_api_base(symbol) else {
            throw ModelError(.symbolMissing, "\(name): OrtGetApiBase gives no functions")
        }
        try unsafe self.init(base: base.pointee, name: name, log: log)
    }

    /// Checks version and functions and makes the environment.
    ///
    /// - Parameter name: of the library, for messages.
    init(base: OnnxApiBase, name: String, log: Log) throws(ModelError) {
        let version =
            unsafe base.get_version_string().map { unsafe String(cString: $0) } ?? "unknown"
        // Asked first, because get_api writes to stderr where it does not know our version.
        guard Self.isSupported(version), let table = unsafe base.get_api(UInt32(ONNX_API_VERSION))
        else {
            throw ModelError(
                .libraryTooOld,
                "\(name): onnx runtime \(printable(version)) is too old; at least "
                    + "\(Self.oldest.major).\(Self.oldest.minor) is needed")
        }
        let api = unsafe withUnsafeTemporaryAllocation(of: OnnxApi.self, capacity: 1) {
            buffer -> OnnxApi? in
            guard let api = buffer.baseAddress, unsafe onnx_api_read(api, table) else {
                return nil
            }
            return unsafe api.move()
        }
        guard let api = api else {
            throw ModelError(
                .symbolMissing, "\(name): onnx runtime \(version) lacks functions of its table")
        }
        let calls = unsafe OnnxCalls(api: api)
        unsafe allocator = try unsafe calls.make("allocator") { unsafe api.default_allocator($0) }
        let memory = try unsafe calls.make("memory info") {
            unsafe api.create_cpu_memory_info(
                Int32(ONNX_ARENA_ALLOCATOR), Int32(ONNX_DEFAULT_MEMORY), $0)
        }
        let box = unsafe Unmanaged.passRetained(LogBox(log))
        do throws(ModelError) {
            // Last, because the environment keeps its pointer to the log.
            unsafe environment = try unsafe calls.make("environment") {
                unsafe api.create_env_with_logger(
                    writeLog, box.toOpaque(), Int32(ONNX_LOG_ERROR), "millrace", $0)
            }
        } catch {
            unsafe box.release()
            unsafe api.release_memory_info(memory)
            throw error
        }
        // Only Windows builds have telemetry; a failure changes nothing.
        try? unsafe calls.check(api.disable_telemetry(environment), .invalid, "telemetry")
        unsafe self.memory = unsafe memory
        self.api = api
        self.version = version
        unsafe self.log = box
    }

    deinit {
        unsafe api.release_memory_info(memory)
        unsafe api.release_env(environment)
        unsafe log.release()
    }

    var calls: OnnxCalls { unsafe OnnxCalls(api: api) }

    private static func isSupported(_ version: String) -> Bool {
        let parts = version.split(separator: ".").map { Int($0) }
        guard parts.count >= 2, let major = parts[0], let minor = parts[1] else { return false }
        return (major, minor) >= oldest
    }
}

/// Turns results of the C API into errors. Nobody else touches status objects.
@unsafe struct OnnxCalls {
    let api: OnnxApi

    /// Throws what the status says, prefixed with `place`, and frees it; null is success.
    func check(
        _ status: OpaquePointer?, _ kind: ModelError.Kind, _ place: @autoclosure () -> String
    ) throws(ModelError) {
        guard let status = unsafe status else { return }
        let text = unsafe api.get_error_message(status).map { unsafe String(cString: $0) }
        unsafe api.release_status(status)
        throw ModelError(kind, "\(place()): \(printable(text ?? "no message"))")
    }

    /// Calls a function that makes an object.
    func make(
        _ what: String, kind: ModelError.Kind = .invalid,
        _ body: (UnsafeMutablePointer<OpaquePointer?>) -> OpaquePointer?
    ) throws(ModelError) -> OpaquePointer {
        var made: OpaquePointer?
        try unsafe check(body(&made), kind, what)
        guard let made = unsafe made else {
            throw ModelError(kind, "\(what): onnx runtime made nothing")
        }
        return unsafe made
    }
}

/// Keeps the log alive for ONNX Runtime's pointer to it.
private final class LogBox: Sendable {
    let log: Log
    init(_ log: Log) { self.log = log }
}

private let writeLog: OnnxLogFunction = { context, severity, _, _, _, message in
    guard let context = unsafe context, let message = unsafe message else { return }
    let box = unsafe Unmanaged<LogBox>.fromOpaque(context).takeUnretainedValue()
    let text = unsafe String(cString: message)
    box.log(
        severity >= Int32(ONNX_LOG_ERROR) ? .error : .warning, "onnx runtime reports",
        [(name: "text", value: printable(text))])
}
