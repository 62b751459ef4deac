import Glibc
package import MillraceCore

/// The bytes of a model file, from its first to its last, piece by piece.
package final class ModelStream {
    /// Bytes in the file when it was opened, at least one.
    package let size: Int
    private let path: String
    private let descriptor: Int32
    private var given = 0

    /// A regular file of at most `limit` bytes.
    ///
    /// - Parameters:
    ///   - folderAdvice: what to name instead of a folder, "name the .onnx file in it".
    ///   - sizeAdvice: what is possible where the file is larger.
    ///   - kind: "an ONNX model", for the text about an empty file.
    package init(
        _ path: String, limit: Int, kind: String, folderAdvice: String, sizeAdvice: String
    ) throws(ModelError) {
        // Non-blocking, so that a pipe in the file's place does not hang the start.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw ModelText.unreadable(path, ModelText.systemMessage())
        }
        do throws(ModelError) {
            size = try Self.size(
                of: descriptor, path, limit: limit, kind: kind, folderAdvice: folderAdvice,
                sizeAdvice: sizeAdvice)
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    private static func size(
        of descriptor: Int32, _ path: String, limit: Int, kind: String, folderAdvice: String,
        sizeAdvice: String
    ) throws(ModelError) -> Int {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw ModelText.unreadable(path, ModelText.systemMessage())
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw ModelText.unreadable(path, "is a folder; \(folderAdvice)")
        default: throw ModelText.unreadable(path, "is not a regular file")
        }
        guard status.st_size <= limit else {
            throw ModelText.unreadable(path, "has \(status.st_size) bytes; \(sizeAdvice)")
        }
        guard status.st_size > 0 else {
            throw ModelError(.invalid, "\(path): not \(kind) (empty file)")
        }
        return Int(status.st_size)
    }

    /// Appends the next bytes to a list: `count`, fewer only where the file had no more when it was
    /// opened; 0 behind its end.
    @discardableResult
    package func append(_ count: Int, to list: inout [UInt8]) throws(ModelError) -> Int {
        let start = list.count
        let asked = min(count, size - given)
        list.append(contentsOf: repeatElement(0, count: asked))
        var filled = 0
        while filled < asked {
            let count = unsafe list.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(
                    descriptor, buffer.baseAddress.map { unsafe $0 + start + filled },
                    asked - filled)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else {
                throw ModelText.unreadable(path, ModelText.systemMessage())
            }
            guard count > 0 else {
                throw ModelText.unreadable(path, "became shorter while it was read; try again")
            }
            filled += count
        }
        given += asked
        return asked
    }

    /// All bytes that are left.
    package func rest() throws(ModelError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size - given)
        try append(size - given, to: &bytes)
        return bytes
    }
}
