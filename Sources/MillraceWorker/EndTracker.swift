/// `--until-end`: how far each partition is to be read, and whether it has been.
struct EndTracker {
    /// The offsets at which the partitions ended when the worker started.
    private let ends: [Int32: Int64]
    /// The next offset to read, as far as known.
    private var positions: [Int32: Int64] = [:]

    init(ends: [Int32: Int64]) { self.ends = ends }

    /// Whether the record belongs to the run; notes the position.
    mutating func admits(_ partition: Int32, offset: Int64) -> Bool {
        positions[partition] = max(positions[partition] ?? 0, offset &+ 1)
        return offset < (ends[partition] ?? 0)
    }

    /// The source says that nothing is left at or after `offset`: the last offsets may be control
    /// records, or the committed offset was the end already.
    mutating func reachedEnd(_ partition: Int32, offset: Int64) {
        positions[partition] = max(positions[partition] ?? 0, offset)
    }

    /// The partition is read again from `offset`.
    mutating func rewound(_ partition: Int32, to offset: Int64) { positions[partition] = offset }

    /// The partition was assigned anew: where its reading begins is not known yet.
    mutating func reassigned(_ partition: Int32) { positions[partition] = nil }

    /// Whether all these partitions have been read to their ends.
    func isComplete(_ partitions: [Int32]) -> Bool {
        partitions.allSatisfy { (positions[$0] ?? -1) >= (ends[$0] ?? 0) }
    }
}
