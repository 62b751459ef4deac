import MillraceCore
import MillraceTestKit
import MillraceWorker

/// A worker's process: its own loops, stepped one at a time.
final class SimulatedProcess {
    /// A thread of the worker.
    private struct Thread {
        /// It is inside a step, which has let something else run.
        var isRunning = false
        var isOver = false
        /// Does nothing before that time, unless woken.
        var sleepsUntilNs: Int64 = .min
        /// Sleeps for a signal, not in the source or the sink.
        var waitsForSignal = false
    }

    private enum Phase { case running, endingLanes, endingDeliveries, over }

    let state: ProcessState
    let source: SimulatedSource
    let sink: SimulatedSink
    private let world: World
    private let cluster: Cluster
    private let worker: Worker
    private let steps: WorkerSteps
    /// Intake, deliveries, lanes.
    private var threads: [Thread]
    private var phase = Phase.running
    private(set) var isStopAsked = false
    private(set) var outcome: WorkerOutcome?

    init(_ cluster: Cluster, name: String, producer: String) throws {
        self.cluster = cluster
        world = cluster.world
        state = ProcessState(name, partitions: cluster.partitions.count)
        source = SimulatedSource(cluster, state)
        sink = SimulatedSink(cluster, state, producer: producer)
        let planted = PlantedParts(source, sink, cluster)
        let world = world
        let policy = world.plan.transactions
        let transactions = Transactions(
            source: planted.source, sink: planted.sink, policy: policy)
        worker = try Worker(
            Worker.Parts(
                source: planted.source, sink: planted.sink,
                transactions: world.plan.isExactlyOnce ? transactions : nil,
                format: DecimalFormat(), model: SimulatedModel(cluster),
                features: DecimalFormat.features, append: DecimalFormat.append,
                verifyTopics: { () throws(ServiceError) in
                    guard world.startFailures > 0, !world.isCalm else { return }
                    world.startFailures -= 1
                    throw Cluster.noAnswer
                }),
            settings: world.plan.settings,
            clock: WorkerClock(monotonicNs: { world.nowNs }, wallUs: { world.wallUs }),
            log: Log { event in
                let fields = event.fields.map { " \($0.name)=\($0.value)" }.joined()
                world.trace("\(name) says \(event.level): \(event.message)\(fields)")
            })
        let mailbox = Mailbox()
        steps = WorkerSteps(worker) { mailbox.deliver($0) }
        threads = Array(repeating: Thread(), count: 2 + steps.laneCount)
        mailbox.deliver = { [weak self] in self?.wake($0) }
    }

    /// Takes signals to a process that is not made yet.
    private final class Mailbox {
        var deliver: (LoopSignal) -> Void = { _ in }
    }

    var isOver: Bool { phase == .over || state.isDead }

    private func wake(_ signal: LoopSignal) {
        if world.fault == .losesWakeUps, world.random.chance(0.3) { return }
        switch signal {
        case .intake: if threads[0].waitsForSignal { threads[0].sleepsUntilNs = .min }
        case .allLanes:
            for index in threads.indices.dropFirst(2) { threads[index].sleepsUntilNs = .min }
        case .lane:
            let idle = threads.indices.dropFirst(2).filter {
                threads[$0].waitsForSignal && threads[$0].sleepsUntilNs > world.nowNs
            }
            if idle.isEmpty { return }
            threads[idle[world.random.below(idle.count)]].sleepsUntilNs = .min
        }
    }

    // MARK: Scheduling

    /// Threads that have something to do now.
    func addRunnable(to list: inout [Int]) {
        guard !isOver, world.nowNs >= state.stalledUntilNs else { return }
        for index in threads.indices where isRunnable(index) { list.append(index) }
    }

    private func isRunnable(_ index: Int) -> Bool {
        let thread = threads[index]
        if thread.isRunning || thread.isOver { return false }
        if world.nowNs >= thread.sleepsUntilNs { return true }
        if thread.waitsForSignal { return false }
        return index == 0 ? source.hasSomething : index == 1 && sink.hasSomething
    }

