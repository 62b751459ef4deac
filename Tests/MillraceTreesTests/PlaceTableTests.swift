import MillraceCore
import Testing

@testable import MillraceTrees

@Suite struct PlaceTableTests {
    private func place(_ text: String, in table: TextTable) -> Double {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe table.place(of: TextSlice(start: buffer.baseAddress, count: buffer.count))
        }
    }

    @Test func findsEachTextInItsPlace() {
        let texts = (0..<1000).map { "text \($0 * 7)" } + ["", "ß", "text"]
        let table = TextTable(texts)
        for (index, text) in texts.enumerated() {
            #expect(place(text, in: table) == Double(index))
        }
        for other in ["texT", "text 1", "text 7 ", "ß "] {
            #expect(place(other, in: table).isNaN)
        }
        #expect(place("a", in: TextTable([])).isNaN)
        #expect(place("b", in: TextTable(["a", "b", "b"])) == 1)
        #expect(place("", in: TextTable(["a", nil, "b"])).isNaN)
        #expect(place("b", in: TextTable(["a", nil, "b"])) == 2)
        #expect(place("", in: TextTable([nil, "", "b"])) == 1)
    }

    @Test func findsEachNumberInItsPlace() {
        let table = NumberTable([3, -2, 0.5, 8, .nan, .infinity, 3])
        #expect(table.place(of: 3) == 0)
        #expect(table.place(of: -2) == 1)
        #expect(table.place(of: 0.5) == 2)
        #expect(table.place(of: 8) == 3)
        #expect(table.place(of: .infinity) == 5)
        for other in [0, 2.999, -3, .nan, 9, -.infinity] as [Double] {
            #expect(table.place(of: other).isNaN)
        }
        #expect(NumberTable([]).place(of: 1).isNaN)
    }
}
