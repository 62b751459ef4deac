import MillraceCore
import MillraceTrees
import Testing

@testable import MillraceBoosters

@Suite struct CatBoostTests {
    @Test(arguments: fixtureNames("cat-", ".expected.json"))
    func predictsAsTheLibraryDoes(_ name: String) throws {
        let expected = try Expectation(name)
        let file = try fixture(expected.file)
        #expect(CatBoostEngine().recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        #expect(!XGBoostEngine().recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        let program = try CatBoostEngine().program(file)
        var walk = ProgramWalk(program)
        for (index, row) in expected.rows.enumerated() {
            let got = try walk.run(row)
            for (output, rows) in expected.outputs {
                let values = got[output] ?? []
                #expect(values.count == rows[index].count, "\(output)")
                for (a, b) in zip(values, rows[index]) {
                    #expect(abs(a - b) <= 1e-14 * max(1, abs(b)), "\(output) of row \(index)")
                }
            }
        }
        #expect(!expected.rows.isEmpty)
    }
}