    /// When the next thread wakes by itself.
    var nextWakeNs: Int64? {
        guard !isOver else { return nil }
        let wakes = threads.indices.filter { !threads[$0].isRunning && !threads[$0].isOver }
            .map { max(threads[$0].sleepsUntilNs, state.stalledUntilNs) }
        return wakes.min()
    }

    /// A step of that thread.
    func step(_ index: Int) {
        threads[index].isRunning = true
        threads[index].sleepsUntilNs = .min
        threads[index].waitsForSignal = false
        let step: LoopStep
        switch index {
        case 0: step = steps.stepIntake()
        case 1: step = steps.stepDeliveries()
        default: step = steps.stepLane(index - 2)
        }
        threads[index].isRunning = false
        switch step {
        case .done:
            if index == 0 { threads[0].sleepsUntilNs = source.waitsUntilNs }
            if index == 1 { threads[1].sleepsUntilNs = sink.waitsUntilNs }
        case .idle(let untilNs):
            threads[index].sleepsUntilNs = untilNs ?? .max
            threads[index].waitsForSignal = true
        case .over: threads[index].isOver = true
        }
        if !state.isDead { advance() }
    }

    /// What `Worker.join` does.
    private func advance() {
        switch phase {
        case .running:
            guard threads[0].isOver else { return }
            outcome = steps.outcome
            world.trace("\(state.name) ends: \(outcome.map { "\($0)" } ?? "?")")
            if outcome == .deadlineExceeded { return crash() }
            checkOwnEnd()
            phase = .endingLanes
            steps.letLanesEnd()
        case .endingLanes:
            guard threads.dropFirst(2).allSatisfy(\.isOver) else { return }
            phase = .endingDeliveries
            steps.letDeliveriesEnd()
        case .endingDeliveries:
            guard threads[1].isOver else { return }
            phase = .over
            steps.close()
            checkEnd()
        case .over: break
        }
    }

    // MARK: Life

    func requestStop() {
        guard !isOver else { return }
        isStopAsked = true
        world.trace("\(state.name) is asked to stop")
        worker.requestStop()
    }

    /// The process is gone at once; the group notices later.
    func crash() {
        guard !state.isDead else { return }
        world.trace("\(state.name) is killed")
        state.isDead = true
        state.member?.silentSinceNs = world.nowNs
        for partition in source.held.keys { cluster.excuse(partition) }
    }

    /// The process stands still for a while.
    func stall(_ ns: Int64) {
        guard !isOver else { return }
        world.trace("\(state.name) stands still for \(ns / 1_000_000) ms")
        state.stalledUntilNs = world.nowNs + ns
        state.member?.silentSinceNs = world.nowNs
    }

    func endStallIfOver() {
        if !state.isDead, world.nowNs >= state.stalledUntilNs { state.member?.silentSinceNs = nil }
    }

    // MARK: Checks

    /// I5: what is taken in stays within the bound, and one poll more.
    func check() {
        guard !isOver else { return }
        let charged = steps.withFlow { $0.chargedBytes }
        let most = world.plan.settings.boundBytes + source.largestPollBytes
        if charged > most { world.violate("I5", "\(charged) bytes are taken in, not \(most)") }
        if charged < 0 { world.violate("I5", "\(charged) bytes are taken in") }
    }

    /// A run with an end has done all of what it has when it ends by itself.
    private func checkOwnEnd() {
        guard world.plan.settings.untilEnd, outcome == .finished, !isStopAsked else { return }
        for partition in source.held.keys {
            let input = cluster.partitions[Int(partition)]
            if input.firstMissing < input.records.count, !state.isStale {
                world.violate(
                    "end", "\(state.name) has ended before \(partition)/\(input.frontier)")
            }
        }
    }

    /// What keeps the worker from being ready, of what is over when all is at rest.
    var complaints: [String] {
        worker.health.missing.filter { $0.hasPrefix("output") || $0.hasPrefix("holding") }
    }

    private func checkEnd() {
        let name = state.name
        let (charged, isIdle) = steps.withFlow { ($0.chargedBytes, $0.isIdle) }
        if charged != 0 || !isIdle { world.violate("I5", "\(name) ends with \(charged) bytes") }
        switch outcome {
        case .finished, .unavailable: break
        default: world.violate("end", "\(name) ends: \(outcome.map { "\($0)" } ?? "?")")
        }
    }
}
