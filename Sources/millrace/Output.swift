internal import Glibc

/// Writing to the standard streams, whole text at a time.
enum Output {
    /// To stdout. A closed pipe ends the process quietly, as it does other filters.
    static func print(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    /// To stderr.
    static func complain(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    private static func write(_ text: String, to file: Int32) {
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let written = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(
                    file, buffer.baseAddress.map { unsafe $0 + start }, bytes.count - start)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return }
            start += written
        }
    }

    /// Whether stderr is a terminal.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
