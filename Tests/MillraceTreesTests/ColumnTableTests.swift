import CTrees
import Testing

@testable import MillraceTrees

@Suite("Columns in memory")
struct ColumnTableTests {
    /// A small file may name one large set in thousands of splits.
    @Test func aSetOfManySplitsIsKeptOnce() {
        let large = CategorySet((0..<100_000).map { Int64($0) })
        let columns = (0..<50).map { feature in
            BinColumn(feature: feature, kind: .member(set: 1, .exact), missing: .init())
        }
        let sets = LaidOutSets([CategorySet([3]), large])
        let laid = LaidOutColumns(columns, sets: sets, comparing: .float32)
        let wall = unsafe laid.wall
        let places = Set((0..<50).map { unsafe wall.columns[$0].first })
        #expect(places == [1])
        #expect(unsafe wall.columns[49].count == 100_000 / 64 + 1)
    }

    /// A large ensemble asks for the same few thresholds a million times.
    @Test func thresholdsThatComeAgainTakeNoRoom() {
        var column = BinColumn(feature: 0, kind: .rank, missing: .init())
        var most = 0
        for number in 0..<100_000 {
            column.note(Double(number * 7919 % 1000) - 500)
            most = max(most, column.thresholds.count)
        }
        column.note(-0.0)
        #expect(most < 10_000)
        column.sortThresholds()
        #expect(column.thresholds == (0..<1000).map { Double($0) - 500 })
    }

    @Test func manyThresholdsThatDifferAreAllKept() {
        var column = BinColumn(feature: 0, kind: .rank, missing: .init())
        for number in 0..<20_000 { column.note(Double(number * 7919 % 20_011)) }
        column.sortThresholds()
        #expect(column.thresholds.count == 20_000)
        #expect(zip(column.thresholds, column.thresholds.dropFirst()).allSatisfy { $0 < $1 })
    }
}
