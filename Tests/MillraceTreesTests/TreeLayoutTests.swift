import MillraceTrees
import Testing

@Suite("TreeLayout")
struct TreeLayoutTests {
    private func message(_ ensemble: TreeEnsemble) -> String {
        do throws(TreeError) {
            _ = try TreeLayout(ensemble)
            return "accepted"
        } catch {
            return error.message
        }
    }

    private func empty(features: Int = 2, targets: Int = 1) -> TreeEnsemble {
        TreeEnsemble(
            featureCount: features, targetCount: targets, comparing: .float32, summing: .float32)
    }

    @Test func acceptsTreesAndSingleLeaves() {
        var ensemble = empty()
        let leaves = (0..<3).map { ensemble.addLeaf(Double($0)) }
        let node = ensemble.addSplit(
            feature: 1, .compare(.less, 0.5), missing: .left, left: .leaf(leaves[0]),
            right: .leaf(leaves[1]))
        ensemble.addTree(root: .node(node))
        ensemble.addTree(root: .leaf(leaves[2]))
        #expect(message(ensemble) == "accepted")
        #expect(message(empty()) == "accepted")
    }

    @Test func refusesCircles() {
        var ensemble = empty()
        let leaf = ensemble.addLeaf(1)
        ensemble.addSplit(
            feature: 0, .compare(.less, 1), missing: .left, left: .node(0), right: .leaf(leaf))
        ensemble.addTree(root: .node(0))
        #expect(message(ensemble) == "tree 0 comes to node 0 twice (a circle)")
    }

    @Test func refusesSharedLeaves() {
        var ensemble = empty()
        let leaf = ensemble.addLeaf(1)
        ensemble.addSplit(
            feature: 0, .compare(.less, 1), missing: .left, left: .leaf(leaf), right: .leaf(leaf))
        ensemble.addTree(root: .node(0))
        #expect(message(ensemble) == "tree 0 comes to leaf 0 twice")
    }

    @Test func refusesWhatIsNotThere() {
        var noNode = empty()
        noNode.addTree(root: .node(5))
        #expect(message(noNode) == "tree 0 has no node 5")
        var noLeaf = empty()
        noLeaf.addTree(root: .leaf(0))
        #expect(message(noLeaf) == "tree 0 has no leaf 0")
        var noFeature = empty()
        let leaves = (0..<2).map { noFeature.addLeaf(Double($0)) }
        noFeature.addSplit(
            feature: 2, .compare(.less, 1), missing: .left, left: .leaf(leaves[0]),
            right: .leaf(leaves[1]))
        #expect(message(noFeature) == "node 0 asks for feature 2 of 2")
        var noSet = empty()
        noSet.addSplit(
            feature: 0, .member(set: 0, .exact), missing: .left, left: .leaf(0), right: .leaf(1))
        #expect(message(noSet) == "node 0 asks for a set that is not there")
        var noTarget = empty()
        noTarget.addLeaf(1, target: 1)
        #expect(message(noTarget) == "leaf 0 gives to result 1 of 1")
        var noTerm = empty()
        noTerm.setLinear(
            TreeEnsemble.LinearLeaf(constant: 0, terms: [(feature: 9, coefficient: 1)]),
            leaf: noTerm.addLeaf(1))
        #expect(message(noTerm) == "leaf 0 is linear in a feature that is not there")
    }

    @Test func refusesAbsurdCounts() {
        #expect(message(empty(features: 1 << 40)).hasPrefix("1099511627776 features; at most"))
        #expect(message(empty(targets: 0)).hasPrefix("0 results a row; 1 to"))
        var base = empty()
        base.base = [1, 2]
        #expect(message(base) == "2 base values for 1 results")
    }

    @Test func aDeepTreeNeedsNoStack() {
        var ensemble = empty()
        let depth = 200_000
        for node in 0..<depth {
            let leaf = ensemble.addLeaf(Double(node))
            let below: TreeEnsemble.Child =
                node + 1 < depth ? .node(node + 1) : .leaf(depth)
            ensemble.addSplit(
                feature: 0, .compare(.greater, Double(node)), missing: .left, left: below,
                right: .leaf(leaf))
        }
        ensemble.addLeaf(-1)
        ensemble.addTree(root: .node(0))
        #expect(message(ensemble) == "accepted")
    }
}
