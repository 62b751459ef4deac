/// Lets batches leave in the order in which they were cut, whichever lane finished first.
package struct Sequencer: Sendable {
    private var nextNumber: UInt64 = 0
    /// Finished batches that wait for an earlier one: number to slot. At most one a lane.
    private var ready: [UInt64: Int] = [:]

    package init() {}

    /// Gives a finished batch in.
    package mutating func deposit(number: UInt64, slot: Int) { ready[number] = slot }

    /// The slot of the next batch in order, where it is finished.
    package mutating func takeNext() -> Int? {
        guard let slot = ready.removeValue(forKey: nextNumber) else { return nil }
        nextNumber &+= 1
        return slot
    }
}
