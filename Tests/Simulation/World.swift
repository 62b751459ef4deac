import MillraceCore
import MillraceTestKit

/// A broken promise.
package struct Violation: Sendable, CustomStringConvertible {
    /// `I1` and so on, or the contract that the worker broke.
    package let invariant: String
    package let text: String
    /// Scheduling step at which it was seen.
    package let step: Int

    package var description: String { "\(invariant): \(text) (step \(step))" }
}

/// What all parts of a run share: the seed's numbers, the clocks, what was seen.
final class World: @unchecked Sendable {  // sound: a run has one thread
    let plan: Plan
    let fault: PlantedFault?
    var random: SeededRandom
    /// The monotonic clock of all workers.
    var nowNs: Int64 = 1_000_000_000
    var wallUs: Int64 = 1_700_000_000_000_000
    /// Grows with every step of the scheduler.
    var step = 0
    /// Grows with every event whose order matters.
    private(set) var sequence = 0
    private(set) var violation: Violation?
    /// The faults are over: all goes well from now on.
    var isCalm = false
    var engine = EngineMood()
    /// How many of the next starts find no topics.
    var startFailures = 0
    /// Runs something else while a worker's thread is in a call; set by the scheduler.
    var interleave: () -> Void = {}
    let isTracing: Bool
    private let traceLine: (String) -> Void

    /// How the engine does.
    struct EngineMood {
        var failuresLeft = 0
        var failsUntilNs: Int64 = 0
        var callNs: Int64 = 10_000
    }

    init(seed: UInt64, fault: PlantedFault?, trace: ((String) -> Void)?) {
        var random = SeededRandom(seed: seed)
        plan = Plan(&random, isExactlyOnce: fault?.needsTransactions)
        self.random = random
        self.fault = fault
        isTracing = trace != nil
        traceLine = trace ?? { _ in }
    }

    /// The place of an event among all others.
    func nextSequence() -> Int {
        sequence += 1
        return sequence
    }

    /// Notes the first broken promise; the run ends with it.
    func violate(_ invariant: String, _ text: String) {
        trace("BROKEN \(invariant): \(text)")
        guard violation == nil else { return }
        violation = Violation(invariant: invariant, text: text, step: step)
    }

    func trace(_ text: @autoclosure () -> String) {
        guard isTracing else { return }
        let (ms, us) = (nowNs / 1_000_000, nowNs / 1_000 % 1_000)
        let padding = us < 10 ? "00" : us < 100 ? "0" : ""
        traceLine("\(step) \(ms).\(padding)\(us) \(text())")
    }

    /// Whether something of this share goes wrong; nothing does when all is calm.
    func goesWrong(_ share: Double) -> Bool { !isCalm && random.chance(share) }
}
