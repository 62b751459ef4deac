import Simulation
import Testing

/// The worker's own loops in a simulated world. A seed that fails here is replayed with
/// `scripts/simulate --seed SEED --trace`.
@Suite("Simulation")
struct SimulationTests {
    private static let seeds = 2_000

    @Test("no seed breaks a promise", arguments: 0..<20)
    func isClean(part: Int) {
        let count = Self.seeds / 20
        for seed in part * count + 1...(part + 1) * count {
            let violation = Simulation.run(seed: UInt64(seed))
            #expect(violation == nil, "seed \(seed)")
        }
    }

    @Test("each planted fault is found", arguments: PlantedFault.allCases)
    func isFound(fault: PlantedFault) {
        let found = (1...Self.seeds).contains {
            Simulation.run(seed: UInt64($0), fault: fault) != nil
        }
        #expect(found, "\(fault)")
    }

    @Test("a seed is replayed to the letter", arguments: UInt64(1)...20)
    func isReplayed(seed: UInt64) {
        var runs: [[String]] = [[], []]
        for index in runs.indices {
            _ = Simulation.run(seed: seed, trace: { runs[index].append($0) })
        }
        #expect(runs[0] == runs[1])
        #expect(runs[0].count > 10)
    }
}
