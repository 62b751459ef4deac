import Glibc
import Testing

/// What commands print, held by the files of Tests/Fixtures/command. Each command is a line
/// `$ COMMAND`; below it stand what came on stdout, what came on stderr (each line behind `! `) and
/// the exit code. With MILLRACE_WRITE_SNAPSHOTS=1 in the environment the files are written anew.
enum Snapshot {
    static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// Runs the commands, each in a new folder that `setUp` has filled and with `millrace` as the
    /// command, and compares what they print with the file of that name.
    static func expect(
        _ name: String, setUp: String = ":", _ commands: [String],
        _ masks: [Mask] = [], at location: SourceLocation = #_sourceLocation
    ) throws {
        var text = ""
        for command in commands {
            let ended = try Command.shell(
                """
                unset KAFKA_BROKERS MILLRACE_HTTP NOTIFY_SOCKET MILLRACE_ONNXRUNTIME
                millrace() { "$MILLRACE" "$@"; }
                export ROOT='\(root)'; cd "$T"; \(setUp)
                \(command)
                """)
            text += "$ \(command)\n" + ended.output
            if !ended.output.isEmpty, !ended.output.hasSuffix("\n") { text += "\n" }
            for line in ended.errors.split(separator: "\n", omittingEmptySubsequences: false)
                .dropLast()
            {
                text += "! \(line)\n"
            }
            text += "exit \(ended.status)\n\n"
        }
        try compare(
            masked(text, masks), with: "\(root)/Tests/Fixtures/command/\(name).txt", location)
    }

    /// What differs from run to run or from machine to machine, and what stands for it.
    struct Mask: Sendable {
        let pattern: String
        let text: String

        /// Times and rates of the summary line, and what depends on them.
        static let summary = Mask(
            pattern: #"\b(wall|cpu|rec/s|rec/cpu-s|mean_batch|p50_ms|p99_ms)=(\d+(\.\d+)?|-)"#,
            text: "\\1=N")
        /// The time of a log line.
        static let logTime = Mask(pattern: #"\b\d{4}-\d\d-\d\dT[0-9:.]+Z"#, text: "TIME")
        static let port = Mask(pattern: #"\b127\.0\.0\.1:\d{2,}"#, text: "127.0.0.1:PORT")
        /// Measured times of `model`, for people and in JSON.
        static let microseconds = Mask(
            pattern: #"\b\d+(\.\d+)? us\b"#, text: "N us")
        static let jsonMicroseconds = Mask(
            pattern: #"("(?:us|us_per_call|us_per_row)":)\d+(\.\d+)?(e-?\d+)?"#, text: "\\1N")
        static let version = Mask(pattern: #"\b\d+\.\d+(\.\d+)+\b"#, text: "VERSION")
    }

    private static func masked(_ text: String, _ masks: [Mask]) throws -> String {
        let folders = [
            Mask(pattern: #"/tmp/millrace-command-\w+/work"#, text: "T"),
            Mask(pattern: root.replacing(".", with: "\\."), text: "ROOT"),
        ]
        var text = text
        for mask in folders + masks { text = try replaced(mask, in: text) }
        return text
    }

    /// The text may refer to the first group.
    private static func replaced(_ mask: Mask, in text: String) throws -> String {
        let pattern = try Regex(mask.pattern)
        return text.replacing(pattern) { match in
            let group = match.output.count > 1 ? match.output[1].substring.map(String.init) : nil
            return mask.text.replacing("\\1", with: group ?? "")
        }
    }

    private static func compare(_ text: String, with path: String, _ location: SourceLocation)
        throws
    {
        guard unsafe getenv("MILLRACE_WRITE_SNAPSHOTS") == nil else {
            try write(text, to: path)
            return
        }
        let found = "/tmp/millrace-snapshot-\(getpid())-\(path.split(separator: "/").last ?? "")"
        try write(text, to: found)
        defer { unlink(found) }
        let difference = try Command.shell("diff -u '\(path)' '\(found)' 2>&1")
        let hint = "see CONTRIBUTING.md, Snapshots"
        #expect(
            difference.output == "", "\(path): \(hint)\n\(difference.output)",
            sourceLocation: location)
    }

    private static func write(_ text: String, to path: String) throws {
        guard let file = unsafe fopen(path, "w") else { throw Command.Failure(errno) }
        defer { unsafe fclose(file) }
        guard unsafe fputs(text, file) >= 0 else { throw Command.Failure(errno) }
    }
}
