internal import Glibc

/// Whole files and folders, with limits.
enum FileBytes {
    struct Contents {
        let bytes: [UInt8]
        /// Whether users outside owner and group may read it.
        let isWorldReadable: Bool
    }

    struct Failure: Error {
        /// Completes "cannot read PATH: ...".
        let reason: String
    }

    /// Reads a regular file of at most `limit` bytes.
    static func read(_ path: String, limit: Int) throws(Failure) -> Contents {
        // Without O_NONBLOCK opening a named pipe would wait for its writer.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Failure(reason: lastError()) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw Failure(reason: lastError()) }
        let mode = status.st_mode
        guard mode & S_IFMT == S_IFREG else {
            throw Failure(
                reason: mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is not a plain file")
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw Failure(reason: lastError())
            }
            if count == 0 { break }
            bytes += chunk.prefix(count)
            guard bytes.count <= limit else {
                throw Failure(reason: "is larger than \(Quantities.sizeText(Int64(limit)))")
            }
        }
        return Contents(bytes: bytes, isWorldReadable: mode & 0o004 != 0)
    }

    enum Kind { case file, folder, other }

    /// What a path leads to; symbolic links are followed.
    static func kind(of path: String) throws(Failure) -> Kind {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw Failure(reason: lastError()) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: return .file
        case S_IFDIR: return .folder
        default: return .other
        }
    }

    /// Whether the path itself is a symbolic link.
    static func isLink(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// The names in a folder, sorted, without hidden ones; at most `limit`.
    static func names(in folder: String, limit: Int) throws(Failure) -> [String] {
        guard let stream = unsafe opendir(folder) else { throw Failure(reason: lastError()) }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe String(cString: $0)
                }
            }
            if name.hasPrefix(".") { continue }
            guard names.count < limit else {
                throw Failure(reason: "holds more than \(limit) names")
            }
            names.append(name)
        }
        return names.sorted()
    }

    private static func lastError() -> String {
        let code = errno
        switch code {
        case ENOENT: return "no such file"
        case EACCES: return "permission denied"
        default:
            var buffer = [CChar](repeating: 0, count: 128)
            return unsafe buffer.withUnsafeMutableBufferPointer { room in
                guard let base = room.baseAddress, unsafe strerror_r(code, base, room.count) == 0
                else { return "error \(code)" }
                return unsafe String(cString: base).lowercased()
            }
        }
    }
}

/// Path arithmetic on text.
enum PathText {
    /// The folder part of a file's path; `.` for a bare name.
    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// `path`, taken as relative to `folder` unless absolute.
    static func resolve(_ path: String, in folder: String) -> String {
        if path.hasPrefix("/") || folder == "." { return path }
        return folder.hasSuffix("/") ? folder + path : folder + "/" + path
    }

    /// The last part without its extension.
    static func stem(of path: String) -> String {
        let name = path.split(separator: "/").last ?? ""
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else {
            return String(name)
        }
        return String(name[..<dot])
    }
}
