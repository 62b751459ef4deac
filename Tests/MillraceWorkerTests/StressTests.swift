import MillraceCore
import MillraceTestKit
import MillraceWorker
import Synchronization
import Testing

/// Random acknowledgements, failures and rebalances, by seed.
@Suite("Worker: random faults")
struct StressTests {
    @Test("nothing is lost, order is kept, offsets follow", arguments: UInt64(1)...50)
    func survives(seed: UInt64) throws {
        let chaos = Chaos(seed: seed)
        let rig = try chaos.makeRig()
        chaos.appendRecords(to: rig.source, count: 100)
        try rig.start()
        try rig.wait("assigned") { rig.source.isAssigned(0) }
        for _ in 0..<25 { try chaos.step(rig) }
        try chaos.calmDown(rig)
        #expect(rig.stop() == .finished)
        chaos.check(rig)
    }
}

/// What goes wrong in one run.
private final class Chaos: Sendable {
    static let partitions: [Int32] = [0, 1, 2, 3]

    private struct State {
        var random: Random
        /// Partitions that are not answered.
        var held: Set<Int32> = []
        /// Partitions that the broker refuses until the worker has moved back.
        var refused: Set<Int32> = []
        /// Refusals per thousand records.
        var refusals = 0
        var assigned: Set<Int32> = Set(Chaos.partitions)
    }

    private let state: Mutex<State>

    init(seed: UInt64) { state = Mutex(State(random: Random(state: seed))) }

    private func draw(_ limit: Int) -> Int { state.withLock { $0.random.below(limit) } }

    func makeRig() throws -> Rig {
        let rig = try Rig(
            partitions: Self.partitions.count,
            {
                $0.lanes = 1 + draw(3)
                $0.batch = BatchPolicy(
                    maxRecords: 1 + draw(32), maxBytes: 1 << 20,
                    maxWaitNs: draw(2) == 0 ? 0 : 5_000_000)
                $0.boundBytes = (20 + draw(500)) * 530
                $0.maxDeadRatio = 1
                $0.revokeBudgetNs = draw(2) == 0 ? 100_000_000 : 600_000_000_000
            },
            onSeek: { [self] partition in
                _ = state.withLock { $0.refused.remove(partition) }
            })
        rig.sink.setCapacity(1 + draw(300))
        rig.sink.answer { [self] in answer($0) }
        return rig
    }

    private func answer(_ written: MemorySink.Written) -> MemorySink.Answer {
        state.withLock { state in
            if state.held.contains(written.partition) { return .later }
            if state.refused.contains(written.partition) { return .fail(failure()) }
            if Self.isFaulty(written.offset), written.state == .scored {
                return .fail(failure(isRecordsFault: true))
            }
            if state.random.below(1_000) < state.refusals {
                state.refused.insert(written.partition)
                return .fail(failure())
            }
            return .acknowledge
        }
    }

    private static func isFaulty(_ offset: Int64) -> Bool { offset % 97 == 50 }

    private static func isBad(_ offset: Int64) -> Bool { offset % 41 == 7 }

    func appendRecords(to source: MemorySource, count: Int) {
        for partition in Self.partitions {
            for _ in 0..<draw(count + 1) {
                let offset = source.partition(partition).end
                let isTombstone = offset % 53 == 3
                source.append(
                    partition, [isTombstone ? nil : Self.isBad(offset) ? "x" : "\(offset)"])
            }
        }
    }

    func step(_ rig: Rig) throws {
        switch draw(10) {
        case 0...2: appendRecords(to: rig.source, count: 60)
        case 3: state.withLock { _ = $0.held.insert(Int32($0.random.below(4))) }
        case 4...5: state.withLock { $0.held.removeAll() }
        case 6: state.withLock { $0.refusals = $0.random.below(2) * 20 }
        case 7: try rebalance(rig)
        case 8: rig.model.failNext(draw(3))
        default: if draw(3) == 0 { rig.sink.breakFatally() }
        }
        rig.sink.askAgain()
        // Lets the threads do something, for a random while.
        let handedOut = rig.source.handedOut + draw(200)
        _ = eventually(withinMs: 1 + draw(8)) { rig.source.handedOut > handedOut }
    }

    private func rebalance(_ rig: Rig) throws {
        let (assigned, isGiving, isLoss) = state.withLock {
            ($0.assigned, !$0.assigned.isEmpty && $0.random.below(3) > 0, $0.random.below(2) == 0)
        }
        if isGiving {
            let leaving = assigned.filter { _ in draw(2) == 0 }.sorted()
            guard !leaving.isEmpty else { return }
            rig.source.send(isLoss ? .lost(leaving) : .revoked(leaving))
            // A revoke with a long budget may wait for an answer.
            if !isLoss { release(rig) }
            try rig.wait("let go") { leaving.allSatisfy { !rig.source.isAssigned($0) } }
            state.withLock { $0.assigned.subtract(leaving) }
        } else {
            try assign(Self.partitions.filter { !assigned.contains($0) }, rig)
        }
    }

    private func assign(_ partitions: [Int32], _ rig: Rig) throws {
        rig.source.send(.assigned(partitions))
        try rig.wait("assigned") { partitions.allSatisfy { rig.source.isAssigned($0) } }
        state.withLock { $0.assigned.formUnion(partitions) }
    }

    private func release(_ rig: Rig) {
        state.withLock { $0.held.removeAll() }
        rig.sink.askAgain()
    }

    /// All faults end, all partitions are ours, all is read.
    func calmDown(_ rig: Rig) throws {
        state.withLock { $0.refusals = 0 }
        release(rig)
        let missing = state.withLock { state in
            Self.partitions.filter { !state.assigned.contains($0) }
        }
        try assign(missing, rig)
        try rig.wait("all is written") {
            Self.partitions.allSatisfy { number in
                let partition = rig.source.partition(number)
                return partition.end == (partition.stored ?? partition.committed ?? 0)
            }
        }
    }

    func check(_ rig: Rig) {
        for number in Self.partitions {
            let partition = rig.source.partition(number)
            #expect(partition.end == partition.committed ?? 0)
            let written = rig.sink.topic.filter { $0.partition == number }
            #expect(Set(written.map(\.offset)) == Set(0..<partition.end))
            var seen: Set<Int64> = []
            // What the broker refuses for its own fault comes later, as a dead letter.
            let firsts = written.map(\.offset).filter {
                !Self.isFaulty($0) && seen.insert($0).inserted
            }
            let late = zip(firsts, firsts.dropFirst()).first { $0 > $1 }
            #expect(late == nil, "out of order in partition \(number)")
            for record in written {
                let offset = record.offset
                let isTombstone = offset % 53 == 3
                switch record.state {
                case .scored: #expect(record.value == "\(offset)=\(offset * 2)")
                case .passed: #expect(isTombstone && record.value == nil)
                case .dead: #expect(record.reason != nil)
                case .taken: Issue.record("not decided")
                }
            }
        }
    }
}

/// SplitMix64.
private struct Random {
    var state: UInt64

    mutating func below(_ limit: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((mixed ^ (mixed >> 31)) % UInt64(max(1, limit)))
    }
}
