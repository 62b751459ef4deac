internal import Glibc

/// How many processors this process may use: those of the machine, and no more than the quota of
/// its container (cgroup v2, `cpu.max`), rounded up. A limited container on a large machine would
/// otherwise start a lane for each of the machine's processors.
package enum Processors {
    /// At least 1. Read anew each time.
    package static var count: Int {
        usable(
            online: sysconf(Int32(_SC_NPROCESSORS_ONLN)),
            quota: firstLine(of: "/sys/fs/cgroup/cpu.max"))
    }

    /// - Parameter quota: `cpu.max` as the kernel writes it (Documentation/admin-guide/cgroup-v2):
    ///   microseconds of CPU time a period, or `max`, and the period. Nil or anything else is no
    ///   limit.
    package static func usable(online: Int, quota: String?) -> Int {
        let words = (quota ?? "").split(separator: " ").map { Int($0) }
        guard words.count == 2, let time = words[0], let period = words[1], time > 0, period > 0
        else { return max(1, online) }
        let whole = time / period + (time % period == 0 ? 0 : 1)
        return max(1, min(online, whole))
    }

    /// The first line of a small file; nil where it cannot be read.
    private static func firstLine(of path: String) -> String? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = unsafe read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let line = bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }
        return String(decoding: line, as: UTF8.self)
    }
}
