import Glibc
import MillraceCore
import MillraceTestKit
import MillraceWorker
import Testing

@testable import MillraceLines

@Suite("Lines: source")
struct LineSourceTests {
    @Test(
        "cuts lines and counts them",
        arguments: [
            ("", []),
            ("1", ["0:1=2"]),
            ("1\n", ["0:1=2"]),
            ("1\n2", ["0:1=2", "1:2=4"]),
            ("\n\n1\n\r\n\n2\n\n", ["2:1=2", "5:2=4"]),
            ("x\n1\n", ["0!malformed", "1:1=2"]),
            ("\n", []), ("\r", []),
        ])
    func lines(text: String, expected: [String]) throws {
        #expect(try Rig.results(text).map(\.shown) == expected)
    }

    @Test("with another separator, line ends and empty values belong to records")
    func otherSeparator() throws {
        var form = LineSource.Form()
        form.separator = 0
        form.skipsEmptyLines = false
        let results = try Rig.results("1\0\0x\ny\0", form: form)
        #expect(results.map(\.shown) == ["0:1=2", "1!malformed", "2!malformed"])
    }

    @Test("keeps the order over several lanes and many blocks")
    func order() throws {
        let count = 120_000
        let text = (0..<count).map { "\($0)\n" }.joined()
        let results = try Rig.results(text) { $0.lanes = 3 }
        #expect(results.count == count)
        let isInOrder = results.indices.allSatisfy { index in
            results[index].shown == "\(index):\(index)=\(index * 2)"
        }
        #expect(isInOrder)
    }

    @Test("of a line that is too long only the beginning is kept", arguments: [10, 300_000])
    func longLines(limit: Int) throws {
        let long = String(repeating: "7", count: 2_000_000)
        let source = try LineSource(
            .bytes(Array("1\n\(long)\n2\n\(long)".utf8)), form: LineSource.Form(),
            maxLineBytes: limit)
        try source.start()
        source.assign([0])
        var seen: [(offset: Int64, count: Int, full: Int?)] = []
        var records = unsafe ContiguousArray<RecordView>()
        var isOver = false
        while !isOver {
            unsafe source.poll(into: &records, limit: 100, timeoutMs: 10)
            unsafe records.withUnsafeMutableBufferPointer { buffer in
                for index in buffer.indices {
                    let record = unsafe buffer[index]
                    unsafe seen.append(
                        (record.offset, record.valueCount, LineDeadLetter.cutByteCount(record)))
                }
                if let base = buffer.baseAddress {
                    unsafe source.release(base, count: buffer.count)
                }
            }
            unsafe records.removeAll()
            while let event = source.takeEvent() {
                if case .reachedEnd = event { isOver = true }
            }
        }
        #expect(seen.map(\.offset) == [0, 1, 2, 3])
        #expect(seen[1].count > limit)
        #expect(seen[1].full ?? seen[1].count == 2_000_000)
        #expect(seen[3].full ?? seen[3].count == 2_000_000)
        #expect(seen[0].count == 1 && seen[2].count == 1 && seen[0].full == nil)
    }

    @Test("a line within the limit may be longer than a block")
    func longerThanABlock() throws {
        let zeros = String(repeating: "0", count: 700_000)
        let results = try Rig.results("1\n\(zeros)3\n2")
        #expect(results.map { $0.value?.count } == [3, 700_003, 3])
    }

    @Test("a line of a pipe goes through before the pipe ends", arguments: [false, true])
    func slowPipe(isNonBlocking: Bool) throws {
        let pipe = try Pipe()
        if isNonBlocking { _ = fcntl(pipe.reader, F_SETFL, O_NONBLOCK) }
        let sink = try ResultSink()
        let source = try LineSource(
            .descriptor(pipe.reader), form: LineSource.Form(), maxLineBytes: 100)
        let box = Guard<WorkerOutcome?>(nil)
        let thread = WorkerThread(name: "run") {
            let ended = try? Rig.run(source, sink)
            box.set(ended?.outcome)
        }
        pipe.write("1\n2")
        #expect(eventually { sink.results.map(\.shown) == ["0:1=2"] })
        pipe.write("0\n")
        #expect(eventually { sink.results.map(\.shown) == ["0:1=2", "1:20=40"] })
        pipe.closeWriter()
        thread?.join()
        #expect(box.value == .finished)
    }

    @Test("an input that cannot be read ends the run with the reason")
    func unreadable() throws {
        let source = try LineSource(
            .descriptor(99_999), form: LineSource.Form(), maxLineBytes: 100)
        let ended = try Rig.run(source, try ResultSink())
        guard case .unavailable(let reason) = ended.outcome else {
            Issue.record("ended otherwise: \(ended.outcome)")
            return
        }
        #expect(reason == "input failed: bad file descriptor")
    }
}
