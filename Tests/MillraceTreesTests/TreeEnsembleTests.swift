import MillraceTestKit
import Testing

@testable import MillraceTrees

@Suite("TreeEnsemble")
struct TreeEnsembleTests {
    private func empty(targets: Int) -> TreeEnsemble {
        TreeEnsemble(
            featureCount: 2, targetCount: targets, comparing: .float32, summing: .float32)
    }

    private func leaves(_ ensemble: TreeEnsemble) -> [[Int: Double]] {
        (0..<ensemble.leafCount).map { leaf in
            Dictionary(
                uniqueKeysWithValues: ensemble.values(ofLeaf: leaf).map {
                    (ensemble.target(ofValue: $0, leaf: leaf), ensemble.leafValues[$0])
                })
        }
    }

    /// Whatever comes first: leaves of one value, of several, of none; targets in turn or not.
    @Test func leavesAreWhatWasAdded() {
        var random = SeededRandom(seed: 4)
        for _ in 0..<500 {
            var ensemble = empty(targets: 4)
            var expected: [[Int: Double]] = []
            let kinds = (0..<3).map { _ in random.below(4) }
            for number in 0..<random.below(7) {
                let value = Double(number)
                switch kinds[random.below(3)] {
                case 0:
                    ensemble.addLeaf(value)
                    expected.append([0: value])
                case 1:
                    let target = random.below(4)
                    ensemble.addLeaf(value, target: target)
                    expected.append([target: value])
                case 2:
                    let count = random.below(4)
                    ensemble.addLeaf(dense: ArraySlice((0..<count).map { value + Double($0) }))
                    expected.append(
                        Dictionary(
                            uniqueKeysWithValues: (0..<count).map { ($0, value + Double($0)) }))
                default:
                    let targets = (0..<4).filter { _ in random.chance(0.5) }.shuffled(
                        using: &random)
                    ensemble.addLeaf(
                        targets.map { TreeEnsemble.LeafValue(target: $0, value: value) })
                    expected.append(
                        Dictionary(uniqueKeysWithValues: targets.map { ($0, value) }))
                }
            }
            #expect(leaves(ensemble) == expected)
        }
    }

    @Test func refusesSymmetricTreesThatAreNoTrees() {
        func message(_ make: (inout TreeEnsemble, TreeEnsemble.Level) -> Void) -> String {
            var ensemble = empty(targets: 1)
            for number in 0..<4 { ensemble.addLeaf(Double(number)) }
            make(
                &ensemble,
                TreeEnsemble.Level(
                    feature: 0, .less, 0.5, missing: .left, isUpperWhenTrue: false))
            do throws(TreeError) {
                _ = try TreeLayout(ensemble)
                return "accepted"
            } catch { return error.message }
        }
        #expect(message { $0.addSymmetricTree([$1, $1], firstLeaf: 0) } == "accepted")
        #expect(
            message { ensemble, _ in ensemble.addSymmetricTree([], firstLeaf: 3) } == "accepted")
        #expect(
            message { $0.addSymmetricTree([$1, $1], firstLeaf: 1) } == "tree 0 has no leaf 4")
        #expect(
            message { $0.addSymmetricTree([$1], firstLeaf: -1) }.hasPrefix("tree 0 has no leaf"))
        #expect(
            message {
                $0.addSymmetricTree([$1], firstLeaf: 0)
                $0.addSymmetricTree([$1], firstLeaf: 1)
            } == "tree 1 comes to leaf 1 twice")
        #expect(
            message { $0.addSymmetricTree(Array(repeating: $1, count: 40), firstLeaf: 0) }
                == "tree 0 has 40 levels")
        #expect(
            message {
                $0.addSymmetricTree([$1], firstLeaf: 0)
                $0.addTree(root: .node(0))
            } == "tree 1 comes to node 0 twice (a circle)")
    }
}

@Suite("CategorySet")
struct CategorySetTests {
    /// Bits where they are not longer than the list, whichever way the set came.
    @Test func holdsWhatItWasGiven() {
        var random = SeededRandom(seed: 5)
        for _ in 0..<1000 {
            let limit = [3, 64, 65, 500, 100_000][random.below(5)]
            let least = random.chance(0.2) ? -limit / 2 : 0
            let categories = (0..<random.below(40)).map { _ in Int64(random.below(limit) + least) }
            let set = CategorySet(categories)
            let expected = Set(categories).sorted()
            #expect(set.sorted == expected)
            #expect(set.count == expected.count)
            #expect(set.least == expected.first)
            #expect(set.greatest == expected.last)
            for category in expected { #expect(set.contains(category)) }
            for number in -1...70 where !expected.contains(Int64(number)) {
                #expect(!set.contains(Int64(number)))
            }
            guard least == 0 else { continue }
            var words = [UInt32](repeating: 0, count: limit / 32 + 1)
            for category in categories { words[Int(category / 32)] |= 1 << UInt32(category % 32) }
            #expect(CategorySet(words: words[...]) == set)
        }
    }

    @Test func extremesAreNotTakenForBits() {
        for categories: [Int64] in [[.max], [.min], [.min, .max], [-1, 0]] {
            let set = CategorySet(categories)
            #expect(set.sorted == categories)
            #expect(!set.areBitsShort)
        }
        #expect(CategorySet([]).bits == [0])
        #expect(CategorySet(words: []) == CategorySet([]))
    }
}
