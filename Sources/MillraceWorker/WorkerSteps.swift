package import MillraceCore

/// What one step of a loop came to.
package enum LoopStep: Sendable, Equatable {
    /// The next step may have something to do at once.
    case done
    /// Nothing to do before that time (nil: before something changes). Only from steps that may
    /// not wait.
    case idle(untilNs: Int64?)
    /// The loop has ended.
    case over
}

/// Whom a loop wakes.
package enum LoopSignal: Sendable, Equatable {
    /// One of the lanes that are idle.
    case lane
    case allLanes
    case intake
}

/// A worker's own loops for one who runs them step by step in a single thread, as the simulation
/// does, instead of `start` and `join`. No step waits, unless the source or the sink does.
@safe package final class WorkerSteps {
    private let worker: Worker
    private let intake: Intake
    private let deliveries: Deliveries

    /// - Parameter onSignal: told whom a step wakes: what was idle may have something to do.
    package init(_ worker: Worker, onSignal: @escaping (LoopSignal) -> Void) {
        self.worker = worker
        worker.shared.flow.onSignal = { condition, isForAll in
            switch condition {
            case .work: onSignal(isForAll ? .allLanes : .lane)
            case .room: onSignal(.intake)
            }
        }
        intake = Intake(
            shared: worker.shared, verifyTopics: worker.verifyTopics, recheck: worker.recheck)
        deliveries = Deliveries(shared: worker.shared)
    }

    /// How many lanes there are to step.
    package var laneCount: Int { worker.lanes.count }

    /// A step of the intake thread.
    package func stepIntake() -> LoopStep {
        let step = intake.step(waits: false)
        if step == .over { worker.intakeIsOver(isDrained: intake.isDrained) }
        return step
    }

    /// A step of a lane's thread: it takes a batch, scores it, or gives it in and writes.
    package func stepLane(_ index: Int) -> LoopStep { worker.lanes[index].step(waits: false) }

    /// A step of the delivery thread.
    package func stepDeliveries() -> LoopStep { deliveries.step() }

    /// The intake is over: how the worker ends. After `.deadlineExceeded` the process would exit,
    /// nothing more is to be called.
    package var outcome: WorkerOutcome? { worker.shared.endReason }

    /// What `join` does once the intake is over; then the lanes come to their end.
    package func letLanesEnd() { worker.letLanesEnd() }

    /// What `join` does once the lanes are over; then the deliveries come to their end.
    package func letDeliveriesEnd() { worker.letDeliveriesEnd() }

    /// What `join` does at last.
    package func close() { worker.close() }

    /// Looks at the flow between two steps, or changes it.
    package func withFlow<Result>(_ body: (inout Flow) -> Result) -> Result {
        worker.shared.flow.withLock(body)
    }
}
