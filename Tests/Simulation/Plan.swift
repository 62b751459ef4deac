import MillraceCore
import MillraceTestKit
import MillraceWorker

/// What goes wrong in the world of a run, beside what the order of events does.
enum Mishap: CaseIterable {
    case append, rebalance, evict, crash, stop, stall, start
    case failDelivery, breakSink, slowSink, shrinkSink
    case failEngine, failEngineForLong, slowEngine
    case failCommit, failEnd, fence, failSeek, failRestart, failStart
    case stepWallClock, problem, blocked
}

/// Everything that is drawn from the seed before the run begins.
struct Plan {
    var partitions: Int
    var workers: Int
    var isCooperative: Bool
    var isExactlyOnce: Bool
    var transactions: TransactionPolicy
    /// Workers keep their transactional id over restarts.
    var isInstanceNamed: Bool
    var settings: WorkerSettings
    var mishaps: [Mishap]
    /// Share of scheduling steps at which one happens.
    var mishapShare: Double
    /// Share of calls out of the worker within which another thread goes on.
    var interleaving: Double
    /// Steps before the faults end.
    var chaosSteps: Int
    var sinkCapacity: Int
    /// Messages that a request takes at most.
    var requestMessages: Int
    var commitIntervalNs: Int64
    var sessionTimeoutNs: Int64 = 10_000_000_000
    var kinds: KindShares

    /// How many of a thousand records are of each kind; the rest is good.
    struct KindShares {
        var malformed = 0
        var tombstone = 0
        var tooLarge = 0
        var refused = 0
        var letterRefused = 0
        /// Of a thousand offsets so many are left out: compaction, control records.
        var gap = 0
        var hasPoison = false
        /// Bytes that a record has more than it needs, at most.
        var padding = 0
        /// Some records are so large that few of them make a group.
        var hasHuge = false
    }

    /// - Parameter isExactlyOnce: nil: is drawn as well.
    init(_ random: inout SeededRandom, isExactlyOnce: Bool?) {
        partitions = 1 + random.below(4)
        workers = 1 + random.below(3)
        isCooperative = random.chance(0.5)
        let isDrawn = random.chance(0.5)
        self.isExactlyOnce = isExactlyOnce ?? isDrawn
        isInstanceNamed = random.chance(0.5)
        transactions = TransactionPolicy(
            intervalNs: [1_000_000, 20_000_000, 100_000_000, 1_000_000_000][random.below(4)],
            maxRecords: 1 + random.below(100), maxBytes: (1 + random.below(50)) * 2_000)
        settings = WorkerSettings()
        settings.lanes = 1 + random.below(3)
        settings.batch = BatchPolicy(
            maxRecords: 1 + random.below(random.chance(0.5) ? 4 : 16),
            maxBytes: [600, 3_000, 1 << 20][random.below(3)],
            maxWaitNs: [0, 0, 5_000_000, 300_000_000][random.below(4)])
        settings.boundBytes = (3 + random.below(100)) * 560
        settings.onError = random.chance(0.8) ? .deadLetter : .pass
        settings.maxDeadRatio = 1
        settings.revokeBudgetNs = [20_000_000, 2_000_000_000, 30_000_000_000][random.below(3)]
        settings.drainBudgetNs = [500_000_000, 30_000_000_000][random.below(2)]
        settings.untilEnd = random.chance(0.1)
        // Each run has some kinds of trouble only: with all at once few runs get far.
        var mishaps: [Mishap] = []
        let share = [0.15, 0.3, 0.6][random.below(3)]
        for mishap in Mishap.allCases where random.chance(share) { mishaps.append(mishap) }
        // With an end there is nothing to come.
        mishaps.removeAll { $0 == .append }
        if !settings.untilEnd { mishaps.append(.append) }
        self.mishaps = mishaps
        mishapShare = [0.003, 0.01, 0.03, 0.1][random.below(4)]
        interleaving = [0, 0.1, 0.4][random.below(3)]
        chaosSteps = 50 + random.below(400)
        sinkCapacity = 1 + random.below(random.chance(0.3) ? 8 : 200)
        requestMessages = 1 + random.below(20)
        commitIntervalNs = [10_000_000, 100_000_000, 1_000_000_000][random.below(3)]
        kinds = Self.drawKinds(&random, hasDeadLetters: settings.onError == .deadLetter)
    }

    private static func drawKinds(
        _ random: inout SeededRandom, hasDeadLetters: Bool
    ) -> KindShares {
        var kinds = KindShares()
        if random.chance(0.5) { kinds.malformed = random.below(100) }
        if random.chance(0.5) { kinds.tombstone = random.below(100) }
        if random.chance(0.3) { kinds.tooLarge = random.below(100) }
        if random.chance(0.3) { kinds.gap = random.below(200) }
        kinds.hasPoison = random.chance(0.3)
        kinds.padding = [0, 20, 400][random.below(3)]
        kinds.hasHuge = random.chance(0.01)
        // What the broker refuses for good, `on_error: pass` would try for ever.
        guard hasDeadLetters else { return kinds }
        if random.chance(0.3) { kinds.refused = random.below(80) }
        if random.chance(0.2) { kinds.letterRefused = random.below(50) }
        return kinds
    }
}
