import MillraceCore
import MillraceTrees
import Testing

@testable import MillraceBoosters

@Suite struct XGBoostTests {
    private let engine = XGBoostEngine()

    private func load(_ name: String) throws -> any Model {
        try engine.load(path: "\(fixtureFolder)/\(name)")
    }

    @Test(arguments: fixtureNames("xgb", ".expected.json"))
    func predictsAsTheLibraryDoes(_ name: String) throws {
        let expected = try Expectation(name)
        let file = try fixture(expected.file)
        #expect(engine.recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        #expect(!CatBoostEngine().recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        let got = try score(
            try engine.load(path: file.path), expected.rows, texts: expected.texts)
        let raw = try #require(got["raw"])
        let prediction = try #require(got["prediction"])
        let wantedRaw = try #require(expected.outputs["raw"])
        let wanted = try #require(expected.outputs["prediction"])
        for index in expected.rows.indices {
            // The margin has the library's own bits, what follows it differs by its exp().
            let margin = raw[index].map { Float($0) }
            #expect(margin == wantedRaw[index].map { Float($0) }, "raw of row \(index)")
            #expect(prediction[index].count == wanted[index].count)
            for (a, b) in zip(prediction[index], wanted[index]) {
                #expect(abs(a - b) <= max(1e-7, abs(b) * 3e-7), "prediction of row \(index)")
            }
        }
        #expect(!expected.rows.isEmpty)
    }

    @Test func outputsOfEachKind() throws {
        func outputs(_ name: String) throws -> [String] {
            try load(name).signature.outputs.map { "\($0.name) \($0.type) \($0.rowShape)" }
        }
        #expect(
            try outputs("xgb-binary.json") == [
                "prediction float32 []", "label int64 []",
                "probabilities float32 [Optional(2)]", "raw float32 []",
            ])
        #expect(
            try outputs("xgb-softmax.json") == [
                "prediction float32 []", "label int64 []",
                "probabilities float32 [Optional(3)]", "raw float32 [Optional(3)]",
            ])
        #expect(
            try outputs("xgb-softprob.json")[0] == "prediction float32 [Optional(3)]")
        #expect(try outputs("xgb-squared.json") == ["prediction float32 []", "raw float32 []"])
        #expect(
            try outputs("xgb-hinge.json") == [
                "prediction float32 []", "label int64 []", "raw float32 []",
            ])
        let classes = try load("xgb-binary.json").signature.outputs[2].classLabels
        #expect(classes == [.integer(0), .integer(1)])
    }

    @Test func labelsFollowPredictions() throws {
        for name in ["xgb-binary", "xgb-logitraw", "xgb-softprob", "xgb-softmax"] {
            let expected = try Expectation(name + ".expected.json")
            let got = try score(try load(name + ".json"), expected.rows)
            let labels = try #require(got["label"])
            let probabilities = try #require(got["probabilities"])
            for (label, row) in zip(labels, probabilities) {
                #expect(row[Int(label[0])] == row.max())
                #expect(abs(row.reduce(0, +) - 1) < 1e-6)
            }
        }
    }

    @Test func namesAreInputs() throws {
        #expect(
            try load("xgb-squared.json").signature.inputs.map(\.name) == [
                "amount", "age", "score of x", "größe", "is_new",
            ])
        let inputs = try load("xgb-pandas.json").signature.inputs
        #expect(inputs.map(\.name) == ["amount", "city", "code"])
        #expect(inputs.map(\.type) == [.float32, .string, .float64])
        // Without names, or with those that older versions made up, all come as one.
        for name in ["xgb-binary.json", "xgb-updated.json", "xgbv13-binary.json"] {
            #expect(
                try load(name).signature.inputs == [
                    ModelInput(name: "features", type: .float32, rowShape: [5])
                ])
        }
    }

    @Test func factsNameLibraryAndObjective() throws {
        let facts = try load("xgb-stopped.json").facts
        #expect(facts.format == "XGBoost JSON")
        #expect(facts.producer == "XGBoost 3.2.0")
        let notes = facts.notes.map { "\($0.key)=\($0.value)" }
        #expect(notes.contains("objective=binary:logistic"))
        #expect(
            notes.contains { $0.hasPrefix("best_iteration=") && $0.contains("all trees count") })
        #expect(try load("xgb-binary-ubj.ubj").facts.format == "XGBoost UBJSON")
    }

    /// scikit-learn's wrappers stop at the best iteration, and note themselves in their files.
    @Test func countsTreesAsTheToolThatSavedTheFile() throws {
        let notes = try load("xgb-wrapper-stopped.json").facts.notes
        let best = try #require(notes.first { $0.key == "best_iteration" })
        #expect(best.value.hasSuffix("(the trees behind it do not count)"))
        let booster = try load("xgb-stopped.json").facts.notes
        let all = try #require(booster.first { $0.key == "best_iteration" })
        #expect(all.value.hasSuffix("(all trees count)"))
    }

    @Test(arguments: [
        ("xgbv13-old.model", "save_model(\"model.json\")"),
        ("xgbv17-old.model", "save_model(\"model.json\")"),
        ("xgb-gblinear.json", "a linear model"),
    ])
    func refusesWhatItCannotRun(_ name: String, advice: String) throws {
        let file = try fixture(name)
        #expect(engine.recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        let error = #expect(throws: ModelError.self) { try engine.load(path: file.path) }
        #expect(error?.kind == .unsupported)
        #expect(error?.message.contains(advice) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        ("[\n  { \"nodeid\": 0, \"depth\": 0 }]", "a dump of XGBoost's trees"),
        ("{\"Config\":{},\"Model\":{}}", "a memory snapshot"),
        ("bs64\tYmluZg==", "old binary format"),
    ])
    func refusesOtherFiles(_ text: String, what: String) {
        let bytes = Array(text.utf8)
        #expect(engine.recognizes(head: bytes, path: "model"))
        let error = #expect(throws: ModelError.self) {
            try engine.program(BoosterFile(path: "m", bytes: bytes))
        }
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: ["", "{", "{}", "{\"a\":1}", "tree\nversion=v4", "[]", "binf", "{i"])
    func doesNotRecognizeOthers(_ text: String) {
        #expect(!engine.recognizes(head: Array(text.utf8), path: "model.json"))
    }
}
