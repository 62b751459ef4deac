import MillraceConfig
import Testing

@Suite struct GoodFileTests {
    @Test func theExampleIsAccepted() throws {
        let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let outcome = PipelineReader.read(
            path: "/\(folder)/pipelines/fraud.yaml", environment: [:])
        #expect(outcome.complaints.map(\.description) == [])
        let file = try #require(outcome.file)
        #expect(file.name == "fraud")
        #expect(file.model.file == "/\(folder)/pipelines/models/fraud.onnx")
        #expect(file.model.name == "fraud")
        #expect(file.onError == .deadLetter)
    }
}
