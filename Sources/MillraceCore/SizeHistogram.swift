/// Counts sizes in buckets that end at powers of two: 1, 2, 4 and so on up to 65,536, the largest
/// `batch.max_records`. A plain value; recording never allocates.
package struct SizeHistogram: Sendable {
    private static let bucketCount = 17
    private var counts = InlineArray<17, UInt64>(repeating: 0)
    private var count: UInt64 = 0
    private var sum: UInt64 = 0

    /// Nothing recorded.
    package init() {}

    /// Counts a size once. Below 1 it counts as 1.
    package mutating func record(_ size: Int) {
        let size = UInt64(max(size, 1))
        // The smallest power of two that is not below the size.
        let bucket = 64 - (size - 1).leadingZeroBitCount
        if bucket < Self.bucketCount { counts[bucket] &+= 1 }
        count &+= 1
        sum &+= size
    }

    /// How many were recorded in each bucket, those of 1, of 2, of 3 and 4, of 5 to 8 and so on.
    package var perBucket: [UInt64] { (0..<Self.bucketCount).map { counts[$0] } }

    /// The counts as a metrics page shows them.
    package var distribution: Metric.Value {
        var seen: UInt64 = 0
        var cumulative: [UInt64] = []
        for bucket in 0..<Self.bucketCount {
            seen &+= counts[bucket]
            cumulative.append(seen)
        }
        return .distribution(
            bounds: (0..<Self.bucketCount).map { Double(1 << $0) }, cumulative: cumulative,
            count: count, sum: Double(sum))
    }
}
