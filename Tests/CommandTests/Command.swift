import Glibc

/// The built command, run as a process of its own. `swift test` puts it beside the tests' bundle.
enum Command {
    struct Ended: Sendable {
        let status: Int32
        let output: String
        let errors: String
    }

    static let path: String = {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let own = String(
            decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let beside = String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)]) + "/millrace"
        return unsafe access(beside, X_OK) == 0 ? beside : ".build/debug/millrace"
    }()

    /// The folder of the examples.
    private static let pipelines: String = {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/") + "/pipelines"
    }()

    /// Runs the shell text with `$MILLRACE` as the command, `$PIPELINES` as the folder of the
    /// examples and `$T` as a new, empty folder, which is removed. The streams are caught in files,
    /// so that no full pipe blocks anybody.
    static func shell(_ text: String) throws -> Ended {
        let letters = String(repeating: "X", count: 6)
        var pattern = Array("/tmp/millrace-command-\(letters)".utf8CString)
        guard unsafe mkdtemp(&pattern) != nil else { throw Failure(errno) }
        let folder = String(
            decoding: pattern.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = unsafe system("rm -rf '\(folder)'") }
        let script =
            "export MILLRACE='\(path)' T='\(folder)/work' PIPELINES='\(pipelines)';"
            + " mkdir \"$T\"; ( \(text)\n)"
            + " >'\(folder)/out' 2>'\(folder)/err' </dev/null"
        let status = unsafe system(script)
        guard status >= 0 else { throw Failure(errno) }
        return Ended(
            status: status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F,
            output: contents("\(folder)/out"), errors: contents("\(folder)/err"))
    }

    struct Failure: Error {
        let code: Int32
        init(_ code: Int32) { self.code = code }
    }

    private static func contents(_ path: String) -> String {
        guard let file = unsafe fopen(path, "r") else { return "" }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe fread(&chunk, 1, chunk.count, file)
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }
}
