internal import CCrypto
internal import Glibc
internal import MillraceCore

/// A model file as the command sees it before an engine does.
enum ModelFile {
    /// The first bytes of the file, for engines to recognize it by.
    static func head(of path: String) throws(ModelError) -> [UInt8] {
        try checkPlain(path)
        var head: [UInt8] = []
        try unsafe read(path) { (chunk: UnsafeRawBufferPointer) -> Bool in
            unsafe head.append(contentsOf: chunk.prefix(4096))
            return false
        }
        return head
    }

    /// Nothing else is opened: a pipe would hang.
    private static func checkPlain(_ path: String) throws(ModelError) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw unreadable(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            throw ModelError(
                .unreadable,
                "cannot read model '\(path)': it is "
                    + (isFolder ? "a folder; name the model's file in it" : "not a plain file"))
        }
        guard status.st_size > 0 else {
            throw ModelError(.invalid, "model '\(path)' is an empty file; copy it again")
        }
    }

    /// The model's version in headers, logs and metrics: the beginning of its file's SHA-256.
    static func version(ofSHA256 digest: String) -> String { String(digest.prefix(12)) }

    /// The file's SHA-256 in hexadecimal digits.
    static func sha256(of path: String) throws(ModelError) -> String {
        try checkPlain(path)
        guard let context = unsafe EVP_MD_CTX_new() else {
            throw ModelError(.unreadable, "no memory to hash model '\(path)'")
        }
        defer { unsafe EVP_MD_CTX_free(context) }
        unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil)
        try unsafe read(path) { (chunk: UnsafeRawBufferPointer) -> Bool in
            unsafe EVP_DigestUpdate(context, chunk.baseAddress, chunk.count)
            return true
        }
        var digest = [UInt8](repeating: 0, count: 32)
        unsafe EVP_DigestFinal_ex(context, &digest, nil)
        return digest.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 2 ? text : "0" + text
        }.joined()
    }

    static func byteCount(of path: String) throws(ModelError) -> Int {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw unreadable(path) }
        return Int(status.st_size)
    }

    /// Reads the file in chunks of up to 1 MiB until its end or until `take` says false.
    private static func read(
        _ path: String, _ take: (UnsafeRawBufferPointer) -> Bool
    ) throws(ModelError) {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw unreadable(path) }
        defer { close(file) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { unsafe buffer.deallocate() }
        while true {
            let count = unsafe Glibc.read(file, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path) }
            if count == 0 { return }
            let chunk = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
            guard unsafe take(chunk) else { return }
        }
    }

    private static func unreadable(_ path: String) -> ModelError {
        let reason = unsafe String(cString: strerror(errno)).lowercased()
        return ModelError(.unreadable, "cannot read model '\(path)': \(reason)")
    }
}
