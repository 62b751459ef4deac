/// Lets batches leave in the order in which they were cut, whichever lane finished first. One
/// caller at a time holds the turn to write; who deposits the next batch while nobody has it, gets
/// it.
package struct Sequencer: Sendable {
    private var nextNumber: UInt64 = 0
    /// Finished batches that wait for their turn: number to slot. At most one a lane.
    private var ready: [UInt64: Int] = [:]
    /// Whether somebody writes.
    private(set) var isTurnTaken = false

    package init() {}

    /// Gives a finished batch in.
    package mutating func deposit(number: UInt64, slot: Int) { ready[number] = slot }

    /// The slot of the next batch, where it is finished and nobody is writing; the caller has the
    /// turn then, until `endTurn`.
    package mutating func takeTurn() -> Int? {
        guard !isTurnTaken, let slot = ready.removeValue(forKey: nextNumber) else { return nil }
        isTurnTaken = true
        return slot
    }

    /// The batch of the turn is written.
    package mutating func endTurn() {
        isTurnTaken = false
        nextNumber &+= 1
    }
}
