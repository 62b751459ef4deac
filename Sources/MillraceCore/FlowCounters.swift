/// What became of one finished batch.
package struct BatchTally: Sendable {
    package var scored = 0
    package var passed = 0
    /// Dead letters by class, in the order of `RecordError.Kind.allCases`.
    package var dead = [Int](repeating: 0, count: RecordError.Kind.allCases.count)
    package var outputBytes = 0
    /// Records of discarded runs: they are read again.
    package var discarded = 0

    package init() {}
}

/// Totals since the start. All only grow.
package struct FlowCounters: Sendable {
    /// Records read from the source, repeated readings included.
    package internal(set) var recordsIn: UInt64 = 0
    /// Charged bytes of those: value, key and what their bookkeeping takes.
    package internal(set) var bytesIn: UInt64 = 0
    /// Records whose enriched form the broker has acknowledged.
    package private(set) var scored: UInt64 = 0
    /// Records that went out as they came, acknowledged.
    package private(set) var passed: UInt64 = 0
    /// Acknowledged dead letters by class, in the order of `RecordError.Kind.allCases`.
    package private(set) var dead = [UInt64](
        repeating: 0, count: RecordError.Kind.allCases.count)
    /// Bytes of the values of `scored` and `passed`.
    package private(set) var outputBytes: UInt64 = 0
    /// Records dropped after a revoke, a loss or a rewind, to be read again here or elsewhere.
    package private(set) var discarded: UInt64 = 0
    package private(set) var batches: UInt64 = 0
    package internal(set) var deliveryFailures: UInt64 = 0
    package internal(set) var rewinds: UInt64 = 0
    package internal(set) var sinkRestarts: UInt64 = 0
    /// Committed, and thrown away with records in them.
    package internal(set) var transactions: UInt64 = 0
    package internal(set) var abortedTransactions: UInt64 = 0

    /// Nothing counted.
    package init() {}

    /// Bytes of values and keys read.
    package var payloadBytesIn: UInt64 {
        bytesIn &- recordsIn &* UInt64(unsafe RecordView.overheadBytes)
    }

    /// All acknowledged dead letters.
    package var deadTotal: UInt64 { dead.reduce(0, &+) }

    /// All records that are done: scored, passed or dead.
    package var finished: UInt64 { scored &+ passed &+ deadTotal }

    mutating func add(_ tally: BatchTally) {
        scored &+= UInt64(tally.scored)
        passed &+= UInt64(tally.passed)
        for index in dead.indices { dead[index] &+= UInt64(tally.dead[index]) }
        outputBytes &+= UInt64(tally.outputBytes)
        discarded &+= UInt64(tally.discarded)
        batches &+= 1
    }
}
