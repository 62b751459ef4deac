internal import Glibc
import MillraceOps
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
}
