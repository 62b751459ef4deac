import Glibc
import MillraceCore
import MillraceTrees

/// A model file's bytes and the folder it lies in.
struct ModelFile {
    /// Protobuf's own limit.
    static let limitBytes = 1 << 31 - 1

    let path: String
    let bytes: [UInt8]

    /// Where external data may lie.
    var folder: String { Self.folder(of: path) }

    init(path: String) throws(ModelError) {
        self.path = path
        self.bytes = try Self.read(path)
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func read(_ path: String) throws(ModelError) -> [UInt8] {
        try ModelStream(
            path, limit: limitBytes, kind: "an ONNX model",
            folderAdvice: "name the .onnx file in it",
            sizeAdvice: "at most 2 GiB are possible, keep large weights as external data beside "
                + "the model"
        ).rest()
    }

    /// Refuses the model if it would read a file that is not a plain one in the model's own folder.
    /// ONNX Runtime's own checks came late and one after the other, so they are not relied on.
    func checkExternalData(_ externals: [ModelScan.ExternalTensor]) throws(ModelError) {
        var seen: Set<String> = []
        for external in externals {
            let tensor = printable(external.tensor)
            guard let location = external.location else {
                throw ModelError(
                    .invalid, "\(path): tensor '\(tensor)' is external but names no file")
            }
            guard seen.insert(location).inserted else { continue }
            if let problem = Self.problem(with: location, in: folder) {
                throw ModelError(
                    .invalid,
                    "\(path): external data '\(printable(location))' of tensor '\(tensor)' "
                        + "\(problem); it must be a regular file in the model's folder")
            }
        }
    }

    private static func problem(with location: String, in folder: String) -> String? {
        let parts = location.split(separator: "/", omittingEmptySubsequences: false)
        if location.hasPrefix("/") { return "has an absolute path" }
        // ONNX Runtime takes a name that starts with '*' for an address in memory.
        if location.utf8.contains(where: { $0 == 0 || $0 == 0x5c }) || location.hasPrefix("*")
            || parts.contains("") || parts.contains(".")
        {
            return "has an unusual path"
        }
        if parts.contains("..") { return "lies outside the model's folder" }
        var path = folder
        for (index, part) in parts.enumerated() {
            path += "/" + part
            var status = stat()
            guard unsafe lstat(path, &status) == 0 else {
                return "cannot be read (\(systemMessage()))"
            }
            let isLast = index == parts.count - 1
            switch status.st_mode & S_IFMT {
            case S_IFLNK: return "is or passes a symbolic link"
            case S_IFDIR where !isLast: break
            case S_IFREG where isLast:
                if status.st_nlink != 1 { return "has a second name (hard link)" }
            default: return "is not a regular file"
            }
        }
        return nil
    }
}

private func systemMessage() -> String { ModelText.systemMessage() }

/// Text from a model or a library, fit for one line of a message.
func printable(_ text: String, limit: Int = 400) -> String {
    ModelText.printable(text, limit: limit)
}
