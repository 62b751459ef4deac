import Glibc
import MillraceCore
import MillraceWorker
import Synchronization
import Testing

@testable import millrace

/// A model whose calls end when they are told to.
private final class StuckModel: Model, Session, @unchecked Sendable {
    // Sound: `predictions` is never changed.
    let isFree = Atomic<Bool>(false)
    let predictions = PredictionColumns(columns: [])
    let signature = Signature(inputs: [], outputs: [])
    let engineVersion = "1"
    let facts = ModelFacts(format: "none")

    func makeSession(outputs: [String], maxRows: Int) -> any Session { self }

    func predict(_ features: FeatureColumns, rows: Range<Int>) {
        while !isFree.load(ordering: .acquiring) { usleep(1_000) }
    }
}

/// What a watch has said.
private final class Barked: Sendable {
    private let said = Mutex<[String]>([])

    var all: [String] { said.withLock { $0 } }

    func add(_ text: String) { said.withLock { $0.append(text) } }
}

@Suite struct InferenceWatchTests {
    private func wait(_ condition: () -> Bool) -> Bool {
        for _ in 0..<1000 {
            if condition() { return true }
            usleep(10_000)
        }
        return false
    }

    /// Calls the model on a thread of its own.
    private func call(_ model: any Model) throws {
        _ = try #require(
            WorkerThread(name: "caller") {
                let session = try? model.makeSession(outputs: [], maxRows: 1)
                try? session?.predict(FeatureColumns(columns: [], capacityRows: 1), rows: 0..<1)
            })
    }

    @Test func aCallThatHangsIsToldAndEndsTheProcess() throws {
        let barked = Barked()
        let watch = InferenceWatch(limitNs: 3_000_000_000) { barked.add($0) }
        let model = StuckModel()
        #expect(watch.problem == nil)
        try call(watch.watched(model))
        #expect(wait { watch.problem != nil })
        #expect(wait { !barked.all.isEmpty })
        #expect(barked.all.first?.contains("longer than 3s (inference_timeout)") == true)
        model.isFree.store(true, ordering: .releasing)
    }

    @Test func aSlowCallThatEndsIsForgiven() throws {
        let barked = Barked()
        let watch = InferenceWatch(limitNs: 6_000_000_000) { barked.add($0) }
        let model = StuckModel()
        try call(watch.watched(model))
        #expect(wait { watch.problem != nil })
        model.isFree.store(true, ordering: .releasing)
        #expect(wait { watch.problem == nil })
        #expect(barked.all.isEmpty)
    }
}
