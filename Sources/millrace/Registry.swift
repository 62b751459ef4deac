internal import MillraceConfig
internal import MillraceCore
internal import MillraceFormats
internal import MillraceKafka
internal import MillraceONNX

/// The one list of formats and engines. A new one is a line here (CONTRIBUTING.md).
enum Registry {
    /// The format that `value.format` names.
    static func format(_ value: PipelineFile.Value) -> any Format {
        switch value.format {
        case .json: JSONFormat(maxValueBytes: value.maxBytes)
        }
    }

    /// Names and versions of the libraries that are looked for at run time.
    static var libraries: [(name: String, version: String)] {
        let onnx = OnnxEngine(searchFolders: Installation.libraryFolders)
        return [
            ("librdkafka", LibraryVersion.current.description),
            (onnx.name, onnx.libraryVersion ?? "not found"),
        ]
    }

    /// All engines; the first that recognizes the file's content runs it.
    static func engines(_ settings: PipelineFile.Engines, log: Log) -> [any Engine] {
        [
            OnnxEngine(
                library: settings.onnxruntime?.value,
                searchFolders: Installation.libraryFolders,
                intraOpThreads: settings.intraOpThreads, log: log)
        ]
    }
}
