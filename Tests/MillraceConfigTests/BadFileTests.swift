import MillraceConfig
import Testing

@Suite struct BadFileTests {
    @Test(arguments: BadPiece.all)
    func everyComplaintIsMade(_ bad: BadPiece) {
        let environment = ["EMPTY": "", "WORD": "word"]
        #expect(complaints(bad.whole, environment: environment) == bad.complaints)
        #expect(read(bad.whole, environment: environment).file == nil)
    }

    @Test func thePieceTestsStartFromAGoodFile() {
        #expect(complaints(PipelineText().text) == [])
    }

    @Test func complaintsNameFileLineAndColumn() throws {
        let text = PipelineText.with { $0.rest = "batch: {max_record: 5}" }
        let complaint = try #require(read(text).complaints.first)
        #expect(
            complaint.description
                == "p.yaml:7:9: error: unknown key 'max_record' in batch; did you mean"
                + " 'max_records'?")
    }

    @Test func aFileThatIsNotThereIsAComplaint() {
        let outcome = PipelineReader.read(path: "/nowhere/p.yaml", environment: [:])
        #expect(outcome.file == nil)
        #expect(short(outcome.complaints) == ["1:1: cannot read it: no such file"])
    }

    @Test func aFolderIsNotAFile() {
        let outcome = PipelineReader.read(path: "/", environment: [:])
        #expect(short(outcome.complaints) == ["1:1: cannot read it: it is a folder"])
    }

    @Test func complaintsAreBounded() {
        let keys = (0..<5000).map { "k\($0): 1" }.joined(separator: "\n")
        let list = complaints(PipelineText.with { $0.rest = keys })
        #expect(list.count == 201)
        #expect(list.last?.hasSuffix("and 4800 more complaints that are not shown") == true)
    }
}
