internal import Glibc
internal import MillraceCore
internal import Synchronization

/// Remembers over a crash which records the model was scoring, so that one that brings the process
/// down does not do so for ever.
///
/// Before each call of the model its records are noted in a file, behind it the note is taken back.
/// What a run finds noted when it starts was being scored when the last one ended: those records
/// are scored one by one, and one that ends the process twice while it is scored alone is a dead
/// letter. That makes three crashes. The file outlives the process, not the machine: nothing is
/// flushed.
@safe final class CrashJournal: Sendable {
    /// How often the process has to end with a record that is scored alone.
    static let crashesAlone = 2
    /// Suspects that are kept; a crash leaves at most one for each lane and partition.
    private static let suspectsMax = 200

    private let file: Int32
    let suspects: CrashSuspects
    private let state = Mutex(State())

    private struct State {
        var slots = 0
        /// Where the batch of a lane is found, by the lane's columns.
        var lanes: [ObjectIdentifier: Entry] = [:]
    }

    /// The lane owns its codec, which owns the journal.
    private struct Entry {
        weak var codec: JournaledCodec?
    }

    /// Opens or makes the file; nobody else may have it open.
    ///
    /// - Parameter topic: what is noted for another topic is forgotten.
    init(path: String, topic: String) throws(CommandError) {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Self.error(path, "cannot be opened") }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            close(file)
            throw CommandError(
                .unavailable,
                "crash_journal '\(path)' belongs to another process; give each its own")
        }
        let found = CrashNotes.parse(Self.read(file), topic: topic)
        suspects = CrashSuspects(found, limit: Self.suspectsMax)
        self.file = file
        let head = suspects.text(topic: topic)
        guard ftruncate(file, 0) == 0, Self.write(head, to: file, at: 0) else {
            throw Self.error(path, "cannot be written")
        }
    }

    deinit { close(file) }

    private static func error(_ path: String, _ what: String) -> CommandError {
        let reason = unsafe strerror(errno).map { unsafe String(cString: $0).lowercased() } ?? ""
        return CommandError(.badData, "crash_journal '\(path)' \(what): \(reason)")
    }

    private static func read(_ file: Int32) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: CrashNotes.fileBytesMax)
        let count = unsafe pread(file, &bytes, bytes.count, 0)
        return Array(bytes[..<max(0, count)])
    }

    @discardableResult
    private static func write(_ text: String, to file: Int32, at offset: Int) -> Bool {
        let bytes = Array(text.utf8)
        return unsafe pwrite(file, bytes, bytes.count, off_t(offset)) == bytes.count
    }

    // MARK: What the lanes use

    /// The same format and model, with codecs and sessions that know of the journal. Both are
    /// for one worker.
    func journaled(_ format: any Format, _ model: any Model) -> (any Format, any Model) {
        (
            JournaledFormat(format: format, journal: self),
            JournaledModel(model: model, journal: self)
        )
    }

    fileprivate func add(_ codec: JournaledCodec, for features: FeatureColumns) -> Int {
        state.withLock { state in
            state.lanes[ObjectIdentifier(features)] = Entry(codec: codec)
            state.slots += 1
            return state.slots - 1
        }
    }

    fileprivate func codec(of features: FeatureColumns) -> JournaledCodec? {
        state.withLock { $0.lanes[ObjectIdentifier(features)]?.codec }
    }

    fileprivate func note(_ text: String, slot: Int) {
        // A disk that is full costs the journal, not the records.
        Self.write(text, to: file, at: CrashNotes.slotsStart + slot * CrashNotes.slotBytes)
    }
}

private struct JournaledFormat: Format {
    let format: any Format
    let journal: CrashJournal

    var name: String { format.name }

    func makeCodec(
        features plan: FeaturePlan, append: AppendPlan, into features: FeatureColumns,
        headers: (any HeaderReader)?
    ) throws(ModelError) -> any BatchCodec {
        let codec = JournaledCodec(
            try format.makeCodec(
                features: plan, append: append, into: features, headers: headers),
            journal)
        codec.slot = journal.add(codec, for: features)
        return codec
    }
}

/// One lane's codec; keeps the batch at hand for the lane's session, on the lane's thread.
private final class JournaledCodec: BatchCodec, @unchecked Sendable {
    // Sound: only the lane's own thread uses it once the lane runs.
    private let codec: any BatchCodec
    private let journal: CrashJournal
    fileprivate var slot = 0
    private(set) var batch: Batch?

    init(_ codec: any BatchCodec, _ journal: CrashJournal) {
        self.codec = codec
        self.journal = journal
    }

    func read(_ batch: Batch) {
        self.batch = batch
        for index in 0..<batch.count where !journal.suspects.condemned.isEmpty {
            let times = unsafe journal.suspects.crashes(of: batch.records[index])
            guard times >= CrashJournal.crashesAlone else { continue }
            batch.markDead(
                index,
                RecordError(
                    .inference,
                    "the process ended \(times) times while the model scored this record alone"))
        }
        codec.read(batch)
    }

    func append(_ predictions: PredictionColumns, rows: Range<Int>, to batch: Batch) {
        codec.append(predictions, rows: rows, to: batch)
    }
}

private struct JournaledModel: Model {
    let model: any Model
    let journal: CrashJournal

    var signature: Signature { model.signature }
    var engineVersion: String { model.engineVersion }
    var facts: ModelFacts { model.facts }

    func makeSession(outputs: [String], maxRows: Int) throws(ModelError) -> any Session {
        JournaledSession(try model.makeSession(outputs: outputs, maxRows: maxRows), journal)
    }
}

private final class JournaledSession: Session {
    private let session: any Session
    private let journal: CrashJournal

    init(_ session: any Session, _ journal: CrashJournal) {
        self.session = session
        self.journal = journal
    }

    var predictions: PredictionColumns { session.predictions }

    func predict(_ features: FeatureColumns, rows: Range<Int>) throws(ModelError) {
        guard let codec = journal.codec(of: features), let batch = codec.batch else {
            return try session.predict(features, rows: rows)
        }
        var note = CrashNote()
        var isSuspect = false
        for row in rows {
            let record = unsafe batch.records[Int(features.recordOfRow[row])]
            unsafe note.add(record)
            if !isSuspect { unsafe isSuspect = journal.suspects.hold(record) }
        }
        if isSuspect, rows.count > 1 {
            // The lane halves what is refused, down to single rows.
            throw ModelError(
                .inference, "the process ended while these records were scored; each is tried alone"
            )
        }
        journal.note(note.text(isAlone: isSuspect), slot: codec.slot)
        defer { journal.note(CrashNote.none, slot: codec.slot) }
        try session.predict(features, rows: rows)
    }
}
