internal import Glibc
internal import MillraceOps
internal import Synchronization

/// Writing to the standard streams, whole text at a time.
enum Output {
    /// Stderr: log lines, complaints and the progress line.
    static let errors = TextStream(descriptor: STDERR_FILENO)
    private static let values = TextStream(descriptor: STDOUT_FILENO)
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
        if !values.write(escaped(text) + "\n") {
            isStdoutClosed.store(true, ordering: .relaxed)
        }
    }

    /// To stderr, control characters shown escaped.
    static func complain(_ text: String) { errors.write(escaped(text) + "\n") }

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
}
