import MillraceConfig
import MillraceCore
import Synchronization
import Testing

@testable import millrace

private struct FakeModel: Model {
    let signature = Signature(inputs: [], outputs: [])
    let engineVersion = "1"
    let facts = ModelFacts(format: "fake")

    func makeSession(outputs: [String], maxRows: Int) throws(ModelError) -> any Session {
        throw ModelError(.unsupported, "no session")
    }
}

private struct FakeEngine: Engine {
    let name: String
    var knows = true
    var error: ModelError?

    func recognizes(head: [UInt8], path: String) -> Bool { knows }

    func load(path: String) throws(ModelError) -> any Model {
        if let error { throw ModelError(error.kind, "\(path): \(error.message)") }
        return FakeModel()
    }
}

@Suite struct LoadedModelTests {
    /// Any file.
    private static let path = #filePath
    private let trees = FakeEngine(
        name: "trees", error: ModelError(.declined, "node 'MatMul' is none of trees"))
    private let runtime = FakeEngine(name: "onnxruntime")

    private func load(
        _ engines: [FakeEngine], _ choice: EngineChoice = .auto
    ) -> (loaded: LoadedModel?, error: ModelError?, log: [String]) {
        let lines = Mutex<[String]>([])
        let log = Log { event in
            let fields = event.fields.map { "\($0.name)=\($0.value)" }.joined(separator: ", ")
            lines.withLock { $0.append("\(event.level) \(event.message) \(fields)") }
        }
        do throws(ModelError) {
            let loaded = try LoadedModel(
                path: Self.path, engines: engines, choice: choice, log: log)
            return (loaded, nil, lines.withLock { $0 })
        } catch {
            return (nil, error, lines.withLock { $0 })
        }
    }

    @Test func theFirstThatKnowsItRunsIt() {
        let (loaded, _, log) = load([
            FakeEngine(name: "trees", knows: false), FakeEngine(name: "trees"), runtime,
        ])
        #expect(loaded?.engine == "trees")
        #expect(loaded?.declined == [])
        #expect(log == [])
    }

    @Test func whereALibraryIsMissingTheOtherReasonIsToldToo() {
        let without = FakeEngine(name: "onnxruntime", error: ModelError(.libraryMissing, "none"))
        let (_, error, _) = load([trees, without])
        #expect(error?.kind == .libraryMissing)
        #expect(
            error?.message
                == "\(Self.path): none; trees does not run it: node 'MatMul' is none of trees"
        )
    }

    @Test func oneThatDeclinesGivesWay() {
        let (loaded, _, log) = load([trees, runtime])
        #expect(loaded?.engine == "onnxruntime")
        #expect(
            loaded?.declined == [
                LoadedModel.Declined(engine: "trees", reason: "node 'MatMul' is none of trees")
            ])
        #expect(log.count == 1)
        #expect(log.first?.hasPrefix("info ") == true)
        #expect(log.first?.contains("engine=onnxruntime") == true)
        #expect(log.first?.contains("reason=node 'MatMul' is none of trees") == true)
    }

    @Test func aBrokenFileIsNotHandedOn() {
        let broken = FakeEngine(name: "trees", error: ModelError(.invalid, "cut"))
        #expect(load([broken, runtime]).error?.kind == .invalid)
    }

    @Test func aChoiceIsTheOnlyOne() {
        #expect(
            load([FakeEngine(name: "trees"), runtime], .onnxruntime).loaded?.engine
                == "onnxruntime")
        let declined = load([trees, runtime], .trees).error
        #expect(declined?.kind == .declined)
        #expect(
            declined?.message
                == "trees does not run '\(Self.path)': node 'MatMul' is none of trees;"
                + " write auto or onnxruntime")
        let stranger = load([FakeEngine(name: "trees", knows: false), runtime], .trees).error
        #expect(stranger?.kind == .declined)
        #expect(
            stranger?.message == "trees does not know models like '\(Self.path)';"
                + " write auto or onnxruntime")
    }

    @Test func nobodyRunsIt() {
        #expect(load([trees]).error?.kind == .declined)
        #expect(
            load([trees]).error?.message
                == "trees does not run '\(Self.path)': node 'MatMul' is none of trees")
        let unknown = load([
            FakeEngine(name: "trees", knows: false), FakeEngine(name: "trees", knows: false),
        ]).error
        #expect(unknown?.kind == .invalid)
        #expect(unknown?.message.hasSuffix("that an engine here knows (trees)") == true)
    }
}
