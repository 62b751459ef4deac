/// Where reading stands in one assigned partition, as far as it is known.
struct PartitionProgress {
    let partition: Int32
    /// Offset of the first unfinished record.
    let frontier: Int64?
    /// Where the partition ended when it was last fetched from.
    let end: Int64?

    /// Offsets between the two.
    var lag: Int64? {
        guard let frontier, let end else { return nil }
        return max(0, end &- frontier)
    }

    /// Of all assigned partitions, in their order. `frontiers` are the worker's, `ends` the
    /// partitions' ends as far as the consumer knows, `committed` what the group had committed: it
    /// stands in for the frontier of a partition of which nothing has been read yet.
    static func all(
        _ assigned: [Int32], frontiers: [Int32: Int64], ends: [Int32: Int64],
        committed: [Int32: Int64]
    ) -> [PartitionProgress] {
        assigned.map {
            PartitionProgress(
                partition: $0, frontier: frontiers[$0] ?? committed[$0], end: ends[$0])
        }
    }
}
