import Glibc
import MillraceCore
import MillraceTestKit
import MillraceWorker

@testable import MillraceLines

/// A worker that doubles decimal numbers, over lines.
enum Rig {
    /// How a run ended and what it has counted.
    struct Ended {
        let outcome: WorkerOutcome
        let scored: UInt64
        let dead: UInt64
    }

    static func run(
        _ source: LineSource, _ sink: any Sink, model: DecimalModel = DecimalModel(),
        _ change: (inout WorkerSettings) -> Void = { _ in }, onStart: (Worker) -> Void = { _ in }
    ) throws -> Ended {
        var settings = WorkerSettings()
        settings.untilEnd = true
        settings.maxDeadRatio = 1
        settings.batch = BatchPolicy(maxRecords: 16, maxBytes: 1 << 20, maxWaitNs: 0)
        change(&settings)
        let worker = try Worker(
            Worker.Parts(
                source: source, sink: sink, format: DecimalFormat(), model: model,
                features: DecimalFormat.features, append: DecimalFormat.append,
                verifyTopics: { () throws(ServiceError) in }),
            settings: settings, log: .none)
        onStart(worker)
        try worker.start()
        let outcome = worker.join()
        return Ended(
            outcome: outcome, scored: worker.counters.scored, dead: worker.counters.deadTotal)
    }

    /// The results of one run over bytes in memory.
    static func results(
        _ text: String, form: LineSource.Form = LineSource.Form(), maxLineBytes: Int = 1 << 20,
        _ change: (inout WorkerSettings) -> Void = { _ in }
    ) throws -> [LineResult] {
        let sink = try ResultSink()
        let source = try LineSource(
            .bytes(Array(text.utf8)), form: form, maxLineBytes: maxLineBytes)
        let ended = try run(source, sink, change)
        guard ended.outcome == .finished else { throw Failure(what: "\(ended.outcome)") }
        return sink.results
    }

    struct Failure: Error {
        let what: String
    }
}

extension LineResult {
    /// `number:value`, or `number!class`.
    var shown: String {
        if let error { return "\(number)!\(error.kind.rawValue)" }
        return "\(number):\(String(decoding: value ?? [], as: UTF8.self))"
    }
}

/// A pipe; both ends are closed with it, unless `closeWriter` or `closeReader` did before.
final class Pipe: @unchecked Sendable {  // sound: the tests hand it from thread to thread
    let reader: Int32
    let writer: Int32
    private var isWriterOpen = true
    private var isReaderOpen = true

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw Rig.Failure(what: "no pipe") }
        reader = ends[0]
        writer = ends[1]
    }

    deinit {
        closeWriter()
        closeReader()
    }

    func closeWriter() {
        if isWriterOpen { close(writer) }
        isWriterOpen = false
    }

    func closeReader() {
        if isReaderOpen { close(reader) }
        isReaderOpen = false
    }

    func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe Glibc.write(writer, bytes, bytes.count)
    }

    /// All that comes until the writers are gone.
    func readAll() -> String {
        closeWriter()
        return readAllKeepingWriter()
    }

    /// As `readAll`, where somebody else closes the writing end.
    func readAllKeepingWriter() -> String {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe read(reader, &chunk, chunk.count)
            if count <= 0 { return String(decoding: all, as: UTF8.self) }
            all += chunk[..<count]
        }
    }
}
