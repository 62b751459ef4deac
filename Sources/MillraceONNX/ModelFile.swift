import Glibc
import MillraceCore

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
        // Non-blocking, so that a pipe in the file's place does not hang the start.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw unreadable(path, systemMessage()) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw unreadable(path, systemMessage())
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw unreadable(path, "is a folder; name the .onnx file in it")
        default: throw unreadable(path, "is not a regular file")
        }
        guard status.st_size <= limitBytes else {
            throw unreadable(
                path,
                "has \(status.st_size) bytes; at most 2 GiB are possible, keep large weights "
                    + "as external data beside the model")
        }
        let size = Int(status.st_size)
        guard size > 0 else {
            throw ModelError(.invalid, "\(path): not an ONNX model (empty file)")
        }
        var bytes = [UInt8](repeating: 0, count: size)
        var filled = 0
        while filled < size {
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(
                    descriptor, buffer.baseAddress.map { unsafe $0 + filled }, size - filled)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path, systemMessage()) }
            guard count > 0 else {
                throw unreadable(path, "became shorter while it was read; try again")
            }
            filled += count
        }
        return bytes
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

private func unreadable(_ path: String, _ what: String) -> ModelError {
    ModelError(.unreadable, "\(path): \(what)")
}

/// The text of errno, lower case as our messages are.
private func systemMessage() -> String {
    guard let text = unsafe strerror(errno) else { return "error \(errno)" }
    return unsafe String(cString: text).lowercased()
}

/// Text from a model or a library, fit for one line of a message.
func printable(_ text: String, limit: Int = 400) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(limit) {
        result.unicodeScalars.append(scalar.properties.generalCategory == .control ? " " : scalar)
    }
    return result
}
