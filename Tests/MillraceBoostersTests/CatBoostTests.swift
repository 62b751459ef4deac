import MillraceCore
import MillraceTestKit
import MillraceTrees
import Testing

@testable import MillraceBoosters

@Suite struct CatBoostTests {
    private let engine = CatBoostEngine()

    private func load(_ name: String) throws -> any Model {
        try engine.load(path: "\(fixtureFolder)/\(name).json")
    }

    @Test(arguments: fixtureNames("cat-", ".expected.json"))
    func predictsAsTheLibraryDoes(_ name: String) throws {
        let expected = try Expectation(name)
        let file = try fixture(expected.file)
        #expect(engine.recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        #expect(!XGBoostEngine().recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        let model = try engine.load(path: file.path)
        let labels = model.signature.outputs.first { $0.name == "probabilities" }?.classLabels ?? []
        let got = try score(
            model, expected.rows, texts: expected.texts, labels: labels.map(\.description))
        #expect(got["raw"] != nil && got["prediction"] != nil)
        for (output, wanted) in expected.outputs {
            let rows = try #require(got[output], "\(output)")
            for index in wanted.indices {
                #expect(rows[index].count == wanted[index].count, "\(output)")
                for (a, b) in zip(rows[index], wanted[index]) {
                    // Of classes that training never saw both are minus infinity.
                    let isNear = a == b || abs(a - b) <= 1e-14 * max(1, abs(b))
                    #expect(isNear, "\(output) of row \(index)")
                }
            }
        }
        #expect(!expected.rows.isEmpty)
    }

