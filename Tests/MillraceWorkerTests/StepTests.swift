import MillraceCore
import MillraceTestKit
import MillraceWorker
import Testing

/// Orders of events that threads come to seldom: the loops are stepped by the test.
@Suite("Worker: its steps")
struct StepTests {
    private let rig: Rig
    private let steps: WorkerSteps

    init() throws {
        rig = try Rig()
        steps = WorkerSteps(rig.worker) { _ in }
    }

    @Test("what is lost with the last poll of the drain is not committed")
    func lostBeforeTheLastCommit() {
        rig.source.append(0, numbers(0..<3))
        rig.sink.hold()
        // Start, assignment, records; a batch is taken, scored, written.
        for _ in 0..<3 { _ = steps.stepIntake() }
        for _ in 0..<3 { _ = steps.stepLane(0) }
        #expect(rig.sink.pendingCount == 3)
        rig.worker.requestStop()
        for _ in 0..<2 { _ = steps.stepIntake() }
        rig.source.send(.lost([0]))
        rig.sink.acknowledgeAll()
        _ = steps.stepDeliveries()
        let last = steps.stepIntake()
        #expect(last == .over)
        #expect(!rig.source.isAssigned(0))
        #expect(rig.source.partition(0).committed == nil)
    }
}
