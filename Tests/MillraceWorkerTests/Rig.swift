import MillraceCore
import MillraceTestKit
import MillraceWorker
import Synchronization
import Testing

/// One worker over doubles, on its real threads.
final class Rig: Sendable {
    let source: MemorySource
    let sink: MemorySink
    let model = DecimalModel()
    let logs = LogCollector()
    let worker: Worker

    /// Offsets may only be stored when all records before them were acknowledged.
    static func makeSource(
        _ sink: MemorySink, partitions: Int, assigns: [Int32]?, tellsEnds: Bool,
        onSeek: @escaping @Sendable (Int32) -> Void
    ) -> MemorySource {
        MemorySource(
            partitions: partitions, assigns: assigns, tellsEnds: tellsEnds,
            checkStore: { partition, next, items in
                for item in items where item.offset < next {
                    if !sink.isAcknowledged(partition, item.offset) {
                        return "stored \(next) of \(partition) before \(item.offset) was written"
                    }
                }
                return nil
            }, onSeek: onSeek)
    }

    init(
        partitions: Int = 1, assigns: [Int32]? = nil, tellsEnds: Bool = false,
        clock: WorkerClock = FastClock.make(), transactions policy: TransactionPolicy? = nil,
        _ change: (inout WorkerSettings) -> Void = { _ in },
        onSeek: @escaping @Sendable (Int32) -> Void = { _ in },
        verifyTopics: @escaping @Sendable () throws(ServiceError) -> Void = {}
    ) throws {
        sink = MemorySink()
        source = Self.makeSource(
            sink, partitions: partitions, assigns: assigns, tellsEnds: tellsEnds, onSeek: onSeek)
        var settings = WorkerSettings()
        // The fast clock makes these seconds of a test: twenty times as long here.
        settings.drainBudgetNs = 600_000_000_000
        settings.revokeBudgetNs = 600_000_000_000
        change(&settings)
        worker = try Worker(
            Worker.Parts(
                source: source, sink: sink,
                transactions: policy.map { [source, sink] in
                    Transactions(source: source, sink: sink, policy: $0)
                },
                format: DecimalFormat(), model: model,
                features: DecimalFormat.features, append: DecimalFormat.append,
                verifyTopics: verifyTopics),
            settings: settings, clock: clock, log: logs.log)
    }

    func start() throws { try worker.start() }

    /// Asks for the stop and waits for the end.
    func stop(sourceLocation: SourceLocation = #_sourceLocation) -> WorkerOutcome? {
        worker.requestStop()
        return end(sourceLocation: sourceLocation)
    }

    /// Waits for the end; nil, and an issue, where it does not come.
    func end(sourceLocation: SourceLocation = #_sourceLocation) -> WorkerOutcome? {
        let box = Box<WorkerOutcome>()
        let worker = worker
        let thread = WorkerThread(name: "join") { box.set(worker.join()) }
        guard thread != nil, eventually({ box.value != nil }), let outcome = box.value else {
            Issue.record("the worker does not end", sourceLocation: sourceLocation)
            return nil
        }
        if outcome != .deadlineExceeded {
            #expect(source.lentCount == 0, sourceLocation: sourceLocation)
        }
        expectNoViolations(sourceLocation: sourceLocation)
        return outcome
    }

    func expectNoViolations(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(source.violations == [], sourceLocation: sourceLocation)
        #expect(sink.violations == [], sourceLocation: sourceLocation)
    }

    /// Waits until the condition holds.
    func wait(
        _ comment: Comment, sourceLocation: SourceLocation = #_sourceLocation,
        until condition: () -> Bool
    ) throws {
        let isThere = eventually(condition)
        if !isThere { letEnd() }
        try #require(isThere, comment, sourceLocation: sourceLocation)
    }

    /// So that the threads of a failed test do not go on.
    private func letEnd() {
        model.gate.open()
        sink.acknowledgeAll()
        sink.committing.open()
        sink.restarting.open()
        worker.requestStop()
    }

    /// Waits until so many records are in the output and the dead letters, all partitions.
    func waitForOutput(
        _ count: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try wait("\(count) records out", sourceLocation: sourceLocation) {
            sink.topic.count >= count
        }
    }

    func isReady() -> Bool { worker.health.isReady }
}

/// A value that another thread leaves.
final class Box<Value: Sendable>: Sendable {
    private let content = Mutex<Value?>(nil)
    var value: Value? { content.withLock { $0 } }
    func set(_ value: Value) { content.withLock { $0 = value } }
}

/// The decimal texts of a range.
func numbers(_ range: Range<Int>) -> [String?] { range.map { String($0) } }

/// What the model makes of them.
func doubled(_ range: Range<Int>) -> [String?] { range.map { "\($0)=\($0 * 2)" } }

func failure(
    _ message: String = "refused", isFatal: Bool = false, isRecordsFault: Bool = false
) -> DeliveryFailure {
    DeliveryFailure(
        error: ServiceError(
            code: "TEST", message: message, isFatal: isFatal, isRetriable: false),
        isRecordsFault: isRecordsFault)
}
