internal import Glibc
internal import Synchronization

/// Writing to the standard streams, whole text at a time.
enum Output {
    private static let isStdoutClosed = Atomic<Bool>(false)

    /// Whether a text for stdout did not get through, e.g. as its reader (`| head`) has gone.
    static var isClosed: Bool { isStdoutClosed.load(ordering: .relaxed) }

    /// Gives closed standard streams to /dev/null: otherwise the next socket or file would get
    /// their number, and our texts. Call it first of all in `main`.
    static func openStandardStreams() {
        for file in STDIN_FILENO...STDERR_FILENO where fcntl(file, F_GETFD) < 0 {
            // The lowest free number, which is this one.
            _ = unsafe open("/dev/null", O_RDWR)
        }
    }

    /// To stdout, control characters shown escaped.
    static func print(_ text: String) {
        if !write(text + "\n", to: STDOUT_FILENO) {
            isStdoutClosed.store(true, ordering: .relaxed)
        }
    }

    /// To stderr, control characters shown escaped.
    static func complain(_ text: String) { _ = write(text + "\n", to: STDERR_FILENO) }

    /// Names of files and words of the command line may hold anything; a terminal must not obey it.
    private static func escaped(_ text: String) -> String {
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar.properties.generalCategory == .control, scalar != "\n" {
                shown.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            } else {
                shown.append(scalar)
            }
        }
        return String(shown)
    }

    private static func write(_ text: String, to file: Int32) -> Bool {
        let bytes = Array(escaped(text).utf8)
        var start = 0
        while start < bytes.count {
            let written = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(
                    file, buffer.baseAddress.map { unsafe $0 + start }, bytes.count - start)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return false }
            start += written
        }
        return true
    }

    /// Whether stderr is a terminal.
    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
