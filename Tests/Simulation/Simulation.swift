import MillraceCore
import MillraceTestKit
import MillraceWorker

/// One run: workers, cluster, network and clocks in one thread, all drawn from one seed.
package final class Simulation {
    private let world: World
    private let cluster: Cluster
    private var processes: [SimulatedProcess?]
    /// How often a process was started, for its name.
    private var starts = 0
    private var depth = 0
    /// What may run now, as (process, thread); negative processes are the rest of the world.
    private var choices: [(process: Int, thread: Int)] = []
    private var runnable: [Int] = []

    /// After the faults have ended, all has to be done within so many steps.
    private static let calmSteps = 60_000
    private static let network = -1
    private static let timer = -2
    private static let lateCommit = -3

    private init(seed: UInt64, fault: PlantedFault?, trace: ((String) -> Void)?) {
        world = World(seed: seed, fault: fault, trace: trace)
        cluster = Cluster(world)
        processes = Array(repeating: nil, count: world.plan.workers)
    }

    /// Runs a seed to its end; answers with the first broken promise.
    package static func run(
        seed: UInt64, fault: PlantedFault? = nil, trace: ((String) -> Void)? = nil
    ) -> Violation? {
        let simulation = Simulation(seed: seed, fault: fault, trace: trace)
        simulation.world.interleave = { [unowned simulation] in simulation.interleave() }
        simulation.run()
        return simulation.world.violation
    }

    private func run() {
        begin()
        while world.violation == nil, world.step < world.plan.chaosSteps { step() }
        calmDown()
        let limit = world.step + Self.calmSteps
        while world.violation == nil, !cluster.isSettled {
            if world.step >= limit {
                world.violate("I1", "not at rest: \(cluster.unsettled)")
            }
            startMissing()
            step()
        }
        awaitHealth(limit: world.step + Self.calmSteps)
        stopAll(limit: world.step + Self.calmSteps)
    }

    /// All is done: nobody may go on complaining.
    private func awaitHealth(limit: Int) {
        while world.violation == nil, let complaint = complaint {
            if world.step >= limit {
                world.violate("health", "all is at rest, and still: \(complaint)")
            }
            step()
        }
    }

    private var complaint: String? {
        processes.lazy.compactMap { $0?.isOver == false ? $0?.complaints.first : nil }.first
    }

    private func begin() {
        for partition in cluster.partitions.indices {
            cluster.append(partition, world.random.below(60))
        }
        for slot in processes.indices where slot == 0 || world.random.chance(0.7) { start(slot) }
    }

    private func start(_ slot: Int) {
        if let old = processes[slot] {
            guard old.isOver else { return }
        }
        starts += 1
        let name = "w\(slot).\(starts)"
        let producer = world.plan.isInstanceNamed ? "p\(slot)" : name
        world.trace("\(name) is started")
        do {
            processes[slot] = try SimulatedProcess(cluster, name: name, producer: producer)
        } catch {
            world.violate("start", "\(error)")
        }
    }

    // MARK: The end

    private func calmDown() {
        world.trace("all is calm from now on")
        world.isCalm = true
        world.engine = World.EngineMood()
        cluster.commitFailures = 0
        cluster.transactions.endFailures = 0
        for process in processes {
            process?.state.stalledUntilNs = .min
            process?.sink.slowUntilNs = .min
            process?.sink.requestFailures = 0
        }
        cluster.group.rebalance()
    }

    private func startMissing() {
        // One that has come to its end would be started, and move the others' shares, for ever.
        let isAnyRunning = processes.contains { $0?.isOver == false }
        if world.plan.settings.untilEnd, isAnyRunning { return }
        for slot in processes.indices where processes[slot]?.isOver != false { start(slot) }
    }

    private func stopAll(limit: Int) {
        for process in processes { process?.requestStop() }
        while world.violation == nil, processes.contains(where: { $0?.isOver == false }) {
            if world.step >= limit { world.violate("end", "the workers do not stop") }
            step()
        }
    }

    // MARK: Scheduling

    private func step() {
        world.step += 1
        if !world.isCalm, world.random.chance(world.plan.mishapShare) { mishap() }
        world.nowNs += Int64(world.random.below(200_000))
        for process in processes { process?.endStallIfOver() }
        cluster.group.step()
        cluster.transactions.step()
        if !runOne() { passTime() }
        for process in processes { process?.check() }
    }

    /// Lets one of all that may run make a step.
    private func runOne() -> Bool {
        choices.removeAll(keepingCapacity: true)
        for (index, process) in processes.enumerated() {
            guard let process else { continue }
            runnable.removeAll(keepingCapacity: true)
            process.addRunnable(to: &runnable)
            for thread in runnable { choices.append((index, thread)) }
            if process.sink.hasTraffic { choices.append((Self.network, index)) }
            if let dueNs = process.source.timerDueNs, dueNs <= world.nowNs {
                choices.append((Self.timer, index))
            }
        }
        if !cluster.transactions.late.isEmpty, world.random.chance(0.05) {
            choices.append((Self.lateCommit, 0))
        }
        guard !choices.isEmpty else { return false }
        let (process, thread) = choices[world.random.below(choices.count)]
        switch process {
        case Self.network: processes[thread]?.sink.stepNetwork()
        case Self.timer: processes[thread]?.source.commitByTimer()
        case Self.lateCommit: cluster.transactions.endLate()
        default: processes[process]?.step(thread)
        }
        return true
    }

    /// A worker's thread is in a call: others go on meanwhile.
    private func interleave() {
        guard depth < 2, world.random.chance(world.plan.interleaving) else { return }
        depth += 1
        defer { depth -= 1 }
        for _ in 0...world.random.below(3) {
            if !world.isCalm, world.random.chance(world.plan.mishapShare / 4) { mishap() }
            _ = runOne()
        }
    }

    /// Nothing runs: until the next time that something does, or some time longer.
    private func passTime() {
        var times = processes.compactMap { $0?.nextWakeNs }
        times += processes.compactMap { process in
            guard let process, !process.isOver else { return nil }
            return process.source.timerDueNs
        }
        times += processes.compactMap { $0?.sink.slowUntilNs }
        if let timeoutNs = cluster.group.nextTimeoutNs { times.append(timeoutNs) }
        if let timeoutNs = cluster.transactions.nextTimeoutNs { times.append(timeoutNs) }
        guard let nextNs = times.filter({ $0 > world.nowNs && $0 < .max }).min() else { return }
        world.nowNs = nextNs
        if world.random.chance(0.1) { world.nowNs += Int64(world.random.below(3_000)) * 1_000_000 }
    }

    // MARK: Mishaps

    private func mishap() {
        let mishaps = world.plan.mishaps
        guard !mishaps.isEmpty else { return }
        let mishap = mishaps[world.random.below(mishaps.count)]
        world.trace("mishap: \(mishap)")
        let random = world.random.below(processes.count)
        let process = processes[random]
        switch mishap {
        case .append:
            cluster.append(world.random.below(cluster.partitions.count), world.random.below(30))
        case .rebalance: cluster.group.rebalance()
        case .evict: if let member = process?.state.member { cluster.group.evict(member) }
        case .crash: process?.crash()
        case .stop: process?.requestStop()
        case .stall: process?.stall(Int64(world.random.below(15_000)) * 1_000_000)
        case .start: start(random)
        case .failDelivery: process?.sink.requestFailures = 1 + world.random.below(3)
        case .breakSink: process?.sink.breakClient()
        case .slowSink:
            process?.sink.slowUntilNs =
                world.nowNs + Int64(world.random.below(3_000)) * 1_000_000
        case .shrinkSink:
            process?.sink.capacity = 1 + world.random.below(world.plan.sinkCapacity)
        case .failRestart: process?.sink.restartFailures = 1 + world.random.below(3)
        case .failSeek: process?.source.seekFailures = 1 + world.random.below(3)
        case .fence: if let process { cluster.transactions.fence(process.sink.producer) }
        case .failEngine, .failEngineForLong, .slowEngine, .failCommit, .failEnd, .failStart,
            .stepWallClock, .problem, .blocked:
            changeWorld(mishap, process)
        }
    }

    private func changeWorld(_ mishap: Mishap, _ process: SimulatedProcess?) {
        switch mishap {
        case .failEngine: world.engine.failuresLeft = 1 + world.random.below(4)
        case .failEngineForLong:
            world.engine.failsUntilNs =
                world.nowNs + Int64(world.random.below(15_000)) * 1_000_000
        case .slowEngine:
            world.engine.callNs = Int64(world.random.below(300)) * 1_000_000
        case .failCommit: cluster.commitFailures = 1 + world.random.below(3)
        case .failEnd: cluster.transactions.endFailures = 1 + world.random.below(2)
        case .failStart: world.startFailures = 1 + world.random.below(4)
        case .stepWallClock:
            world.wallUs += Int64(world.random.below(7_200_000) - 3_600_000) * 1_000
        case .problem:
            let isFatal = world.random.chance(0.3)
            process?.source.tell(
                .problem(
                    ServiceError(
                        code: "TEST", message: "a problem", isFatal: isFatal,
                        isRetriable: !isFatal)))
        case .blocked: process?.source.tell(.blocked(Cluster.noAnswer))
        default: break
        }
    }
}
