import MillraceConfig
import MillraceCore
import Testing

@Suite struct MappingResolverTests {
    /// Two float tensors, an integer, a text, a free width; plain, labelled and unlabelled outputs.
    private static let signature = Signature(
        inputs: [
            ModelInput(name: "features", type: .float32, rowShape: [3]),
            ModelInput(name: "hour", type: .int32, rowShape: [1]),
            ModelInput(name: "city", type: .string, rowShape: []),
        ],
        outputs: [
            ModelOutput(name: "label", type: .int64, rowShape: []),
            ModelOutput(name: "margin", type: .float32, rowShape: [1]),
            ModelOutput(
                name: "probabilities", type: .float32, rowShape: [3],
                classLabels: [.integer(1), .integer(2), .integer(4)]),
            ModelOutput(
                name: "kinds", type: .float32, rowShape: [2],
                classLabels: [.text("good one"), .text("1")]),
            ModelOutput(name: "embedding", type: .float32, rowShape: [4]),
            ModelOutput(name: "free", type: .float32, rowShape: [nil]),
        ])

    private static let good = "features: [/a, /b, /c], hour: /h, city: /city"

    private func resolve(
        inputs: String? = good, missing: String = "error", append: String = "{s: label}",
        rest: String = "", _ signature: Signature = signature
    ) throws -> MappingResolver.Outcome {
        let text = PipelineText.with {
            let inputs = inputs.map { ", inputs: {\($0)}" } ?? ""
            $0.model = "model: {file: m, missing: \(missing)\(inputs)}"
            $0.append = "append: \(append)"
            $0.rest = rest
        }
        let outcome = read(text)
        #expect(short(outcome.complaints) == [])
        return MappingResolver.resolve(try #require(outcome.file), signature)
    }

    @Test func featuresBecomeSlots() throws {
        let outcome = try resolve(
            inputs: """
                features: [/a, {field: /b/c, missing: nan, parse: true}, $timestamp], \
                hour: $header.h, city: {field: $key, missing: "-"}
                """,
            missing: "0")
        #expect(short(outcome.complaints) == [])
        let plan = try #require(outcome.plans?.features)
        #expect(
            plan.columns == [
                .init(name: "features", type: .float32, rowShape: [3]),
                .init(name: "hour", type: .int32, rowShape: [1]),
                .init(name: "city", type: .string, rowShape: []),
            ])
        func slot(
            _ source: FeatureSource, _ column: Int, _ element: Int, _ type: ElementType,
            _ missing: MissingPolicy, parses: Bool = false
        ) -> FeatureSlot {
            FeatureSlot(
                source: source, column: column, element: element, count: 1, isArray: false,
                type: type, missing: missing, parsesText: parses)
        }
        #expect(
            plan.slots == [
                slot(.field(FieldPointer(tokens: ["a"])), 0, 0, .float32, .number(0)),
                slot(.field(FieldPointer(tokens: ["b", "c"])), 0, 1, .float32, .nan, parses: true),
                slot(.timestamp, 0, 2, .float32, .number(0)),
                slot(.header("h"), 1, 0, .int32, .number(0), parses: true),
                slot(.key, 2, 0, .string, .text("-")),
            ])
    }

    @Test func withoutInputsEachIsTheFieldOfItsName() throws {
        let outcome = try resolve(inputs: nil)
        #expect(short(outcome.complaints) == [])
        let slots = try #require(outcome.plans?.features.slots)
        #expect(slots.map(\.source.description) == ["/features", "/hour", "/city"])
        #expect(slots.map(\.isArray) == [true, false, false])
        #expect(slots.map(\.count) == [3, 1, 1])
    }

    @Test func aFreeDimensionIsWorkedOut() throws {
        let signature = Signature(
            inputs: [
                ModelInput(name: "x", type: .float32, rowShape: [nil]),
                ModelInput(name: "y", type: .float32, rowShape: [nil, 2]),
            ],
            outputs: Self.signature.outputs)
        let outcome = try resolve(inputs: "x: [/a, /b, /c], y: [/a, /b, /c, /d, /e, /f]", signature)
        #expect(outcome.plans?.features.columns.map(\.rowShape) == [[3], [3, 2]])
        #expect(outcome.plans?.features.slots.map(\.element) == [0, 1, 2, 0, 1, 2, 3, 4, 5])
    }

    @Test(
        arguments: [
            (
                "features: [/a, /b], hour: /h, city: /c",
                ["4:43: model input 'features' takes 3 features, but 2 are mapped"]
            ),
            (
                "features: [/a], hour: /h, city: /c",
                [
                    "4:43: model input 'features' takes 3 features, but 1 is mapped; for an array"
                        + " field write the pointer without [ ]"
                ]
            ),
            (
                "features: /a, hour: [/h, /i], city: /c",
                ["4:57: model input 'hour' takes 1 feature, but 2 are mapped"]
            ),
            (
                "featurs: /a, hour: /h, city: /c",
                [
                    "4:34: model input 'features' is not mapped; add it to model.inputs",
                    "4:43: the model has no input 'featurs'; did you mean 'features'?",
                ]
            ),
            (
                "features: /a, hour: /h, city: /c, amount: /a",
                ["4:77: the model has no input 'amount'; it has features, hour, city"]
            ),
            (
                "features: $key, hour: /h, city: /c",
                ["4:43: model input 'features' takes 3 features, but $key is one value"]
            ),
            (
                "features: $header.v, hour: /h, city: /c",
                ["4:43: model input 'features' takes 3 features, but $header.v is one value"]
            ),
            (
                "features: /a, hour: {field: /h, missing: nan}, city: /c",
                [
                    "4:84: missing: nan needs a floating-point input, but model input 'hour'"
                        + " (int32) is none"
                ]
            ),
            (
                "features: /a, hour: {field: /h, missing: 1.5}, city: /c",
                ["4:84: missing: 1.5 does not fit into model input 'hour' (int32)"]
            ),
            (
                "features: /a, hour: {field: /h, missing: 3000000000}, city: /c",
                ["4:84: missing: 3000000000.0 does not fit into model input 'hour' (int32)"]
            ),
            (
                "features: {field: /a, missing: 1e300}, hour: /h, city: /c",
                ["4:74: missing: 1e+300 does not fit into model input 'features' (float32)"]
            ),
            (
                "features: /a, hour: {field: /h, missing: '0'}, city: /c",
                [
                    "4:84: missing: quoted text needs a string input, but model input 'hour'"
                        + " (int32) is none"
                ]
            ),
            (
                "features: /a, hour: /h, city: {field: /c, missing: 0}",
                [
                    "4:94: missing: a number needs a numeric input, but model input 'city' (string)"
                        + " takes text; put it in quotes"
                ]
            ),
            (
                "features: /a, hour: /h, city: {field: /c, parse: true}",
                ["4:81: model input 'city' takes text; parse: true is for numeric inputs"]
            ),
            (
                "features: /a, hour: /h, city: $timestamp",
                ["4:73: model input 'city' takes text, but $timestamp is a number"]
            ),
        ] as [(String, [String])])
    func wrongInputsAreComplaints(_ inputs: String, _ expected: [String]) throws {
        let outcome = try resolve(inputs: inputs)
        #expect(short(outcome.complaints) == expected)
        #expect(outcome.plans == nil)
    }

    @Test func theDefaultPolicyIsCheckedOnceAnInput() throws {
        let outcome = try resolve(missing: "nan")
        #expect(
            short(outcome.complaints) == [
                "4:27: missing: nan needs a floating-point input, but model input 'hour' (int32) is"
                    + " none",
                "4:27: missing: nan needs a floating-point input, but model input 'city' (string)"
                    + " is none",
            ])
    }

    @Test(
        arguments: [
            (
                [nil], "/a",
                "4:43: model input 'x' takes any number of features; list its fields, as [/a, /b],"
                    + " so that their number is known"
            ),
            (
                [nil, 2], "[/a, /b, /c]",
                "4:43: model input 'x' takes a multiple of 2 features, but 3 are mapped"
            ),
            (
                [nil, nil], "[/a, /b]",
                "4:43: model input 'x' has the shape [N, ?, ?]; only one dimension may be free"
            ),
            (
                [0], "/a",
                "4:43: model input 'x' has the shape [N, 0]; a row must have 1 to 1048576 features"
            ),
            (
                [1 << 40, 1 << 40], "/a",
                "4:43: model input 'x' has the shape [N, 1099511627776, 1099511627776]; a row must"
                    + " have 1 to 1048576 features"
            ),
            (
                [1 << 21], "/a",
                "4:43: model input 'x' has the shape [N, 2097152]; a row must have 1 to 1048576"
                    + " features"
            ),
            (
                [-3], "/a",
                "4:43: model input 'x' has the shape [N, -3]; a row must have 1 to 1048576 features"
            ),
        ] as [([Int?], String, String)])
    func strangeShapesAreComplaints(
        _ shape: [Int?], _ mapping: String, _ expected: String
    ) throws {
        let signature = Signature(
            inputs: [ModelInput(name: "x", type: .float32, rowShape: shape)],
            outputs: Self.signature.outputs)
        let outcome = try resolve(inputs: "x: \(mapping)", signature)
        #expect(short(outcome.complaints) == [expected])
    }

    @Test(
        arguments: [
            ("label", .element(0)), ("margin", .element(0)), ("margin[0]", .element(0)),
            ("probabilities", .vector), ("probabilities[4]", .element(2)),
            ("probabilities[1]", .element(0)), ("probabilities[\"2\"]", .element(1)),
            ("kinds[good one]", .element(0)), ("kinds[\"good one\"]", .element(0)),
            ("kinds[1]", .element(1)), ("kinds[0]", .element(0)), ("embedding", .vector),
            ("embedding[3]", .element(3)), ("free", .vector), ("free[7]", .element(7)),
            ("free[yes]", .label(.text("yes"))),
        ] as [(String, AppendField.Selection)])
    func outputsAreSelected(_ reference: String, _ expected: AppendField.Selection) throws {
        let outcome = try resolve(append: "{s: '\(reference)'}")
        #expect(short(outcome.complaints) == [])
        let plan = try #require(outcome.plans?.append)
        #expect(plan.fields == [AppendField(name: "s", column: 0, selection: expected)])
        #expect(plan.outputs.count == 1)
    }

    @Test(
        arguments: [
            ("lable", "the model has no output 'lable'; did you mean 'label'?"),
            (
                "score",
                "the model has no output 'score'; it has label, margin, probabilities, kinds,"
                    + " embedding, free"
            ),
            ("label[1]", "index 1 is out of range: output 'label' has 1 element, [0]"),
            (
                "embedding[4]",
                "index 4 is out of range: output 'embedding' has 4 elements, [0] to [3]"
            ),
            (
                "embedding[-1]",
                "index -1 is out of range: output 'embedding' has 4 elements, [0] to [3]"
            ),
            ("free[-1]", "index -1 is out of range: output 'free' is counted from [0]"),
            (
                "free[9000000000]",
                "index 9000000000 is out of range: output 'free' is counted from [0]"
            ),
            (
                "probabilities[0]",
                "output 'probabilities' has no class label '0'; it has 1, 2, 4"
            ),
            (
                "probabilities[yes]",
                "output 'probabilities' has no class label 'yes'; it has 1, 2, 4"
            ),
            ("kinds[2]", "index 2 is out of range: output 'kinds' has 2 elements, [0] to [1]"),
            ("kinds[bad]", "output 'kinds' has no class label 'bad'; it has good one, 1"),
            ("embedding[yes]", "output 'embedding' has no class labels; use an index, [0] to [3]"),
            ("label[yes]", "output 'label' has no class labels; leave the [ ] out"),
        ])
    func wrongOutputsAreComplaints(_ reference: String, _ expected: String) throws {
        let outcome = try resolve(append: "{s: '\(reference)'}")
        #expect(short(outcome.complaints) == ["5:13: \(expected)"])
        #expect(outcome.plans == nil)
    }

    @Test func eachOutputIsAskedForOnce() throws {
        let outcome = try resolve(append: "{p: 'kinds[0]', q: label, r: 'kinds[1]', s: kinds}")
        let plan = try #require(outcome.plans?.append)
        #expect(plan.outputs == ["kinds", "label"])
        #expect(plan.fields.map(\.column) == [0, 1, 0, 0])
    }

    @Test func allAppendsEveryOutputUnderItsName() throws {
        let outcome = try resolve(append: "all", rest: "on_conflict: nest\nappend_under: ml")
        let plan = try #require(outcome.plans?.append)
        #expect(plan.outputs == Self.signature.outputs.map(\.name))
        #expect(plan.fields.map(\.name) == plan.outputs)
        #expect(
            plan.fields.map(\.selection) == [
                .element(0), .element(0), .vector, .vector, .vector, .vector,
            ])
        #expect(plan.onConflict == .nest)
        #expect(plan.under == "ml")
    }

    @Test func twoOutputsOfOneNameCannotBothBeAppended() throws {
        let twice = Signature(
            inputs: Self.signature.inputs,
            outputs: [Self.signature.outputs[0], Self.signature.outputs[0]])
        let outcome = try resolve(append: "all", twice)
        #expect(
            short(outcome.complaints) == [
                "5:1: the model has two outputs 'label'; name the prediction fields one by one"
            ])
    }

    @Test func aPredictionMustNotBearTheNameOfAFeature() throws {
        let message =
            "every record has the field 'h' already, it is a model input; append under another name"
        #expect(short(try resolve(append: "{h: label}").complaints) == ["5:10: \(message)"])
        #expect(
            short(
                try resolve(
                    append: "{x: label}", rest: "on_conflict: nest\nappend_under: h"
                ).complaints) == ["5:1: \(message)"])
        #expect(try resolve(append: "{h: label}", rest: "on_conflict: keep").plans != nil)
    }

    @Test func aModelWithoutInputsIsRefused() throws {
        let outcome = try resolve(inputs: nil, append: "all", Signature(inputs: [], outputs: []))
        #expect(
            short(outcome.complaints) == [
                "4:15: the model has no inputs", "5:1: the model has no outputs",
            ])
    }
}
