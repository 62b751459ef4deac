import MillraceCore
import Testing

@Suite("Waiting times and sizes")
struct WaitingTimesTests {
    private static func append(_ count: Int, to line: inout WaitingLine, atNs: Int64) {
        let records = unsafe ContiguousArray(
            (0..<count).map { index in
                unsafe RecordView(
                    value: nil, valueCount: 0, key: nil, keyCount: 0, timestampMs: -1,
                    offset: Int64(index), partition: 0, epoch: 1, handle: nil)
            })
        unsafe line.append(records, bytes: count, nowNs: atNs)
    }

    private static func take(_ count: Int, of line: inout WaitingLine, atNs: Int64) -> [[Int64]] {
        var waits: [(ns: Int64, count: Int)] = []
        line.removeFirst(count, bytes: count, nowNs: atNs, waits: &waits)
        return waits.map { [$0.ns, Int64($0.count)] }
    }

    @Test func recordsThatCameTogetherShareAnEntry() {
        var line = WaitingLine()
        Self.append(3, to: &line, atNs: 100)
        Self.append(2, to: &line, atNs: 150)
        #expect(Self.take(2, of: &line, atNs: 200) == [[100, 2]])
        #expect(Self.take(2, of: &line, atNs: 210) == [[110, 1], [60, 1]])
        #expect(Self.take(1, of: &line, atNs: 250) == [[100, 1]])
        #expect(Self.take(0, of: &line, atNs: 300) == [])
    }

    /// The entries that are gone are cut off some time, like the records.
    @Test func aLineThatIsNeverEmptyStaysRight() {
        var line = WaitingLine()
        var time = Int64(0)
        Self.append(1, to: &line, atNs: time)
        for _ in 0..<20_000 {
            time += 1
            Self.append(1, to: &line, atNs: time)
            #expect(Self.take(1, of: &line, atNs: time) == [[1, 1]])
        }
        #expect(line.count == 1)
    }

    @Test func whatIsLetGoIsNotMeasured() {
        var line = WaitingLine()
        Self.append(3, to: &line, atNs: 100)
        _ = unsafe line.removeAll()
        Self.append(1, to: &line, atNs: 500)
        #expect(Self.take(1, of: &line, atNs: 600) == [[100, 1]])
    }

    @Test func nanosecondsAreRounded() {
        var histogram = LatencyHistogram()
        for ns in [-5, 499, 500, 1_499, 1_500] as [Int64] { histogram.record(ns: ns) }
        #expect(histogram.sum == 4)
        histogram.record(ns: .max, count: 2)
        #expect(histogram.count == 7)
    }

    @Test func sizesFallIntoPowersOfTwo() throws {
        var histogram = SizeHistogram()
        for size in [0, 1, 2, 3, 4, 5, 65_536, 65_537] { histogram.record(size) }
        guard
            case .distribution(let bounds, let cumulative, let count, let sum) =
                histogram.distribution
        else { return #expect(Bool(false)) }
        #expect(bounds.prefix(4) == [1, 2, 4, 8])
        #expect(bounds.last == 65_536)
        #expect(cumulative.prefix(4) == [2, 3, 5, 6])
        #expect(cumulative.last == 7)
        #expect(count == 8)
        #expect(sum == 131_089)
    }
}
