/// `--until-end`: how far each partition is to be read, and whether it has been.
struct EndTracker {
    /// By partition number: the offset at which it ended when the worker started; 0 for one that
    /// came later.
    private var ends: [Int64] = []
    /// By partition number: the next offset to read; -1 where it is not known yet.
    private var positions: [Int64] = []

    init(ends: [Int32: Int64]) {
        for (partition, end) in ends {
            guard let index = index(of: partition) else { continue }
            self.ends[index] = end
        }
    }

    /// Whether the record belongs to the run; notes the position.
    mutating func admits(_ partition: Int32, offset: Int64) -> Bool {
        guard let index = index(of: partition) else { return false }
        positions[index] = max(positions[index], offset &+ 1)
        return offset < ends[index]
    }

    /// The source says that nothing is left at or after `offset`: the last offsets may be control
    /// records, or the committed offset was the end already.
    mutating func reachedEnd(_ partition: Int32, offset: Int64) {
        guard let index = index(of: partition) else { return }
        positions[index] = max(positions[index], offset)
    }

    /// The partition is read again from `offset`.
    mutating func rewound(_ partition: Int32, to offset: Int64) {
        guard let index = index(of: partition) else { return }
        positions[index] = offset
    }

    /// The partition was assigned anew: where its reading begins is not known yet.
    mutating func reassigned(_ partition: Int32) {
        guard let index = index(of: partition) else { return }
        positions[index] = -1
    }

    /// Whether all these partitions have been read to their ends.
    func isComplete(_ partitions: [Int32]) -> Bool {
        partitions.allSatisfy { partition in
            let index = Int(partition)
            guard positions.indices.contains(index) else { return false }
            return positions[index] >= ends[index]
        }
    }

    /// The partition's place in the tables, made where it is new; nil for no partition number.
    private mutating func index(of partition: Int32) -> Int? {
        let index = Int(partition)
        guard index >= 0 else { return nil }
        if index >= ends.count {
            let missing = index + 1 - ends.count
            ends.append(contentsOf: repeatElement(0, count: missing))
            positions.append(contentsOf: repeatElement(-1, count: missing))
        }
        return index
    }
}
