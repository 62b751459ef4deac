import Glibc
import MillraceCore
import MillraceTestKit
import MillraceWorker
import Synchronization
import Testing

@testable import MillraceLines

/// A value that several threads touch.
final class Guard<Value: Sendable>: Sendable {
    private let content: Mutex<Value>
    init(_ value: Value) { content = Mutex(value) }
    var value: Value { content.withLock { $0 } }
    func set(_ value: Value) { content.withLock { $0 = value } }
}

@Suite("Lines: sink")
struct LineSinkTests {
    /// What comes out of both outputs for that text.
    private func run(
        _ text: [UInt8], maxLineBytes: Int = 1 << 20,
        _ change: (inout WorkerSettings) -> Void = { _ in }
    ) throws -> (values: String, dead: String) {
        let (values, dead) = (try Pipe(), try Pipe())
        let source = try LineSource(
            .bytes(text), form: LineSource.Form(), maxLineBytes: maxLineBytes)
        let sink = try LineSink(
            LineSink.Outputs(values: values.writer, deadLetters: dead.writer),
            maxLineBytes: maxLineBytes)
        let ended = try Rig.run(source, sink, change)
        #expect(ended.outcome == .finished)
        #expect(sink.outputFailure == nil)
        return (values.readAll(), dead.readAll())
    }

    @Test("values and dead letters are lines, with what a terminal would obey escaped")
    func bothOutputs() throws {
        let out = try run(Array("1\na\"\\\u{1B}[1m\u{202E}ü\n2\n".utf8))
        #expect(out.values == "1=2\n2=4\n")
        #expect(
            out.dead == #"{"line":2,"class":"malformed","message":"not a decimal number","#
                + #""value":"a\"\\\u001b[1m\u202eü"}"# + "\n")
    }

    @Test(
        "a value that is not UTF-8 is there as base64",
        arguments: [
            ([0xFF], "/w=="), ([0xFF, 0x61], "/2E="), ([0xFF, 0x61, 0x62], "/2Fi"),
            ([0xFF, 0x61, 0x62, 0x63], "/2FiYw=="),
        ] as [([UInt8], String)])
    func notUTF8(bytes: [UInt8], text: String) throws {
        let out = try run(bytes)
        #expect(out.dead.hasSuffix(#","value_base64":"\#(text)"}"# + "\n"), "\(out.dead)")
    }

    @Test("a line over the limit is left out of its dead letter")
    func tooLong() throws {
        let out = try run(
            Array((String(repeating: "x", count: 900_000) + "\n1").utf8), maxLineBytes: 9)
        #expect(out.values == "1=2\n")
        #expect(
            out.dead == #"{"line":1,"class":"malformed","message":"the value has 900000 bytes,"#
                + #" the limit is 9","value_omitted":true}"# + "\n")
    }

    @Test("passed lines go out as they came, cut ones are dead letters")
    func passed() throws {
        let long = String(repeating: "x", count: 900_000)
        let out = try run(Array("1\nx\r\n\(long)\n2".utf8), maxLineBytes: 9) { $0.onError = .pass }
        #expect(out.values == "1=2\nx\r\n2=4\n")
        #expect(out.dead.hasPrefix(#"{"line":3,"class":"too_large","#), "\(out.dead)")
    }

    @Test("a slow reader holds the run up and loses nothing", arguments: [false, true])
    func slowReader(isNonBlocking: Bool) throws {
        let values = try Pipe()
        if isNonBlocking { _ = fcntl(values.writer, F_SETFL, O_NONBLOCK) }
        let count = 300_000
        let text = (0..<count).map { "\($0)\n" }.joined()
        let source = try LineSource(
            .bytes(Array(text.utf8)), form: LineSource.Form(), maxLineBytes: 100)
        let sink = try LineSink(
            LineSink.Outputs(values: values.writer, deadLetters: values.writer), maxLineBytes: 100)
        let box = Guard<WorkerOutcome?>(nil)
        let thread = WorkerThread(name: "run") {
            let ended = try? Rig.run(source, sink) { $0.boundBytes = 4 << 20 }
            box.set(ended?.outcome)
            values.closeWriter()
        }
        let all = values.readAllKeepingWriter()
        thread?.join()
        #expect(box.value == .finished)
        let lines = all.split(separator: "\n")
        #expect(lines.count == count)
        #expect(lines.last == "\(count - 1)=\((count - 1) * 2)")
    }

    @Test("a reader that goes away is told as such and ends the run")
    func readerGoes() throws {
        signal(SIGPIPE, SIG_IGN)
        let values = try Pipe()
        values.closeReader()
        let text = (0..<200_000).map { "\($0)\n" }.joined()
        let source = try LineSource(
            .bytes(Array(text.utf8)), form: LineSource.Form(), maxLineBytes: 100)
        let sink = try LineSink(
            LineSink.Outputs(values: values.writer, deadLetters: values.writer), maxLineBytes: 100)
        let ended = try Rig.run(
            source, sink, { $0.boundBytes = 4 << 20 },
            onStart: { worker in sink.onFailure { worker.requestStop() } })
        #expect(ended.outcome == .finished)
        #expect(sink.outputFailure?.isReaderGone == true)
        #expect(sink.outputFailure?.isValues == true)
        #expect(ended.scored < 200_000)
    }

    @Test("a full disk is told with the system's words")
    func fullDisk() throws {
        let full = unsafe open("/dev/full", O_WRONLY)
        defer { close(full) }
        let source = try LineSource(
            .bytes(Array("1\n2".utf8)), form: LineSource.Form(), maxLineBytes: 100)
        let sink = try LineSink(
            LineSink.Outputs(values: full, deadLetters: full), maxLineBytes: 100)
        _ = try Rig.run(source, sink)
        #expect(sink.outputFailure?.message == "no space left on device")
        #expect(sink.outputFailure?.isReaderGone == false)
    }

    @Test("on_error: stop names the line")
    func stop() throws {
        let sink = try ResultSink()
        let source = try LineSource(
            .bytes(Array("1\n2\nx\n".utf8)), form: LineSource.Form(), maxLineBytes: 100)
        let ended = try Rig.run(source, sink) {
            $0.onError = .stop
            $0.placeName = { _, offset in "line \(offset + 1)" }
        }
        #expect(ended.outcome == .recordRefused("record at line 3: not a decimal number"))
    }
}
