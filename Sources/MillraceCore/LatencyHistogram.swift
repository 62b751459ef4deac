/// Counts latencies in buckets whose width grows with the value, so that microseconds and hours
/// fit into one fixed size: exact up to 63 us, then 32 buckets per power of two, which makes a
/// bucket at most 1/32 (about 3 %) of its value wide. The layout is that of HdrHistogram.
///
/// A plain value without a lock: each thread records into its own, a reader merges copies. The
/// counts lie inline, so recording never allocates, not even while a copy is alive.
package struct LatencyHistogram: Sendable {
    private static let bucketsPerOctave = 32
    private static let octaveBits = 5
    /// Values of this many bits and more count as "beyond": 2^32 us are 71 minutes.
    private static let valueBits = 32
    private static let bucketCount = 896

    private var counts = InlineArray<896, UInt64>(repeating: 0)
    private var beyond: UInt64 = 0

    /// How many values were recorded.
    package private(set) var count: UInt64 = 0
    /// All recorded values together, in microseconds; stays at the maximum when it would overflow.
    package private(set) var sum: UInt64 = 0

    /// Nothing recorded.
    package init() {}

    /// Counts a latency of `us` microseconds `count` times. A negative one (clocks that disagree)
    /// counts as 0; a `count` below 1 does nothing.
    package mutating func record(us: Int64, count times: Int = 1) {
        guard times > 0 else { return }
        let value = UInt64(max(us, 0))
        let added = UInt64(times)
        if value >> Self.valueBits == 0 {
            counts[Self.bucket(of: value)] &+= added
        } else {
            beyond &+= added
        }
        count &+= added
        let (product, overflow) = value.multipliedReportingOverflow(by: added)
        addToSum(overflow ? .max : product)
    }

    /// Counts a latency of `ns` nanoseconds, rounded to the next microsecond, `count` times.
    package mutating func record(ns: Int64, count times: Int = 1) {
        record(us: (max(ns, 0) &+ 500) / 1_000, count: times)
    }

    /// Adds everything that `other` has recorded.
    package mutating func merge(_ other: borrowing LatencyHistogram) {
        for bucket in 0..<Self.bucketCount { counts[bucket] &+= other.counts[bucket] }
        beyond &+= other.beyond
        count &+= other.count
        addToSum(other.sum)
    }

    /// What was recorded since `earlier`, a former state of this histogram. Its `sum` is not known
    /// where either of the two has overflowed.
    package func since(_ earlier: borrowing LatencyHistogram) -> LatencyHistogram {
        var rest = self
        for bucket in 0..<Self.bucketCount { rest.counts[bucket] &-= earlier.counts[bucket] }
        rest.beyond &-= earlier.beyond
        rest.count &-= earlier.count
        rest.sum &-= earlier.sum
        return rest
    }

    /// The latency in microseconds that the share `q` (0...1, clamped) of all recorded ones does
    /// not exceed, within 3 %; nil when nothing was recorded or `q` is not a number. Above 71
    /// minutes the answer is 71 minutes.
    package func quantile(_ q: Double) -> Int64? {
        guard count > 0, !q.isNaN else { return nil }
        let share = min(max(q, 0), 1)
        // A Double holds counts above 2^53 inexactly: never wait for more than there are.
        let rank = min(UInt64(exactly: (share * Double(count)).rounded(.up)) ?? count, count)
        var seen: UInt64 = 0
        for bucket in 0..<Self.bucketCount {
            seen &+= counts[bucket]
            if seen >= max(rank, 1) { return Int64(Self.middle(of: bucket)) }
        }
        return (Int64(1) << Self.valueBits) - 1
    }

    /// The counts as a metrics page shows them. `bounds` are upper bounds in seconds, ascending,
    /// without +Inf; a latency closer than 3 % to a bound may fall on either side of it.
    package func distribution(bounds: [Double]) -> Metric.Value {
        var cumulative: [UInt64] = []
        cumulative.reserveCapacity(bounds.count)
        var bucket = 0
        var seen: UInt64 = 0
        for bound in bounds {
            while bucket < Self.bucketCount, Double(Self.middle(of: bucket)) <= bound * 1e6 {
                seen &+= counts[bucket]
                bucket += 1
            }
            cumulative.append(seen)
        }
        return .distribution(
            bounds: bounds, cumulative: cumulative, count: count, sum: Double(sum) / 1e6)
    }

    private mutating func addToSum(_ added: UInt64) {
        let (total, overflow) = sum.addingReportingOverflow(added)
        sum = overflow ? .max : total
    }

    /// `value` is below 2^32; the result is below `bucketCount`.
    private static func bucket(of value: UInt64) -> Int {
        guard value >= bucketsPerOctave else { return Int(value) }
        let shift = 63 - value.leadingZeroBitCount - octaveBits
        let within = Int(value >> UInt64(shift)) - bucketsPerOctave
        return (shift + 1) * bucketsPerOctave + within
    }

    /// The value that stands for all values of a bucket.
    private static func middle(of bucket: Int) -> UInt64 {
        guard bucket >= bucketsPerOctave else { return UInt64(bucket) }
        let shift = UInt64(bucket / bucketsPerOctave - 1)
        let lowest = UInt64(bucketsPerOctave + bucket % bucketsPerOctave) << shift
        return lowest + ((UInt64(1) << shift) - 1) / 2
    }
}
