import Glibc
package import MillraceCore

/// Runs ONNX models with ONNX Runtime, loaded when the first model is.
package struct OnnxEngine: Engine {
    package let name = "onnxruntime"

    private let libraryNames: [String]
    private let intraOpThreads: Int
    private let log: Log

    /// - Parameters:
    ///   - library: absolute path of the shared library from the settings; nil leaves it to the
    ///     environment variable MILLRACE_ONNXRUNTIME and then to the search.
    ///   - searchFolders: where the library may lie, before the loader's own search.
    ///   - intraOpThreads: threads of one session; 1 keeps the work on the lane's own thread.
    ///   - log: takes what ONNX Runtime would write to stderr.
    package init(
        library: String? = nil, searchFolders: [String] = [], intraOpThreads: Int = 1,
        log: Log = .none
    ) {
        let variable = unsafe getenv("MILLRACE_ONNXRUNTIME").map { unsafe String(cString: $0) }
        let named = library ?? variable
        let files = ["libonnxruntime.so.1", "libonnxruntime.so"]
        if let named, !named.isEmpty {
            libraryNames = [named]
        } else {
            libraryNames =
                searchFolders.flatMap { folder in files.map { "\(folder)/\($0)" } } + files
        }
        self.intraOpThreads = max(1, intraOpThreads)
        self.log = log
    }

    /// By content: fields of ModelProto in a row, ir_version among them. A SavedModel begins alike
    /// but has no field above 2.
    package func recognizes(head: [UInt8], path: String) -> Bool {
        var reader = WireReader(head, 0..<head.count)
        var hasVersion = false
        do throws(ScanFailure) {
            while let field = try reader.next() {
                switch (field.number, field.value) {
                case (1, .varint(let version)): hasVersion = version > 0 && version < 1000
                case (2...4, .bytes), (6...8, .bytes), (14, .bytes), (20, .bytes), (25, .bytes),
                    (26, .bytes), (5, .varint):
                    if hasVersion && field.number > 2 { return true }
                default: return false
                }
            }
            return false
        } catch {
            // The head ends within a field: the graph, or a long text before it.
            guard case .truncated(let start) = error, hasVersion, start < head.count else {
                return false
            }
            let number = head[start] >> 3
            return head[start] & 7 == 2 && (3...8).contains(number) && number != 5
        }
    }

    /// The version of the library that a model would be loaded with; nil where there is none that
    /// works.
    package var libraryVersion: String? {
        try? OnnxLibrary.open(libraryNames, log: log).version
    }

    package func load(path: String) throws(ModelError) -> any Model {
        if libraryNames.count == 1, let name = libraryNames.first, !name.hasPrefix("/") {
            throw ModelError(
                .libraryMissing,
                "\(printable(name)): the path of onnx runtime must be absolute")
        }
        let file = try ModelFile(path: path)
        let scan: ModelScan
        let hints: ShapeHints
        let facts: ModelFacts
        do throws(ScanFailure) {
            scan = try ModelScan(file.bytes)
            hints = try ShapeHints(scan)
            facts = try scan.facts()
        } catch {
            throw Self.error(error, path: path)
        }
        try file.checkExternalData(scan.externals)
        let library = try OnnxLibrary.open(libraryNames, log: log)
        return try OnnxModel(
            scan: scan, hints: hints, facts: facts, path: path, folder: file.folder,
            library: library,
            intraOpThreads: intraOpThreads, log: log)
    }

    static func error(_ failure: ScanFailure, path: String) -> ModelError {
        let what =
            switch failure {
            case .truncated(let position):
                "not a whole ONNX model (the field at byte \(position) runs past the end of the "
                    + "file); copy the file again"
            case .malformed(let position):
                "not an ONNX model (no protobuf field at byte \(position))"
            case .missing(let field): "not an ONNX model (no \(field))"
            case .nesting:
                "refused (graphs nested deeper than \(ModelScan.depthLimit))"
            case .twoGraphs: "refused (two main graphs in one model)"
            case .shape(let tensor):
                "refused (tensor '\(printable(tensor))' has a shape for more elements than the "
                    + "file holds)"
            case .functions:
                "refused (functions that call themselves, or that make more than "
                    + "\(ModelLimits.expandedNodes) nodes)"
            }
        return ModelError(.invalid, "\(path): \(what)")
    }
}
