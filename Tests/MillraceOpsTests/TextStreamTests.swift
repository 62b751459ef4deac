internal import Foundation
internal import Glibc
import MillraceOps
import Synchronization
import Testing

struct TextStreamTests {
    /// All that a body writes to the stream.
    private func written(_ body: (TextStream) -> Void) throws -> String {
        var ends: [Int32] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        body(TextStream(descriptor: ends[1]))
        _ = Glibc.close(ends[1])
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(ends[0], &buffer, buffer.count)
        _ = Glibc.close(ends[0])
        return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
    }

    @Test func withoutAProgressLineTextIsAllThatIsWritten() throws {
        let text = try written { stream in
            stream.write("one\n")
            stream.lend { stream.endProgressIfFree() }  // not free: nothing hangs
            stream.endProgress()
            stream.write("two\n")
        }
        #expect(text == "one\ntwo\n")
    }

    @Test func theProgressLineGivesWayToText() throws {
        let text = try written { stream in
            #expect(stream.showProgress { _ in "1 %" })
            stream.write("one\n")
            stream.lend {}
            #expect(stream.showProgress { _ in "2 %" })
            stream.endProgress()
            #expect(!stream.showProgress { _ in "3 %" })
            stream.write("two\n")
        }
        let erase = "\r\u{1b}[K"
        #expect(
            text == "\(erase)1 %\(erase)one\n1 %\(erase)1 %\(erase)2 %\(erase)two\n")
    }

    @Test func aProcessThatEndsAtOnceErasesTheLineWhereItCan() throws {
        let text = try written { stream in
            #expect(stream.showProgress { _ in "1 %" })
            stream.endProgressIfFree()
            #expect(!stream.showProgress { _ in "2 %" })
        }
        #expect(text == "\r\u{1b}[K1 %\r\u{1b}[K")
    }

    @Test func theProgressLineObeysTheTerminal() throws {
        let terminal = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY)
        try #require(terminal >= 0)
        defer { _ = Glibc.close(terminal) }
        let stream = TextStream(descriptor: terminal)
        #expect(stream.isTerminal)
        for columns in [1, 2, 133] {
            var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
            try #require(unsafe ioctl(terminal, UInt(TIOCSWINSZ), &size) == 0)
            var asked: [Int] = []
            _ = stream.showProgress { room in
                asked.append(room)
                return ""
            }
            #expect(asked == [max(1, columns - 1)])
        }
    }

    @Test func aTerminalSeesNoControlCharactersOfAProgressLine() throws {
        let text = try written { stream in
            #expect(!stream.isTerminal)
            _ = stream.showProgress { room in "\(room)\u{1b}]0;x\nb" }
        }
        #expect(text == "\r\u{1b}[K79\\u001b]0;x\\nb")
    }

    /// Escapes are longer than the characters that they stand for.
    @Test func aProgressLineIsCutAsItIsShown() throws {
        let text = try written { stream in
            _ = stream.showProgress { room in String(repeating: "\u{1b}", count: room) }
        }
        #expect(text.utf8.count == "\r\u{1b}[K".utf8.count + 79)
    }

    /// A pipe that does not block and has no room for one more byte.
    private static func fullPipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        try #require(unsafe pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        let filling = [UInt8](repeating: 0x2e, count: 4096)
        while unsafe write(ends[1], filling, filling.count) > 0 {}
        return (ends[0], ends[1])
    }

    /// All that is in the pipe, without what it was filled with.
    private static func drain(_ descriptor: Int32) -> String {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        return String(decoding: text.drop { $0 == 0x2e }, as: UTF8.self)
    }

    @Test func aStreamThatDoesNotBlockIsWaitedFor() throws {
        let (reading, writing) = try Self.fullPipe()
        defer { for end in [reading, writing] { _ = Glibc.close(end) } }
        let stream = TextStream(descriptor: writing)
        // More than a pipe holds.
        let line = String(repeating: "x", count: 100_000) + "\n"
        let reader = Reader(reading, upTo: "two\n")
        #expect(stream.write(line))
        #expect(stream.write("two\n"))
        #expect(reader.text == line + "two\n")
    }

    @Test func whatNobodyReadsIsDroppedInTime() throws {
        let (reading, writing) = try Self.fullPipe()
        defer { for end in [reading, writing] { _ = Glibc.close(end) } }
        let stream = TextStream(descriptor: writing)
        let clock = ContinuousClock()
        let first = clock.measure { #expect(!stream.write("lost\n")) }
        #expect(first > .milliseconds(900) && first < .seconds(20))
        // Who has not read for so long is not waited for again with each line.
        let more = clock.measure { for _ in 0..<50 { #expect(!stream.write("lost\n")) } }
        #expect(more < .seconds(20))
        _ = Self.drain(reading)
        #expect(!stream.write(String(repeating: "x", count: 100_000) + "\n"))
        _ = Self.drain(reading)
        #expect(stream.write("two\n"))
        #expect(stream.write("three\n"))
        #expect(Self.drain(reading) == "\ntwo\nthree\n")
    }
}

/// Reads a pipe on a thread of its own, which begins some time later and ends with this text.
private final class Reader: Sendable {
    private let seen = Mutex<String?>(nil)

    init(_ descriptor: Int32, upTo end: String) {
        Thread.detachNewThread { [self] in
            usleep(100_000)
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 1000)
            let last = Array(end.utf8)
            for _ in 0..<30_000 where !bytes.suffix(last.count).elementsEqual(last) {
                let count = unsafe read(descriptor, &buffer, buffer.count)
                if count > 0 { bytes += buffer[..<count] } else { usleep(1_000) }
            }
            let text = String(decoding: bytes.drop { $0 == 0x2e }, as: UTF8.self)
            seen.withLock { $0 = text }
        }
    }

    /// All that came, without what the pipe was filled with. Waits for the end.
    var text: String {
        while true {
            if let text = seen.withLock({ $0 }) { return text }
            usleep(1_000)
        }
    }
}
