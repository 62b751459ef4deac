internal import Glibc
internal import MillraceOps
internal import MillraceWorker

/// Draws the progress line while a worker runs.
enum ProgressDisplay {
    /// Between two drawings: often enough to look alive, too seldom to cost anything.
    static let intervalMs: UInt32 = 250

    /// Whether a person watches the log on a terminal that can erase a line. Other programs read
    /// the log where it is JSON.
    static func isWanted(_ form: LogForm) -> Bool {
        guard form == .text, Output.errors.isTerminal else { return false }
        return Environment.variables["TERM"] != "dumb"
    }

    /// Asks `look` on a thread of its own and draws what it tells, until
    /// `Output.errors.endProgress` is called; one more look may come after that. The first line
    /// comes after one interval, so that a short run shows none.
    static func begin(_ look: @escaping @Sendable () -> Progress) {
        _ = WorkerThread(name: "progress") {
            var text = ProgressText()
            text.add(look())
            repeat {
                usleep(intervalMs * 1_000)
                text.add(look())
            } while Output.errors.showProgress { text.line(columns: $0) }
        }
    }
}
