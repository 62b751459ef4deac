import MillraceCore
import Testing

struct LatencyHistogramTests {
    @Test func emptyHasNoQuantile() {
        let histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == nil)
        #expect(histogram.count == 0)
        #expect(histogram.sum == 0)
    }

    @Test func smallValuesAreExact() {
        for us in Int64(0)...63 {
            var histogram = LatencyHistogram()
            histogram.record(us: us)
            #expect(histogram.quantile(0.5) == us)
        }
    }

    @Test func everyMagnitudeIsWithinThreePercent() throws {
        var us: Int64 = 1
        while us < 3_200_000_000 {
            for value in [us - 1, us, us + us / 3] {
                var histogram = LatencyHistogram()
                histogram.record(us: value)
                let found = try #require(histogram.quantile(1))
                #expect(abs(Double(found - value)) <= 0.03 * Double(value), "\(value): \(found)")
            }
            us = us * 5 / 4 + 1
        }
    }

    @Test(arguments: [(0.0, 1), (0.5, 5000), (0.9, 9000), (0.99, 9900), (1.0, 10_000)])
    func quantilesOfAnEvenSpread(q: Double, expected: Int) throws {
        var histogram = LatencyHistogram()
        for us in Int64(1)...10_000 { histogram.record(us: us) }
        let found = try #require(histogram.quantile(q))
        #expect(abs(Double(found) - Double(expected)) <= 0.03 * Double(expected))
    }

    @Test func quantileTakesAnyShare() {
        var histogram = LatencyHistogram()
        histogram.record(us: 7)
        #expect(histogram.quantile(-1) == 7)
        #expect(histogram.quantile(2) == 7)
        #expect(histogram.quantile(.infinity) == 7)
        #expect(histogram.quantile(.nan) == nil)
    }

    @Test func extremesNeitherTrapNorCountWrong() {
        var histogram = LatencyHistogram()
        histogram.record(us: .min)
        histogram.record(us: -1)
        #expect(histogram.quantile(1) == 0)
        #expect(histogram.sum == 0)
        histogram.record(us: .max, count: .max)
        histogram.record(us: .max, count: 4)
        #expect(histogram.sum == .max)
        #expect(histogram.count == UInt64(Int.max) + 6)
        #expect(histogram.quantile(1) == 4_294_967_295)
    }

    @Test func countsThatADoubleCannotHold() {
        var histogram = LatencyHistogram()
        histogram.record(us: 9, count: (1 << 53) + 1)
        #expect(histogram.quantile(1) == 9)
        histogram.record(us: 9, count: .max)
        #expect(histogram.quantile(1) == 9)
    }

    @Test func aCountBelowOneDoesNothing() {
        var histogram = LatencyHistogram()
        histogram.record(us: 5, count: 0)
        histogram.record(us: 5, count: -3)
        #expect(histogram.count == 0)
    }

    @Test func mergeEqualsRecordingIntoOne() {
        var one = LatencyHistogram()
        var left = LatencyHistogram()
        var right = LatencyHistogram()
        for us in Int64(0)..<2000 {
            one.record(us: us * us * 97, count: 2)
            if us % 3 == 0 {
                left.record(us: us * us * 97, count: 2)
            } else {
                right.record(us: us * us * 97, count: 2)
            }
        }
        left.merge(right)
        #expect(left.count == one.count)
        #expect(left.sum == one.sum)
        for percent in 0...100 {
            #expect(left.quantile(Double(percent) / 100) == one.quantile(Double(percent) / 100))
        }
    }

    @Test func whatCameSince() {
        var histogram = LatencyHistogram()
        histogram.record(us: 1_000_000, count: 50)
        histogram.record(us: .max)
        let earlier = histogram
        #expect(histogram.since(earlier).count == 0)
        #expect(histogram.since(earlier).quantile(0.5) == nil)
        histogram.record(us: 10, count: 98)
        histogram.record(us: 60, count: 2)
        let rest = histogram.since(earlier)
        #expect(rest.count == 100)
        #expect(rest.quantile(0.5) == 10)
        #expect(rest.quantile(0.99) == 60)
    }

    @Test func aCopyDoesNotSeeLaterValues() {
        var histogram = LatencyHistogram()
        histogram.record(us: 10)
        let copy = histogram
        histogram.record(us: 1000)
        #expect(copy.count == 1)
        #expect(copy.quantile(1) == 10)
    }

    @Test func distributionCountsUpToEachBound() throws {
        var histogram = LatencyHistogram()
        histogram.record(us: 10, count: 3)
        histogram.record(us: 2_000, count: 2)
        histogram.record(us: 5_000_000)
        histogram.record(us: 7_200_000_000)
        let value = histogram.distribution(bounds: [0.000_01, 0.001, 0.005, 10, 86_400])
        guard case .distribution(let bounds, let cumulative, let count, let sum) = value else {
            Issue.record("not a distribution: \(value)")
            return
        }
        #expect(bounds == [0.000_01, 0.001, 0.005, 10, 86_400])
        #expect(cumulative == [3, 3, 5, 6, 6])
        #expect(count == 7)
        #expect(abs(sum - 7205.004_03) < 1e-6)
    }
}
