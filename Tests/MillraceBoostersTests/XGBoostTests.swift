import MillraceCore
import MillraceTrees
import Testing

@testable import MillraceBoosters

@Suite struct XGBoostTests {
    @Test(arguments: fixtureNames("xgb", ".expected.json"))
    func predictsAsTheLibraryDoes(_ name: String) throws {
        let expected = try Expectation(name)
        let file = try fixture(expected.file)
        #expect(XGBoostEngine().recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        let program = try XGBoostEngine().program(file)
        var walk = ProgramWalk(program)
        for (index, row) in expected.rows.enumerated() {
            let got = try walk.run(row)
            // The margin has the library's own bits, what follows it differs by its exp().
            let raw = got["raw"]?.map { Float($0) }
            #expect(raw == expected.outputs["raw"]?[index].map { Float($0) }, "raw of row \(index)")
            let prediction = got["prediction"] ?? []
            let wanted = expected.outputs["prediction"]?[index] ?? [.nan]
            #expect(prediction.count == wanted.count)
            for (a, b) in zip(prediction, wanted) {
                #expect(abs(a - b) <= max(1e-7, abs(b) * 3e-7), "prediction of row \(index)")
            }
        }
        #expect(!expected.rows.isEmpty)
    }
}
