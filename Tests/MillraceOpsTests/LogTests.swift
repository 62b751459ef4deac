internal import Glibc
import MillraceCore
import MillraceOps
internal import Synchronization
import Testing

struct LogTextTests {
    private static let wallNs: Int64 = 1_795_507_262_345_678_901

    private static func text(_ event: Log.Event) -> String {
        LogText.line(event, wallNs: wallNs, form: .text)
    }

    private static func json(_ event: Log.Event) -> String {
        LogText.line(event, wallNs: wallNs, form: .json)
    }

    @Test func textOfEachLevel() {
        let names: [(Log.Level, String)] = [
            (.debug, "DEBUG"), (.info, "INFO "), (.warning, "WARN "), (.error, "ERROR"),
        ]
        for (level, name) in names {
            #expect(
                Self.text(Log.Event(level: level, message: "started"))
                    == "2026-11-24T08:01:02.345Z \(name) started\n")
        }
    }

    @Test(arguments: [
        ("plain", "plain"), ("a/b:c-1.5", "a/b:c-1.5"), ("ünï", "ünï"), ("", #""""#),
        ("two words", #""two words""#), ("a=b", #""a=b""#), (#"say "x""#, #""say \"x\"""#),
        (#"a\b"#, #""a\\b""#), ("a\nb\r\tc", #""a\nb\r\tc""#), ("\u{1b}[31m", #""\u001b[31m""#),
        ("\u{0}\u{7f}\u{9b}", #""\u0000\u007f\u009b""#), ("\u{2028}", #""\u2028""#),
        ("\u{202e}", #""\u202e""#), ("a\u{301}", "a\u{301}"),
    ])
    func textOfValues(value: String, expected: String) {
        let event = Log.Event(level: .info, message: "m", fields: [("k", value), ("l", "2")])
        #expect(Self.text(event) == "2026-11-24T08:01:02.345Z INFO  m k=\(expected) l=2\n")
    }

    @Test func aMessageStaysOneLine() {
        let event = Log.Event(level: .error, message: "a \"b\"\nERROR forged\u{1b}]0;x\u{7}")
        #expect(
            Self.text(event)
                == "2026-11-24T08:01:02.345Z ERROR a \"b\"\\nERROR forged\\u001b]0;x\\u0007\n")
    }

    @Test func jsonEscapesAndKeepsItsOwnMembers() {
        let event = Log.Event(
            level: .warning, message: "a \"b\"\n",
            fields: [("path", #"c:\d"#), ("time", "\u{1}"), ("level", "x")])
        #expect(
            Self.json(event)
                == #"{"time":"2026-11-24T08:01:02.345Z","level":"warning","message":"a \"b\"\n","#
                + #""path":"c:\\d","field_time":"\u0001","field_level":"x"}"# + "\n")
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_399_999_999_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000_000_000, "2000-03-01T00:00:00.000Z"),
        (1_709_164_800_000_000_000, "2024-02-29T00:00:00.000Z"),
        (1_735_689_599_000_000_000, "2024-12-31T23:59:59.000Z"),
        (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
        (Int64.max, "2262-04-11T23:47:16.854Z"), (Int64.min, "1677-09-21T00:12:43.145Z"),
    ])
    func timestamps(nanoseconds: Int64, text: String) {
        #expect(Timestamp.utc(nanoseconds: nanoseconds) == text)
    }
}

struct RepeatLimiterTests {
    private static let second: Int64 = 1_000_000_000

    /// `#expect` cannot call what mutates a value; it can ask an object.
    private final class Limiter {
        private var value = RepeatLimiter()

        func admit(_ level: Log.Level, _ message: String, nowNs: Int64) -> Bool {
            value.admit(level, message, nowNs: nowNs)
        }

        func takeEnded(nowNs: Int64) -> [RepeatLimiter.Suppressed] {
            value.takeEnded(nowNs: nowNs)
        }
    }

    @Test func tenPassAndTheRestAreCounted() {
        let limiter = Limiter()
        for index in 0..<25 {
            #expect(limiter.admit(.error, "broker down", nowNs: 0) == (index < 10))
        }
        #expect(limiter.admit(.warning, "broker down", nowNs: 0))
        #expect(limiter.admit(.error, "other", nowNs: 0))
        #expect(limiter.takeEnded(nowNs: 10 * Self.second - 1).isEmpty)
        let ended = limiter.takeEnded(nowNs: 10 * Self.second)
        #expect(ended == [.init(level: .error, message: "broker down", count: 15)])
        #expect(limiter.takeEnded(nowNs: .max).isEmpty)
        #expect(limiter.admit(.error, "broker down", nowNs: 11 * Self.second))
    }

    @Test func windowsEndEachForItself() {
        let limiter = Limiter()
        for _ in 0..<11 { _ = limiter.admit(.info, "a", nowNs: 0) }
        for _ in 0..<12 { _ = limiter.admit(.error, "b", nowNs: 5 * Self.second) }
        #expect(
            limiter.takeEnded(nowNs: 12 * Self.second)
                == [.init(level: .info, message: "a", count: 1)])
        #expect(
            limiter.takeEnded(nowNs: 15 * Self.second)
                == [.init(level: .error, message: "b", count: 2)])
    }

    @Test func theMostSevereIsReportedFirst() {
        let limiter = Limiter()
        for level in Log.Level.allCases {
            for _ in 0..<11 { _ = limiter.admit(level, "m", nowNs: 0) }
        }
        #expect(limiter.takeEnded(nowNs: .max).map(\.level) == [.error, .warning, .info])
    }

    @Test func debugPassesAndMessagesWithoutEndTakeNoMemory() {
        let limiter = Limiter()
        for _ in 0..<100 {
            #expect(limiter.admit(.debug, "poll", nowNs: 0))
        }
        for index in 0..<10_000 {
            #expect(limiter.admit(.error, "message \(index)", nowNs: 0))
        }
        for _ in 0..<20 {
            #expect(limiter.admit(.error, "message 9999", nowNs: 0))
        }
    }
}

struct LogWriterTests {
    /// A pipe whose read end gives everything that was written, once the write end is closed.
    private final class Pipe {
        let writeEnd: Int32
        private let readEnd: Int32

        init() throws {
            var ends: [Int32] = [-1, -1]
            try #require(unsafe pipe(&ends) == 0)
            (readEnd, writeEnd) = (ends[0], ends[1])
        }

        /// Closes the write end and returns the lines. The pipe holds 64 KiB.
        func lines() -> [String] {
            _ = Glibc.close(writeEnd)
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = unsafe read(readEnd, &buffer, buffer.count)
                guard count > 0 else { break }
                all += buffer[..<count]
            }
            _ = Glibc.close(readEnd)
            return String(decoding: all, as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    private final class ManualClock: Sendable {
        private let nowNs = Atomic<Int64>(0)

        func advance(seconds: Int64) {
            nowNs.add(seconds * 1_000_000_000, ordering: .sequentiallyConsistent)
        }

        var clocks: LogWriter.Clocks {
            LogWriter.Clocks(
                wallNs: { self.nowNs.load(ordering: .sequentiallyConsistent) },
                monotonicNs: { self.nowNs.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func writesFromTheThresholdOn() throws {
        let pipe = try Pipe()
        let writer = LogWriter(
            to: TextStream(descriptor: pipe.writeEnd), form: .text, threshold: .warning,
            clocks: ManualClock().clocks)
        for level in Log.Level.allCases { writer.log(level, "m", [("k", "v")]) }
        #expect(
            pipe.lines() == [
                "1970-01-01T00:00:00.000Z WARN  m k=v", "1970-01-01T00:00:00.000Z ERROR m k=v",
            ])
    }

    @Test func saysHowOftenARepeatedEventWasHeldBack() throws {
        let pipe = try Pipe()
        let clock = ManualClock()
        let writer = LogWriter(
            to: TextStream(descriptor: pipe.writeEnd), form: .text, clocks: clock.clocks)
        for _ in 0..<14 { writer.log(.error, "broker down", [("broker", "b1")]) }
        clock.advance(seconds: 10)
        writer.log(.info, "next")
        for _ in 0..<12 { writer.log(.error, "broker down") }
        writer.reportSuppressed()
        writer.flush()
        let lines = pipe.lines()
        try #require(lines.count == 23)
        #expect(lines[9] == "1970-01-01T00:00:00.000Z ERROR broker down broker=b1")
        #expect(lines[10] == "1970-01-01T00:00:10.000Z ERROR broker down suppressed=4")
        #expect(lines[11] == "1970-01-01T00:00:10.000Z INFO  next")
        #expect(lines[22] == "1970-01-01T00:00:10.000Z ERROR broker down suppressed=2")
    }

    @Test func linesOfManyThreadsStayWhole() async throws {
        let pipe = try Pipe()
        let writer = LogWriter(
            to: TextStream(descriptor: pipe.writeEnd), form: .json, threshold: .debug)
        await withTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for index in 0..<50 { writer.log(.debug, "m", [("n", "\(task).\(index)")]) }
                }
            }
        }
        let lines = pipe.lines()
        #expect(lines.count == 400)
        #expect(lines.allSatisfy { $0.hasPrefix("{\"time\":\"2") && $0.hasSuffix("\"}") })
        #expect(Set(lines.map { $0.split(separator: "\"n\":").last }).count == 400)
    }

    @Test func aClosedDescriptorIsNoTrouble() {
        let writer = LogWriter(to: TextStream(descriptor: -1), form: .text)
        writer.log(.error, "nobody reads this")
        writer.flush()
    }
}
