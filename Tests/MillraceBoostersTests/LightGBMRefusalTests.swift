import MillraceCore
import MillraceTestKit
import MillraceTrees
import Testing

@testable import MillraceBoosters

@Suite struct LightGBMRefusalTests {
    /// Two features, one tree of three leaves: line 10 is `Tree=0`.
    static let sound = """
        tree
        version=v4
        num_class=1
        num_tree_per_iteration=1
        max_feature_idx=1
        objective=regression
        feature_names=a b
        feature_infos=[0:1] 0:1:2

        Tree=0
        num_leaves=3
        num_cat=1
        split_feature=0 1
        threshold=0.5 0
        decision_type=2 1
        left_child=1 -1
        right_child=-3 -2
        leaf_value=1 2 3
        cat_boundaries=0 1
        cat_threshold=5
        shrinkage=1


        end of trees

        """

    /// The message for the sound file with a line in place of the one that begins so.
    private func message(_ start: String, _ line: String?) throws -> String {
        var lines = Self.sound.split(separator: "\n", omittingEmptySubsequences: false)
        let index = try #require(lines.firstIndex { $0.hasPrefix(start) })
        lines.remove(at: index)
        if let line { lines.insert(Substring(line), at: index) }
        return message(of: lines.joined(separator: "\n"))
    }

    private func message(of text: String) -> String {
        guard let error = LightGBMRun.failure(text) else { return "loads" }
        return "\(error.kind): \(error.message)"
    }

