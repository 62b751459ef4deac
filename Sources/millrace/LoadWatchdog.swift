internal import Glibc
internal import MillraceConfig
internal import MillraceWorker
internal import Synchronization

/// Ends the process where loading a model takes too long, or takes more memory than there is.
///
/// An engine's C code cannot be interrupted, and a process that the kernel kills for its memory
/// says nothing of the reason.
final class LoadWatchdog: Sendable {
    /// What a load must stay within.
    struct Limits {
        var timeoutNs: Int64
        /// By which the process's resident memory may grow.
        var bytes: Int
    }

    /// For models without a pipeline file.
    static let usualNs = Int64(60) * 1_000_000_000
    private static let lookEveryUs: UInt32 = 20_000

    private let isOver = Atomic<Bool>(false)

    /// Watches from now on, until `end`.
    ///
    /// - Parameter bark: is called once, with what to say; it does not return in the command.
    init(
        _ limits: Limits, path: String,
        bark: @escaping @Sendable (ExitCode, String) -> Void = { LoadWatchdog.end($0, $1) }
    ) {
        let start = WorkerClock.system.monotonicNs()
        let before = Self.residentBytes()
        // Without a thread nobody watches, and the load goes on.
        _ = WorkerThread(name: "load-watchdog") { [self] in
            while !isOver.load(ordering: .acquiring) {
                let grown = Self.residentBytes() - before
                if grown > limits.bytes {
                    return bark(
                        .badData,
                        "loading model '\(path)' took \(grown >> 20) MiB of the "
                            + "\(limits.bytes >> 20) MiB that were free; if it is meant to be that "
                            + "large, give it more memory")
                }
                if WorkerClock.system.monotonicNs() - start > limits.timeoutNs {
                    return bark(
                        .tryAgain,
                        "loading model '\(path)' took longer than "
                            + "\(Quantities.durationText(limits.timeoutNs)), which "
                            + "model.load_timeout allows; the engine cannot be interrupted, so the "
                            + "process ends")
                }
                usleep(Self.lookEveryUs)
            }
        }
    }

    convenience init(path: String, timeoutNs: Int64) {
        self.init(Limits(timeoutNs: timeoutNs, bytes: Self.freeBytes() / 10 * 9), path: path)
    }

    convenience init(_ model: PipelineFile.Model) {
        self.init(path: model.file, timeoutNs: model.loadTimeoutNs)
    }

    /// The load has come to its end, good or bad.
    func end() { isOver.store(true, ordering: .releasing) }

    /// Ends the process without a look at what else it does: the thread that loads holds locks.
    private static func end(_ code: ExitCode, _ message: String) {
        Output.complain("millrace: \(message)")
        _exit(code.rawValue)
    }

    // MARK: - Memory

    private static func residentBytes() -> Int {
        let words = head(of: "/proc/self/statm").split(separator: " ")
        guard words.count > 1, let pages = Int(words[1]) else { return 0 }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// What the machine or the control group has left for the process; much where neither says it.
    private static func freeBytes() -> Int {
        var free = Int.max
        let lines = head(of: "/proc/meminfo").split(separator: "\n")
        if let line = lines.first(where: { $0.hasPrefix("MemAvailable:") }),
            let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        {
            free = kibibytes.multipliedReportingOverflow(by: 1024).partialValue
        }
        // What the group uses includes files that the kernel keeps while there is room. The limit
        // is a number, or "max".
        let limit = head(of: "/sys/fs/cgroup/memory.max").split(separator: "\n").first
        if let limit = limit.flatMap({ Int($0) }) {
            free = min(free, max(0, limit - residentBytes()))
        }
        return free
    }

    /// The beginning of a file of the kernel's; empty where it cannot be read.
    private static func head(of path: String) -> String {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(file, &bytes, bytes.count)
        return String(decoding: bytes[..<max(0, count)], as: UTF8.self)
    }
}
