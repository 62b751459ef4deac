internal import CCrypto
internal import CJemalloc
internal import MillraceBoosters
internal import MillraceConfig
internal import MillraceCore
internal import MillraceFormats
internal import MillraceKafka
internal import MillraceONNX
internal import MillraceOps

/// The one list of formats and engines. A new one is a line here (CONTRIBUTING.md).
enum Registry {
    /// The format that `value.format` names.
    static func format(_ value: PipelineFile.Value) -> any Format {
        switch value.format {
        case .json: JSONFormat(maxValueBytes: value.maxBytes)
        }
    }

    /// Names and versions of the libraries in this process: those that are looked for when it
    /// starts or loads a model, then those that it is linked with.
    static var libraries: [(name: String, version: String)] {
        let onnx = OnnxEngine(searchFolders: Installation.libraryFolders)
        return [
            ("librdkafka", LibraryVersion.current.description),
            (onnx.name, onnx.libraryVersion ?? "not found"),
            ("simdjson", JSONFormat.libraryVersion),
            ("libyaml", PipelineReader.libraryVersion),
            ("libmicrohttpd", HttpServer.libraryVersion),
            ("libcrypto", unsafe text(OpenSSL_version(OPENSSL_VERSION_STRING))),
            ("jemalloc", unsafe text(millrace_jemalloc_version())),
        ]
    }

    private static func text(_ version: UnsafePointer<CChar>?) -> String {
        unsafe version.map { unsafe String(cString: $0) } ?? "of an unknown version"
    }

    /// All engines; the first that recognizes the file's content and does not decline it runs it,
    /// see `LoadedModel`. Engines of one kind have one name, which `EngineChoice` lists.
    static func engines(_ settings: PipelineFile.Engines, log: Log) -> [any Engine] {
        [
            XGBoostEngine(),
            CatBoostEngine(),
            LightGBMEngine(),
            OnnxTreesEngine(),
            OnnxEngine(
                library: settings.onnxruntime?.value,
                searchFolders: Installation.libraryFolders,
                intraOpThreads: settings.intraOpThreads, log: log)
        ]
    }
}
