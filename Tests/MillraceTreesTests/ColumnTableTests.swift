import CTrees
import Testing

@testable import MillraceTrees

@Suite("Columns in memory")
struct ColumnTableTests {
    /// A small file may name one large set in thousands of splits.
    @Test func aSetOfManySplitsIsKeptOnce() {
        let large = (0..<100_000).map { Int64($0) }
        let columns = (0..<50).map { feature in
            BinColumn(feature: feature, kind: .member(set: 1, .exact), missing: .init())
        }
        let laid = LaidOutColumns(columns, sets: [[3], large], comparing: .float32)
        let wall = unsafe laid.wall
        let places = Set((0..<50).map { unsafe wall.columns[$0].first })
        #expect(places == [0])
        #expect(unsafe wall.columns[49].count == 100_000 / 64 + 1)
    }
}
