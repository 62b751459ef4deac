import MillraceCore
import MillraceTestKit
import Testing

@testable import MillraceBoosters

/// Files that are not what they should be.
@Suite struct XGBoostRefusals {
    private let engine = XGBoostEngine()

    /// A model of two trees with a split each, edited; `with` replaces what `edit` names.
    private func file(_ edit: String, _ with: String) throws -> BoosterFile {
        let tree = """
            {"base_weights":[0,0,0],"categories":[],"categories_nodes":[],"categories_segments":[],\
            "categories_sizes":[],"default_left":[1,0,0],"id":0,"left_children":[1,-1,-1],\
            "parents":[2147483647,0,0],"right_children":[2,-1,-1],"split_conditions":[0.5,1,2],\
            "split_indices":[1,0,0],"split_type":[0,0,0],"tree_param":{"num_nodes":"3"}}
            """
        let edited = tree.replacing(edit, with: with)
        let text = """
            {"learner":{"attributes":{},"feature_names":["a","b"],"feature_types":[],\
            "gradient_booster":{"model":{"gbtree_model_param":{"num_trees":"2"},\
            "tree_info":[0,0],"trees":[\(tree),
            \(edited)]},"name":"gbtree"},"learner_model_param":{"base_score":"5E-1",\
            "num_class":"0","num_feature":"2"},"objective":{"name":"binary:logistic"}},\
            "version":[1,7,6]}
            """
        let whole = edited == tree ? text.replacing(edit, with: with) : text
        #expect(edit.isEmpty || whole.contains(with), "the edit does something")
        return BoosterFile(path: "m.json", bytes: Array(whole.utf8))
    }

    @Test func unchangedItIsSound() throws {
        _ = try engine.program(file("", ""))
    }

    @Test(arguments: [
        // Trees.
        ("\"left_children\":[1,", "\"left_children\":[0,", "tree 1, node 0: child 0 is not"),
        ("\"left_children\":[1,", "\"left_children\":[3,", "tree 1, node 0: child 3 is not"),
        ("\"left_children\":[1,", "\"left_children\":[-7,", "tree 1, node 0: child -7 is not"),
        ("\"left_children\":[1,", "\"left_children\":[2,", "tree 1, node 2: reached in two"),
        ("\"left_children\":[1,-1", "\"left_children\":[1,2", "tree 1, node 1: child -1 is not"),
        ("\"left_children\":[1,", "\"left_children\":[-1,", "tree 1, node 0: has a right child"),
        ("\"left_children\":[1,", "\"left_children\":[99999999999,", "a number that is out of"),
        ("\"left_children\":[1,", "\"left_children\":[1.5,", "a number that is out of range"),
        (
            "\"right_children\":[2,-1,-1]", "\"right_children\":[2,-1]",
            "2 numbers in right_children"
        ),
        ("\"default_left\":[1,0,0]", "\"default_left\":[]", "tree 1, 0 numbers in default_left"),
        (
            "\"split_indices\":[1,0,0]", "\"split_indices\":[1]",
            "tree 1, 1 numbers in split_indices"
        ),
        ("\"split_indices\":[1,", "\"split_indices\":[2,", "tree 1, node 0: feature 2 of a model"),
        ("\"split_indices\":[1,", "\"split_indices\":[-1,", "tree 1, node 0: feature -1 of a"),
        ("[0.5,1,2]", "[0.5,1]", "tree 1, 2 numbers in split_conditions for 3 nodes"),
        ("[0.5,1,2]", "[0.5,1,1e39]", "a number that is out of range"),
        ("[0.5,1,2]", "[0.5,1,NaN]", "tree 1, node 2: a leaf that is no number"),
        ("[0.5,1,2]", "[NaN,1,2]", "tree 1, node 0: the threshold is not a number"),
        ("\"split_type\":[0,0,0]", "\"split_type\":[0]", "tree 1, 1 numbers in split_type"),
        ("\"split_type\":[0,", "\"split_type\":[1,", "tree 1, node 0: a categorical split without"),
        ("\"num_nodes\":\"3\"", "\"num_nodes\":\"4\"", "tree 1, 3 nodes where num_nodes says 4"),
        ("\"num_nodes\":\"3\"", "\"num_nodes\":\"x\"", "a text where a whole number"),
        ("\"num_nodes\":\"3\"", "\"size_leaf_vector\":\"2\"", "tree 1, leaves have 2 values for 1"),
        ("\"categories_nodes\":[]", "\"categories_nodes\":[0]", "tree 1, categories_nodes, _seg"),
        (
            "\"categories_nodes\":[],\"categories_segments\":[],\"categories_sizes\":[]",
            "\"categories_nodes\":[0],\"categories_segments\":[0],\"categories_sizes\":[1]",
            "tree 1, node 0: its categories lie outside of the list"
        ),
        (
            "\"categories_nodes\":[],\"categories_segments\":[],\"categories_sizes\":[]",
            "\"categories_nodes\":[9],\"categories_segments\":[0],\"categories_sizes\":[0]",
            "tree 1, node 9: has categories, but is not in the tree"
        ),
        // Around them.
        ("\"tree_info\":[0,0]", "\"tree_info\":[0]", "more trees than tree_info has (1)"),
        ("\"tree_info\":[0,0]", "\"tree_info\":[0,0,0]", "2 trees where tree_info has 3"),
        ("\"tree_info\":[0,0]", "\"tree_info\":[0,1]", "tree 1: target 1 of 1"),
        ("\"num_class\":\"0\"", "\"num_class\":\"2000000000\"", "2000000000 classes or targets"),
        ("\"num_feature\":\"2\"", "\"num_feature\":\"3\"", "2 feature names for 3 features"),
        ("\"num_feature\":\"2\"", "\"num_feature\":\"4000000000\"", "4000000000 features"),
        ("\"num_feature\":\"2\"", "\"num_feature\":\"0\"", "0 features"),
        ("[\"a\",\"b\"]", "[\"a\",\"a\"]", "two features have the same name"),
        ("\"5E-1\"", "\"x\"", "base_score 'x' is not a number"),
        ("\"5E-1\"", "\"[1,2]\"", "2 numbers in base_score for 1 targets"),
        ("\"5E-1\"", "\"1E0\"", "base_score 1.0 is none that binary:logistic can start from"),
        ("\"5E-1\"", "5", "expected a text"),
        ("\"name\":\"gbtree\"", "\"name\":\"dart\",\"weight_drop\":[1]", "1 weights for 2 trees"),
        ("\"version\":[1,7,6]}", "\"version\":[1,7,6]", "cut short"),
        ("\"version\":[1,7,6]}", "\"version\":[1,7,6]}}", "more follows the end of the model"),
        ("\"version\":[1,7,6]}", "\"version\":[1,7,6]]", "line 2, byte"),
        ("\"learner\":{", "\"version\":[],\"lerner\":{", "no 'learner' in the file"),
        ("\"trees\":", "\"bushes\":", "no 'trees' in the file"),
    ])
    func saysWhatIsWrong(_ edit: String, with: String, what: String) throws {
        let file = try file(edit, with)
        let error = #expect(throws: ModelError.self) { try engine.program(file) }
        #expect(error?.kind == .invalid)
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
        #expect(error?.message.hasPrefix("m.json: ") == true)
    }

