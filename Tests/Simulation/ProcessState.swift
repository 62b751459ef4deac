import MillraceCore

/// What the parts of one worker's process share.
final class ProcessState: @unchecked Sendable {  // sound: a run has one thread
    let name: String
    /// Killed: whatever its code still does reaches nobody.
    var isDead = false
    var member: Group.Member?
    /// The group has thrown it out, and it does not know yet.
    var isStale: Bool { member?.isEvicted ?? false }
    /// Stands still until then, as a stopped process does.
    var stalledUntilNs: Int64 = .min
    /// Offsets of the records that were acknowledged to this process, by partition.
    private var acknowledged: [Set<Int64>]

    init(_ name: String, partitions: Int) {
        self.name = name
        acknowledged = Array(repeating: [], count: partitions)
    }

    func acknowledge(_ partition: Int32, _ offset: Int64) {
        acknowledged[Int(partition)].insert(offset)
    }

    func isAcknowledged(_ partition: Int32, _ offset: Int64) -> Bool {
        acknowledged[Int(partition)].contains(offset)
    }
}
