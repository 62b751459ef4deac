/// Decides whether failing records are single bad ones (dead letters) or a sign that something
/// larger is broken, in which case the flow holds instead of draining the topic into the dead
/// letters. A value; one for all lanes.
package struct FailurePolicy: Sendable {
    /// Highest share of dead records in the window; 1 switches the rule off.
    private let maxRatio: Double
    /// The window: so many records back, in whole batches. A thousand is about two full batches.
    private static let windowRecords = 1_000
    /// No verdict below this many records: a few bad ones at the start mean nothing.
    private static let leastRecords = 100

    private var batches: [(records: Int, dead: Int)] = []
    private var records = 0
    private var dead = 0
    /// Engine failures in a row, over batches of a single record, without any success.
    private var lonelyFailures = 0
    /// So many single records in a row may fail in the engine before it counts as broken.
    private static let lonelyFailureLimit = 8

    package init(maxRatio: Double) { self.maxRatio = maxRatio }

    /// What becomes of a scored batch.
    package enum Verdict: Sendable, Equatable {
        case proceed
        /// The batch stays where it is; try it again later. The text is for the operator.
        case hold(String)
    }

    /// What is known of an engine that has refused all of a batch.
    package enum Engine: Sendable {
        /// It scores a row that it has scored before: the batch's records are bad.
        case works
        /// It refuses that row too.
        case isBroken
        /// It was not tried.
        case isUnknown
    }

    /// Judges one scored batch.
    ///
    /// - Parameters:
    ///   - scored: rows that were given to the engine.
    ///   - refused: rows of those that the engine refused.
    ///   - dead: records of the batch that would go to the dead letters, `refused` included.
    package mutating func judge(
        records count: Int, scored: Int, refused: Int, dead deadCount: Int,
        engine: Engine = .isUnknown
    ) -> Verdict {
        if scored > 0, refused == scored, engine != .works {
            lonelyFailures += scored
            if scored > 1 || lonelyFailures >= Self.lonelyFailureLimit || engine == .isBroken {
                return .hold("the engine refuses every record")
            }
        } else if scored > 0 {
            lonelyFailures = 0
        }
        let newRecords = records + count
        let newDead = dead + deadCount
        if deadCount > 0, newRecords >= Self.leastRecords,
            Double(newDead) > maxRatio * Double(newRecords)
        {
            let percent = Int((Double(newDead) / Double(newRecords) * 100).rounded())
            return .hold(
                "\(percent) % of the last \(newRecords) records are dead letters,"
                    + " more than dead_letter.max_ratio (\(maxRatio)) allows")
        }
        remember(records: count, dead: deadCount)
        return .proceed
    }

    private mutating func remember(records count: Int, dead deadCount: Int) {
        batches.append((count, deadCount))
        records += count
        dead += deadCount
        while let oldest = batches.first, records - oldest.records >= Self.windowRecords {
            batches.removeFirst()
            records -= oldest.records
            dead -= oldest.dead
        }
    }
}

/// Waiting times between tries: doubling from 100 ms (1 s where a service is at fault) to 30 s.
package struct Backoff: Sendable {
    private let firstNs: Int64
    private static let longestNs: Int64 = 30_000_000_000
    private var tries = 0

    package init(firstNs: Int64) { self.firstNs = firstNs }

    /// The next waiting time in nanoseconds.
    package mutating func next() -> Int64 {
        let doubled = firstNs &<< Int64(min(tries, 16))
        tries += 1
        return min(doubled, Self.longestNs)
    }

    /// Begins again with the first waiting time.
    package mutating func reset() { tries = 0 }
}