    @Test(arguments: [
        ("\"name\":\"gbtree\"", "\"name\":\"forest\"", "booster 'forest'"),
        ("binary:logistic", "my:own", "objective 'my:own' is not known"),
    ])
    func saysWhatIsNotSupported(_ edit: String, with: String, what: String) throws {
        let error = #expect(throws: ModelError.self) { try engine.program(file(edit, with)) }
        #expect(error?.kind == .unsupported)
        #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    }

    @Test func cyclesEnd() throws {
        let edited = try file(
            "\"left_children\":[1,-1,-1],\"parents\":[2147483647,0,0],\"right_children\":[2,-1,-1]",
            "\"left_children\":[1,2,1],\"right_children\":[2,1,2]")
        let error = #expect(throws: ModelError.self) { try engine.program(edited) }
        #expect(error?.message.contains("tree 1, node ") == true)
    }

    /// Every file cut anywhere is refused; no edit of bytes traps.
    @Test(arguments: [
        "xgb-categorical.json", "xgb-categorical-pruned.ubj", "xgb-multioutput.ubj",
        "xgb-dart.json",
        "xgbv13-binary.json", "xgbv21-multioutput.ubj",
    ])
    func damagedFilesNeverTrap(_ name: String) throws {
        let whole = try fixture(name).bytes
        var random = SeededRandom(seed: 8)
        for count in stride(from: 0, to: whole.count, by: max(1, whole.count / 150)) {
            let file = BoosterFile(path: "m", bytes: Array(whole[..<count]))
            #expect(throws: ModelError.self) { try engine.program(file) }
        }
        for _ in 0..<mutationCount {
            var bytes = whole
            mutate(&bytes, &random)
            let file = BoosterFile(path: "m", bytes: bytes)
            do {
                _ = try TreeModelCheck.make(engine.program(file))
            } catch {
                #expect(error is ModelError)
            }
        }
    }
}
