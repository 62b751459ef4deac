internal import Glibc

/// What the process says when it ends; the numbers above 1 are sysexits.h's.
enum ExitCode: Int32, CaseIterable {
    case done = 0
    /// A test of a pipeline has failed.
    case testFailed = 1
    /// The command line is wrong.
    case usage = 64
    /// A pipeline file, a model or a record (`on_error: stop`) is bad.
    case badData = 65
    /// A service is not there.
    case unavailable = 69
    /// A bug of ours.
    case bug = 70
    /// Nothing is lost; start again.
    case tryAgain = 75

    /// For the manual page.
    var meaning: String {
        switch self {
        case .done: "Done."
        case .testFailed: "A test of a pipeline has failed (test)."
        case .usage: "The command line is wrong."
        case .badData:
            "A pipeline file, a model, the topics or a record (on_error: stop) is bad: change it."
        case .unavailable: "A service is not there: look there, then start again."
        case .bug: "A bug of Millrace: report it."
        case .tryAgain: "Stopped in a hurry; nothing is lost: start again."
        }
    }
}

/// A failure that ends the process, with the text for stderr.
struct CommandError: Error {
    let code: ExitCode
    let message: String

    init(_ code: ExitCode, _ message: String) {
        self.code = code
        self.message = message
    }
}

/// Ends the process.
func endProcess(with code: ExitCode) -> Never { Glibc.exit(code.rawValue) }
