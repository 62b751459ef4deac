internal import FoundationEssentials
import Glibc
import MillraceCore
import Testing

@testable import millrace

/// Takes every record as a row and has no fields.
private final class RowCodec: BatchCodec {
    private let features: FeatureColumns

    init(_ features: FeatureColumns) { self.features = features }

    func read(_ batch: Batch) {
        features.rowCount = 0
        for index in 0..<batch.count where unsafe batch.results[index].state == .taken {
            features.recordOfRow[features.rowCount] = Int32(index)
            features.rowCount += 1
        }
    }

    func append(_ predictions: PredictionColumns, rows: Range<Int>, to batch: Batch) {}
}

private struct RowFormat: Format {
    let name = "rows"

    func makeCodec(
        features plan: FeaturePlan, append: AppendPlan, into features: FeatureColumns,
        headers: (any HeaderReader)?
    ) -> any BatchCodec { RowCodec(features) }
}

/// A model that says which rows it is given; what it does meanwhile, the test says.
private final class CallingModel: Model, Session, @unchecked Sendable {
    // Sound: the test uses it on one thread.
    var calls: [Range<Int>] = []
    var onCall: (Range<Int>) throws(ModelError) -> Void = { _ throws(ModelError) in }
    let predictions = PredictionColumns(columns: [])
    let signature = Signature(inputs: [], outputs: [])
    let engineVersion = "1"
    let facts = ModelFacts(format: "none")

    func makeSession(outputs: [String], maxRows: Int) -> any Session { self }

    func predict(_ features: FeatureColumns, rows: Range<Int>) throws(ModelError) {
        calls.append(rows)
        try onCall(rows)
    }
}

/// One run of a worker with one lane, on a journal.
private final class JournaledRun {
    private let codec: any BatchCodec
    private let session: any Session
    private let features = FeatureColumns(columns: [], capacityRows: 64)
    private let batch = Batch(slot: 0, capacity: 64)
    let model = CallingModel()
    let journal: CrashJournal

    init(_ path: String, topic: String = "t") throws {
        journal = try CrashJournal(path: path, topic: topic)
        let (format, watched) = journal.journaled(RowFormat(), model)
        codec = try format.makeCodec(
            features: FeaturePlan(columns: [], slots: []),
            append: AppendPlan(outputs: [], fields: [], onConflict: .error, under: nil),
            into: features, headers: nil)
        session = try watched.makeSession(outputs: [], maxRows: 64)
    }

    /// Scores records of one partition as a lane does; those that are dead then.
    func score(_ offsets: Range<Int64>, timestampMs: Int64 = 7) -> [Int64] {
        batch.reset()
        for offset in offsets {
            unsafe batch.add(
                RecordView(
                    value: nil, valueCount: 0, key: nil, keyCount: 0, timestampMs: timestampMs,
                    offset: offset, partition: 3, epoch: 0, handle: nil),
                run: 0)
        }
        codec.read(batch)
        if features.rowCount > 0 { predict(0..<features.rowCount) }
        return batch.errors.map { unsafe batch.records[$0.record].offset }
    }

    private func predict(_ rows: Range<Int>) {
        do {
            try session.predict(features, rows: rows)
        } catch {
            guard rows.count > 1 else { return }
            let middle = rows.lowerBound + rows.count / 2
            predict(rows.lowerBound..<middle)
            predict(middle..<rows.upperBound)
        }
    }
}

@Suite struct CrashJournalTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/millrace-journal-\(UUID())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    /// Runs until the record of that offset is given to the model; the journal as it is then, which
    /// is what a crash would leave.
    private func crash(
        _ path: String, at culprit: Int64, in offsets: Range<Int64>, to left: String
    ) throws -> [Range<Int>] {
        let run = try JournaledRun(path)
        let row = Int(culprit - offsets.lowerBound)
        run.model.onCall = { rows throws(ModelError) in
            guard rows.contains(row), !FileManager.default.fileExists(atPath: left) else { return }
            try? FileManager.default.copyItem(atPath: path, toPath: left)
        }
        _ = run.score(offsets)
        #expect(FileManager.default.fileExists(atPath: left))
        return run.model.calls
    }

    @Test func theCulpritIsFoundAndItsNeighboursAreNot() throws {
        try withFolder { folder in
            let files = (0...4).map { "\(folder)/journal\($0)" }
            // The whole batch is noted.
            #expect(try crash(files[0], at: 13, in: 10..<20, to: files[1]) == [0..<10])
            // Each record alone; the crash leaves the one.
            let alone = try crash(files[1], at: 13, in: 10..<20, to: files[2])
            #expect(alone == (0..<10).map { $0..<$0 + 1 })
            // And once more: others may come and go before it.
            #expect(try crash(files[2], at: 13, in: 8..<20, to: files[3]).last == 11..<12)
            let run = try JournaledRun(files[3])
            #expect(run.journal.suspects.condemned.map(\.offset) == [13])
            #expect(run.score(10..<20) == [13])
            #expect(run.model.calls.count == 9)
            // Records that were never suspects are scored together.
            run.model.calls = []
            #expect(run.score(20..<30).isEmpty)
            #expect(run.model.calls == [0..<10])
            // A topic that was made anew has the same offsets and other records.
            #expect(run.score(10..<20, timestampMs: 8).isEmpty)
        }
    }

    @Test func aRunThatEndsBetweenCallsLeavesNothing() throws {
        try withFolder { folder in
            let path = folder + "/journal"
            do {
                let run = try JournaledRun(path)
                _ = run.score(0..<10)
            }
            let next = try JournaledRun(path)
            #expect(next.journal.suspects.isEmpty)
            _ = next.score(0..<10)
            #expect(next.model.calls == [0..<10])
        }
    }

    @Test func anotherTopicsNotesAreForgotten() throws {
        try withFolder { folder in
            let (path, left) = (folder + "/a", folder + "/b")
            _ = try crash(path, at: 3, in: 0..<10, to: left)
            #expect(try JournaledRun(left, topic: "t2").journal.suspects.isEmpty)
        }
    }

    @Test func oneFileIsForOneProcess() throws {
        try withFolder { folder in
            let run = try JournaledRun(folder + "/journal")
            #expect {
                _ = try CrashJournal(path: folder + "/journal", topic: "t")
            } throws: { error in
                (error as? CommandError)?.code == .unavailable
            }
            #expect(throws: CommandError.self) {
                _ = try CrashJournal(path: folder + "/nowhere/journal", topic: "t")
            }
            #expect(run.score(0..<1).isEmpty)
        }
    }

    /// Whatever stands in the file.
    @Test func damagedFilesAreNoTrap() throws {
        var random = SystemRandomNumberGenerator()
        let words = [
            "range", "alone", "-1", "9223372036854775807", "-9223372036854775808", "1", ";",
        ]
        for _ in 0..<2000 {
            var text = CrashNotes.head(topic: "t")
            for _ in 0..<Int.random(in: 0..<20, using: &random) {
                text +=
                    (words.randomElement(using: &random) ?? "")
                    + [" ", "\n"][Int.random(in: 0...1)]
            }
            var bytes = Array(text.utf8)
            if Bool.random() { bytes.append(contentsOf: [0xFF, 0, 0x80]) }
            let suspects = CrashSuspects(CrashNotes.parse(bytes, topic: "t"), limit: 200)
            _ = suspects.count
            #expect(suspects.text(topic: "t").hasPrefix(CrashNotes.head(topic: "t")))
        }
    }
}
