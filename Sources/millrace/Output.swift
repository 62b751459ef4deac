internal import Glibc

/// Writing to the standard streams, whole text at a time.
enum Output {
    /// To stdout. A closed pipe ends the process quietly, as it does other filters.
    static func print(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }

    /// To stderr.
    static func complain(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    private static func write(_ text: String, to file: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = unsafe bytes[...]
            while unsafe !rest.isEmpty {
                let written = unsafe Glibc.write(
                    file, UnsafeRawBufferPointer(rebasing: rest[...]).baseAddress, rest.count)
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { return }
                unsafe rest = rest.dropFirst(written)
            }
        }
    }

    /// Whether stderr is a terminal.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