    @Test func namesAreInputs() throws {
        #expect(
            try load("cat-rmse").signature.inputs.map(\.name) == [
                "amount", "age", "score of x", "größe", "is_new",
            ])
        let inputs = try load("cat-onehot").signature.inputs
        #expect(inputs.map(\.name) == ["amount", "shop", "unused", "age"])
        #expect(inputs.map(\.type) == [.float32, .int64, .float32, .float32])
        let texts = try load("cat-onehot-texts").signature.inputs
        #expect(texts.map(\.type) == [.float32, .string, .float32, .float32])
        #expect(
            try load("cat-logloss").signature.inputs == [
                ModelInput(name: "features", type: .float32, rowShape: [5])
            ])
    }

    @Test func classesKeepTheirNames() throws {
        let texts = try load("cat-multiclass-texts").signature.outputs
        #expect(texts.map(\.name) == ["prediction", "label", "probabilities", "raw"])
        #expect(texts[0].type == .string)
        #expect(texts[2].classLabels == [.text("a"), .text("b"), .text("c")])
        let numbers = try load("cat-multiclass").signature.outputs
        #expect(numbers[1].type == .int64)
        #expect(numbers[2].classLabels == [.integer(5), .integer(6), .integer(7)])
    }

    @Test func factsNameLibraryAndLoss() throws {
        let facts = try load("cat-rmse").facts
        #expect(facts.format == "CatBoost JSON")
        #expect(facts.producer == "CatBoost 1.2.10")
        #expect(facts.notes.contains(ModelFacts.Note(key: "loss_function", value: "RMSE")))
        #expect(facts.notes.contains(ModelFacts.Note(key: "trees", value: "8")))
    }

    @Test(arguments: [
        ("refused-cat-ctr.json", ModelError.Kind.unsupported, "one_hot_max_size"),
        ("refused-cat.cbm", .unsupported, "format=\"json\""),
    ])
    func refusesWhatItCannotRun(_ name: String, kind: ModelError.Kind, advice: String) throws {
        let file = try fixture(name)
        #expect(engine.recognizes(head: Array(file.bytes.prefix(4096)), path: "model"))
        let error = #expect(throws: ModelError.self) { try engine.load(path: file.path) }
        #expect(error?.kind == kind)
        #expect(error?.message.contains(advice) == true, "\(error?.message ?? "")")
    }

    private static let features = """
        {"features_info":{"float_features":[{"feature_id":"","feature_index":0,
        "flat_feature_index":0,"nan_value_treatment":"AsIs"}]},
        """

    @Test(arguments: [
        ("\"scale_and_bias\":[1,[0]]}", "no 'oblivious_trees' and no 'trees'"),
        ("\"oblivious_trees\":[{\"leaf_values\":[1,2,3],\"splits\":[]}]}", "tree 0, 3 leaf values"),
        (
            """
            "oblivious_trees":[{"leaf_values":[1],"splits":[]},{"leaf_values":[1,2],"splits":[
            {"split_type":"FloatFeature","float_feature_index":9,"border":1}]}]}
            """, "tree 1, a split on numeric feature 9"
        ),
        (
            """
            "oblivious_trees":[{"leaf_values":[1,2],"splits":[
            {"split_type":"FloatFeature","float_feature_index":0}]}]}
            """, "tree 0, a split without a border"
        ),
        ("\"trees\":[{\"left\":{\"value\":1}}]}", "tree 0, a node without value"),
        ("\"trees\":[{\"value\":[1,2]}]}", "tree 0, a leaf with 2 values of 1"),
        ("\"trees\":[{\"value\":1e400}]}", "a number out of range"),
        ("\"trees\":[{\"value\":NaN}]}", "tree 0, a leaf that is no number"),
        ("\"scale_and_bias\":[1,[0,0]],\"trees\":[{\"value\":1}]}", "a leaf with 1 values of 2"),
    ])
    func saysWhatIsWrong(_ rest: String, what: String) {
        let file = BoosterFile(path: "m.json", bytes: Array((Self.features + rest).utf8))
        let error = #expect(throws: ModelError.self) { try engine.program(file) }
        #expect(error?.kind == .invalid)
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        ("\"class_names\":[\"a\",\"b\"],\"class_to_label\":[0,5]", "does not fit 2 classes"),
        ("\"class_names\":[\"a\",\"b\"],\"class_to_label\":[1,1]", "does not fit 2 classes"),
        ("\"class_names\":[\"a\",\"b\"],\"class_to_label\":[0]", "has 1 entries for 2"),
        ("\"class_names\":[\"a\",\"b\",\"c\"]", "2 biases for 3 classes"),
        ("\"class_to_label\":[0.5,1]", "a class that is no whole number"),
        (
            "\"class_to_label\":[0,1],\"classes_count\":65537",
            "classes_count is 65537; at most 65536"
        ),
        ("\"class_to_label\":[0,3],\"classes_count\":3", "does not fit 3 classes"),
    ])
    func refusesClassesThatDoNotFit(_ classes: String, what: String) {
        let rest = """
            "model_info":{"params":{"loss_function":{"type":"MultiClass"}},
            "class_params":{\(classes)}},
            "scale_and_bias":[1,[0,0]],"trees":[{"value":[1,2]}]}
            """
        let file = BoosterFile(path: "m.json", bytes: Array((Self.features + rest).utf8))
        let error = #expect(throws: ModelError.self) { try engine.program(file) }
        #expect(error?.kind == .invalid)
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    }

    @Test func boundsTheDepthOfTrees() {
        let bomb = Self.features + "\"trees\":[" + String(repeating: "{\"left\":", count: 200_000)
        let file = BoosterFile(path: "m.json", bytes: Array(bomb.utf8))
        let error = #expect(throws: ModelError.self) { try engine.program(file) }
        #expect(error?.message.contains("nested deeper") == true)
    }

    @Test(arguments: ["cat-onehot", "cat-lossguide-multi", "cat-multiclass-texts"])
    func damagedFilesNeverTrap(_ name: String) throws {
        let whole = try fixture(name + ".json").bytes
        var random = SeededRandom(seed: 9)
        for count in stride(from: 0, to: whole.count, by: whole.count / 150) {
            let file = BoosterFile(path: "m", bytes: Array(whole[..<count]))
            #expect(throws: ModelError.self) { try engine.program(file) }
        }
        for _ in 0..<mutationCount {
            var bytes = whole
            mutate(&bytes, &random)
            do {
                _ = try TreeModelCheck.make(engine.program(BoosterFile(path: "m", bytes: bytes)))
            } catch {
                #expect(error is ModelError)
            }
        }
    }
}
