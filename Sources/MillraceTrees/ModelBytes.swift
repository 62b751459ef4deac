import Glibc
package import MillraceCore

/// Reading of model files, for all engines that read them whole.
package enum ModelBytes {
    /// The bytes of a regular file, of which there are at least one and at most `limit`.
    ///
    /// - Parameters:
    ///   - folderAdvice: what to name instead of a folder, "name the .onnx file in it".
    ///   - sizeAdvice: what is possible where the file is larger.
    ///   - kind: "an ONNX model", for the text about an empty file.
    package static func read(
        _ path: String, limit: Int, kind: String, folderAdvice: String, sizeAdvice: String
    ) throws(ModelError) -> [UInt8] {
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
        case S_IFDIR: throw unreadable(path, "is a folder; \(folderAdvice)")
        default: throw unreadable(path, "is not a regular file")
        }
        guard status.st_size <= limit else {
            throw unreadable(path, "has \(status.st_size) bytes; \(sizeAdvice)")
        }
        guard status.st_size > 0 else {
            throw ModelError(.invalid, "\(path): not \(kind) (empty file)")
        }
        return try fill(Int(status.st_size), from: descriptor, path)
    }

    private static func fill(
        _ size: Int, from descriptor: Int32, _ path: String
    ) throws(ModelError) -> [UInt8] {
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

    private static func unreadable(_ path: String, _ what: String) -> ModelError {
        ModelError(.unreadable, "\(path): \(what)")
    }

    /// The text of errno, lower case as our messages are.
    package static func systemMessage() -> String {
        guard let text = unsafe strerror(errno) else { return "error \(errno)" }
        return unsafe String(cString: text).lowercased()
    }

    /// Text from a model or a library, fit for one line of a message.
    package static func printable(_ text: String, limit: Int = 400) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(limit) {
            let isControl = scalar.properties.generalCategory == .control
            result.unicodeScalars.append(isControl ? " " : scalar)
        }
        return result
    }
}