    @Test func theSoundFileLoads() { #expect(message(of: Self.sound) == "loads") }

    @Test(
        arguments: [
            ("tree", "trees", "line 1: not a LightGBM model (it does not begin with 'tree')"),
            ("version", "version=v5", "line 2: format version 'v5'; v2, v3 and v4 are known"),
            ("num_class", nil, "line 8: the header has no num_class"),
            ("num_class", "num_class=0", "line 3: num_class=0; 1 to 65536 are possible"),
            (
                "num_class", "num_class=x",
                "line 3: num_class: number 1 is not a whole number in range"
            ),
            (
                "num_tree_per_iteration", "num_tree_per_iteration=9999999999",
                "line 4: num_tree_per_iteration=9999999999; 1 to 65536 are possible"
            ),
            ("max_feature_idx", nil, "line 8: the header has no max_feature_idx"),
            (
                "max_feature_idx", "max_feature_idx=2",
                "line 5: max_feature_idx=2, but feature_names has 2 names"
            ),
            ("feature_names", nil, "line 8: the header has no feature_names"),
            ("feature_names", "feature_names=a a", "line 7: two features are named 'a'"),
            ("feature_infos", "feature_infos=[0:1]", "line 8: 1 feature_infos for 2 features"),
            (
                "objective", "objective=multiclass num_class:3",
                "line 6: objective 'multiclass num_class:3', but num_tree_per_iteration is 1"
            ),
            ("objective", "feature_names=a b", "line 7: a second feature_names"),
        ] as [(String, String?, String)])
    func headers(_ start: String, _ line: String?, _ what: String) throws {
        #expect(try message(start, line) == "invalid: m.txt: \(what)")
    }

    @Test(
        arguments: [
            ("Tree=", "Tree=1", "line 10: this should be Tree=0"),
            ("num_leaves", nil, "line 10: tree 0: no num_leaves; is the file cut short?"),
            ("num_leaves", "num_leaves=0", "line 11: tree 0: num_leaves=0"),
            ("num_leaves", "num_leaves=2000000000", "line 11: tree 0: num_leaves=2000000000"),
            (
                "num_leaves", "num_leaves=4",
                "line 18: tree 0: 3 numbers in leaf_value where 4 should be"
            ),
            (
                "split_feature", "split_feature=0",
                "line 13: tree 0: 1 numbers in split_feature where 2 should be"
            ),
            ("split_feature", "split_feature=2 1", "line 13: tree 0: node 0: feature 2 of 2"),
            ("split_feature", "split_feature=0 -1", "line 13: tree 0: node 1: feature -1 of 2"),
            ("threshold", nil, "line 10: tree 0: no threshold; is the file cut short?"),
            ("threshold", "threshold=0.5 x", "line 14: threshold: number 2 is not a number"),
            ("threshold", "threshold=0.5,0", "line 14: threshold: number 1 is not a number"),
            ("threshold", "threshold=1e999 0", "line 14: threshold: number 1 is not a number"),
            ("threshold", "threshold=0.5 1", "line 14: tree 0: node 1: set 1.0 of 1 in num_cat"),
            ("threshold", "threshold=0.5 0.5", "line 14: tree 0: node 1: set 0.5 of 1 in num_cat"),
            ("threshold", "threshold=0.5 nan", "line 14: tree 0: node 1: set nan of 1 in num_cat"),
            (
                "decision_type", "decision_type=12 1",
                "line 15: tree 0: node 0: decision_type 12 is not known"
            ),
            (
                "left_child", "left_child=0 -1",
                "line 16: tree 0: node 0: child 0 has another parent"
            ),
            (
                "left_child", "left_child=-3 -1",
                "line 17: tree 0: node 0: child -3 has another parent"
            ),
            (
                "left_child", "left_child=2 -1",
                "line 16: tree 0: node 0: child 2 is not in the tree"
            ),
            (
                "left_child", "left_child=1 -9",
                "line 16: tree 0: node 1: child -9 is not in the tree"
            ),
            (
                "left_child", "left_child=1 -99999999999",
                "line 16: left_child: number 2 is not a whole number in range"
            ),
            ("num_cat", "num_cat=0", "line 14: tree 0: node 1: set 0.0 of 0 in num_cat"),
            ("num_cat", "num_cat=3", "line 12: tree 0: num_cat=3"),
            (
                "num_cat", "num_cat=2",
                "line 19: tree 0: 2 numbers in cat_boundaries where 3 should be"
            ),
            ("cat_boundaries", nil, "line 10: tree 0: no cat_boundaries; is the file cut short?"),
            (
                "cat_boundaries", "cat_boundaries=0 2",
                "line 19: tree 0: cat_boundaries do not go from 0 up to the 1 words of "
                    + "cat_threshold"
            ),
            (
                "cat_boundaries", "cat_boundaries=1 1",
                "line 19: tree 0: cat_boundaries do not go from 0 up to the 1 words of "
                    + "cat_threshold"
            ),
            (
                "cat_threshold", "cat_threshold=4294967296",
                "line 20: cat_threshold: number 1 is not a whole number in range"
            ),
            ("shrinkage", "junk", "line 21: tree 0: a line that is no key=value"),
            ("shrinkage", "leaf_value=1 2 3", "line 21: tree 0: a second leaf_value"),
            (
                "shrinkage", "is_linear=1",
                "line 10: tree 0: no leaf_const; is the file cut short?"
            ),
        ] as [(String, String?, String)])
    func trees(_ start: String, _ line: String?, _ what: String) throws {
        #expect(try message(start, line) == "invalid: m.txt: \(what)")
    }

    @Test func linearLeaves() throws {
        func said(_ counts: String, _ features: String, _ coefficients: String) throws -> String {
            try message(
                "shrinkage",
                "is_linear=1\nleaf_const=1 2 3\nnum_features=\(counts)\nleaf_features=\(features)\n"
                    + "leaf_coeff=\(coefficients)")
        }
        #expect(try said("1 0 1", "0    1", "0.5    2") == "loads")
        #expect(
            try said("1 0 2", "0 1", "0.5 2")
                == "invalid: m.txt: line 23: tree 0: leaf 2: num_features says 2")
        #expect(
            try said("1 0 -1", "0", "0.5")
                == "invalid: m.txt: line 23: tree 0: leaf 2: num_features says -1")
        #expect(
            try said("1 0 0", "0 1", "0.5 2")
                == "invalid: m.txt: line 24: tree 0: 2 leaf_features, but num_features says 1")
        #expect(
            try said("1 0 1", "0 2", "0.5 2")
                == "invalid: m.txt: line 24: tree 0: leaf 2: feature 2 of 2")
        #expect(
            try said("1 0 1", "0 1", "0.5")
                == "invalid: m.txt: line 25: tree 0: 1 numbers in leaf_coeff where 2 should be")
    }

    /// Nodes 1 and 2 lead to each other, and node 0 to none of them.
    @Test func cycles() {
        let text = """
            tree
            version=v3
            num_class=1
            max_feature_idx=0
            feature_names=a

            Tree=0
            num_leaves=4
            split_feature=0 0 0
            threshold=1 2 3
            left_child=-1 2 1
            right_child=-2 -3 -4
            leaf_value=1 2 3 4

            """
        #expect(
            message(of: text)
                == "invalid: m.txt: line 11: tree 0: 2 nodes lead to themselves in a cycle")
    }

    @Test func childrenMayHaveLowerNumbers() {
        let text = """
            tree
            version=v3
            num_class=1
            max_feature_idx=0
            feature_names=a

            Tree=0
            num_leaves=4
            split_feature=0 0 0
            threshold=1 2 3
            left_child=2 -1 1
            right_child=-2 -3 -4
            leaf_value=1 2 3 4

            """
        #expect(message(of: text) == "loads")
    }

    @Test func sizesThatLie() throws {
        let file = try fixture("lightgbm_regression.txt")
        let text = String(decoding: file.bytes, as: UTF8.self)
        let start = try #require(text.ranges(of: "tree_sizes=").first)
        let end = try #require(text[start.upperBound...].firstIndex(of: "\n"))
        let sizes = text[start.upperBound..<end].split(separator: " ").map(String.init)
        func said(_ sizes: [String]) -> String {
            message(
                of: "\(text[..<start.upperBound])\(sizes.joined(separator: " "))\(text[end...])")
        }
        #expect(said(sizes) == "loads")
        #expect(said(Array(sizes.dropLast())).contains("more trees than the 3 that tree_sizes has"))
        #expect(said(sizes + ["700"]).contains("4 trees where tree_sizes has 5; is the file cut"))
        for index in sizes.indices {
            var lie = sizes
            lie[index] = "1000"
            #expect(said(lie).contains("tree \(index) does not end where tree_sizes says"))
            lie[index] = "9223372036854775807"
            #expect(said(lie).contains("not a whole number in range"))
        }
    }

    @Test(arguments: ["lightgbm_regression", "lightgbm_categorical", "lightgbm_212_multiclass"])
    func filesCutShort(_ name: String) throws {
        let bytes = try fixture(name + ".txt").bytes
        let text = String(decoding: bytes, as: UTF8.self)
        let last = try #require(text.ranges(of: "shrinkage=").last)
        let trees = text[..<last.lowerBound].utf8.count
        for end in stride(from: 0, to: trees, by: 7) {
            let error = LightGBMRun.failure(bytes: Array(bytes[..<end]))
            #expect(error?.kind == .invalid, "cut at byte \(end)")
        }
        #expect(LightGBMRun.failure(bytes: bytes) == nil)
    }

    /// Before 2.0.12 there is no version, nor are there sizes of trees.
    @Test(arguments: ["lightgbm_204_categorical", "lightgbm_2011_multiclass"])
    func filesWithoutAVersion(_ name: String) throws {
        let bytes = try fixture(name + ".txt").bytes
        let text = String(decoding: bytes, as: UTF8.self)
        let tail = try #require(text.ranges(of: "\nfeature importances:").last)
        for end in stride(from: 0, through: text[..<tail.lowerBound].utf8.count, by: 7) {
            let error = LightGBMRun.failure(bytes: Array(bytes[..<end]))
            #expect(error?.kind == .invalid, "cut at byte \(end)")
        }
        let last = text[..<tail.lowerBound] + "\n"
        #expect(
            message(of: String(last)).hasSuffix(
                "no tree here, nor the end of trees; is the file cut short?"))
        #expect(LightGBMRun.failure(bytes: bytes) == nil)
        let before = text.replacing("num_cat=", with: "cats=").replacing(
            "default_value=", with: "value=")
        #expect(message(of: before).hasPrefix("unsupported: m.txt: line 10: tree 0: neither "))
        let decision = text.replacing(/decision_type=./, with: "decision_type=12")
        #expect(message(of: decision).contains("is not known"))
    }

    @Test func theVersionTellsWhatADefaultValueIs() throws {
        #expect(try message("version", nil) == "loads")
        #expect(try message("num_cat", "num_cat=1\ndefault_value=0") == "loads")
        #expect(try message("num_cat", nil).contains("set 0.0 of 0 in num_cat"))
        let bare = Self.sound.replacing("version=v4\n", with: "")
        #expect(message(of: bare.replacing("num_cat=1\n", with: "")).contains("neither num_cat"))
        let old = bare.replacing("num_cat=1\n", with: "default_value=0 0\n")
        #expect(message(of: old).contains("decision_type 2 is not known"))
        let good = old.replacing("decision_type=2 1", with: "decision_type=0 1")
        #expect(message(of: good) == "loads")
        for category in ["nan", "2147483648", "-inf"] {
            #expect(
                message(of: good.replacing("threshold=0.5 0", with: "threshold=0.5 \(category)"))
                    .contains("line 13: tree 0: node 1: category "))
        }
        #expect(
            message(of: bare.replacing("num_cat=1\n", with: "default_value=0\n")).contains(
                "1 numbers in default_value where 2 should be"))
    }

    @Test func objectivesThatNobodyKnows() throws {
        let said = try message("objective", "objective=squares of:2")
        #expect(
            said == "unsupported: m.txt: line 6: objective 'squares of:2' is not known; with "
                + "'objective=custom' in its place the raw scores can be served")
        #expect(try message("objective", "objective=binary sigmoid:-1").contains("is not known"))
        #expect(try message("objective", "objective=binary sigmoid:x").contains("is not known"))
        #expect(try message("objective", nil) == "loads")
        #expect(try message("objective", "objective=custom") == "loads")
    }

    /// Trees that do not fill the last iteration.
    @Test func iterationsCutShort() throws {
        #expect(
            try message("num_tree_per_iteration", "num_tree_per_iteration=2")
                == "invalid: m.txt: line 24: 1 trees, but 2 an iteration; is the file cut short?")
    }

    @Test(arguments: ["206", "2011", "2012", "212"])
    func forestsOfWhichNobodyKnowsWhatTheirLeavesHold(_ version: String) throws {
        let file = try fixture("lightgbm_\(version)_rf_binary.txt")
        let error = try #require(LightGBMRun.failure(bytes: file.bytes))
        #expect(error.kind == .unsupported)
        #expect(error.message.contains("whose leaves may hold raw or converted values"))
        let text = String(decoding: file.bytes, as: UTF8.self)
        let custom = text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix("objective=") ? "objective=custom" : String($0) }
            .joined(separator: "\n")
        #expect(message(of: custom) == "loads")
    }

    @Test func pandasCategories() throws {
        func said(_ json: String) -> String {
            message(of: Self.sound + "\npandas_categorical:\(json)\n")
        }
        #expect(said("null") == "loads")
        #expect(said("[]") == "loads")
        #expect(said("[[\"x\", \"y\", \"z\"]]") == "loads")
        #expect(said("[[1, 2, 3.5]]") == "loads")
        #expect(
            said("[[\"x\", \"y\", \"z\"], [1, 2]]")
                == "unsupported: m.txt: line 26: pandas_categorical has 2 columns, the model 1 "
                + "categorical features, so nobody knows which is which; take the line "
                + "pandas_categorical out of the file and send the columns' codes")
        #expect(
            said("[[\"x\", \"y\"]]").contains("categories of pandas_categorical do not fit 'b'"))
        #expect(said("[[\"x\", 1, 2]]").contains("categories of several kinds in one column"))
        #expect(said("[[null]]").contains("a category that is no text, number, true or false"))
        #expect(said("[[\"x\"").hasPrefix("invalid: m.txt: line 26: pandas_categorical, byte"))
        #expect(said("7").hasPrefix("invalid: m.txt: line 26: pandas_categorical, byte"))
        #expect(said("[[1, 2, 9007199254740991]]") == "loads")
        #expect(said("[[1, 2, -9007199254740992]]").contains("a category of 2^53 or more"))
    }

    /// Training saw categories 0 to 2 of 'b': a list of four may be that of 'a' as well, where that
    /// had the numbers 0 to 3.
    @Test func aListThatMayBeAnotherColumns() {
        let list = "\npandas_categorical:[[\"w\", \"x\", \"y\", \"z\"]]\n"
        #expect(message(of: Self.sound + list) == "loads")
        let other = Self.sound.replacing("[0:1] 0:1:2", with: "[0:3] 0:1:2")
        #expect(
            message(of: other + list).contains("4 categories of pandas_categorical do not fit 'b'"))
        #expect(message(of: other + "\npandas_categorical:[[\"x\", \"y\", \"z\"]]\n") == "loads")
    }

    @Test func absurdCountsTakeNoMemory() throws {
        for leaves in ["99999999", "999999999999999999", "-5"] {
            #expect(try message("num_leaves", "num_leaves=\(leaves)").hasPrefix("invalid"))
        }
    }

    /// 32 categories are 10 characters of the file, and 4 bytes here.
    @Test func manyCategoriesTakeNoMoreThanTheirBits() throws {
        let count = 2_100_000
        let words = String(repeating: "4294967295 ", count: count)
        let lines = Self.sound.split(separator: "\n", omittingEmptySubsequences: false).map {
            line in
            line == "cat_boundaries=0 1"
                ? "cat_boundaries=0 2100000"
                : line == "cat_threshold=5" ? "cat_threshold=\(words)" : String(line)
        }
        let file = BoosterFile(path: "m.txt", bytes: Array(lines.joined(separator: "\n").utf8))
        let program = try LightGBMLoader.program(LightGBMText(file.bytes), path: file.path)
        let ensembles = program.steps.compactMap { step in
            if case .trees(_, let ensemble) = step { ensemble } else { nil }
        }
        let set = try #require(ensembles.first?.sets.first)
        #expect(set.count == count * 32)
        #expect(set == CategorySet(words: ArraySlice(repeating: .max, count: count)))
        #expect(message(of: lines.joined(separator: "\n")) == "loads")
    }

    /// Bytes changed, taken away, doubled: refused or run, never a trap.
    @Test(arguments: [
        "lightgbm_categorical", "lightgbm_linear", "lightgbm_multiclass", "lightgbm_pandas",
        "lightgbm_212_rf_regression", "lightgbm_crlf",
    ])
    func mutations(_ name: String) throws {
        let bytes = try fixture(name + ".txt").bytes
        let expected = try LightGBMExpectation(name)
        var random = SeededRandom(seed: 11)
        var loaded = 0
        for _ in 0..<1000 {
            let mutated = Self.mutate(bytes, &random)
            guard LightGBMRun.failure(bytes: mutated) == nil else { continue }
            loaded += 1
            // Names, and so inputs, may have changed.
            let file = BoosterFile(path: "m.txt", bytes: mutated)
            _ = try? LightGBMRun.outputs(LightGBMRun.program(file), expected)
        }
        #expect(loaded > 0)
    }

    static func mutate(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = bytes
        let marks = Array("0123456789-+.=: \n\reEnaif[]\"".utf8)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            let count = Int.random(in: 1...min(40, bytes.count - place), using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1, 2: bytes[place] = marks.randomElement(using: &random) ?? 0
            case 3: bytes.removeSubrange(place..<place + count)
            case 4: bytes.insert(contentsOf: Array(bytes[place..<place + count]), at: place)
            default: bytes.insert(marks.randomElement(using: &random) ?? 0, at: place)
            }
            if bytes.isEmpty { return [10] }
        }
        return bytes
    }
}
