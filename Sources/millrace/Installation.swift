internal import Glibc
internal import MillraceCore

/// Where this binary and what belongs to it lie.
enum Installation {
    static let version = MillraceVersion.current

    /// The folder of the running binary, with links resolved; "." where the system does not say.
    static let binaryFolder: String = {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { return "." }
        let path = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return String(path[..<slash])
    }()

    /// Folders with the engines' shared libraries: what scripts/setup fills beside the sources
    /// (the binary lies in .build/TRIPLE/CONFIGURATION), and what an installation has.
    static var libraryFolders: [String] {
        [binaryFolder + "/../../../.engines", binaryFolder + "/../lib/millrace"]
    }

    /// The pipeline file that the demo runs: of the working folder, of the sources, or installed.
    static func exampleFile(_ name: String) -> String? {
        let folders = [
            "pipelines", binaryFolder + "/../../../pipelines",
            binaryFolder + "/../share/millrace/pipelines", "/etc/millrace/pipelines",
        ]
        guard let found = folders.map({ "\($0)/\(name)" }).first(where: isReadable) else {
            return nil
        }
        guard found.hasPrefix("/"), let real = unsafe realpath(found, nil) else { return found }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }

    private static func isReadable(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 }
}

/// The environment variables of the process, read once.
enum Environment {
    static let variables: [String: String] = {
        var all: [String: String] = [:]
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            let pair = unsafe String(cString: text)
            if let equals = pair.firstIndex(of: "=") {
                all[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
            }
            unsafe entry += 1
        }
        return all
    }()
}
