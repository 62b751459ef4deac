/// How long the steps of one batch took. The flow and the lane note it in the batch, who recycles
/// the batch takes it into the histograms: the clock is read some times a batch, never a record.
package struct BatchTimes: Sendable {
    /// How long the records waited to be cut; those that came in together share an entry.
    package var waits: [(ns: Int64, count: Int)] = []
    /// Reading the features.
    package var decodeNs: Int64 = 0
    /// The engine's calls; nil where no record had features to score.
    package var inferenceNs: Int64?
    /// Appending the predictions; nil where there were none.
    package var appendNs: Int64?

    package init() {}

    /// Before another try at scoring.
    package mutating func startOver() {
        decodeNs = 0
        inferenceNs = nil
        appendNs = nil
    }

    /// For the batch's next use; keeps what it has allocated, up to a limit.
    mutating func reset() {
        startOver()
        waits.removeAll(keepingCapacity: waits.capacity <= 64)
    }
}
