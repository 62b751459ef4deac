internal import CTrees

/// What an ensemble's leaves give, as the wall adds it up.
final class LaidOutLeaves: Sendable {
    /// How the leaves are kept.
    let giving: ct_giving
    let isDouble: Bool
    let targetCount: Int
    /// The values in the order of the ensemble's leaves, of the type that is summed.
    private let singles: AlignedArray<Float>
    private let doubles: AlignedArray<Double>
    private let treeTargets: AlignedArray<UInt32>
    private let starts: AlignedArray<UInt32>
    private let entryTargets: AlignedArray<UInt32>
    private let lines: Lines?
    private let aggregate: ct_aggregate
    private let featuresAreDouble: Bool

    /// Linear leaves: the terms of each leaf, and its constant, NaN where it has no line.
    private struct Lines: Sendable {
        let starts: AlignedArray<UInt32>
        let features: AlignedArray<UInt32>
        let factors: AlignedArray<Double>
        let constants: AlignedArray<Double>
    }

    /// - Parameter keepsValues: whether the values are read from here, and not from a
    ///   `BlockLayout` that has all trees.
    init(_ ensemble: TreeEnsemble, giving: ct_giving, keepsValues: Bool) {
        targetCount = ensemble.targetCount
        isDouble = ensemble.summing == .float64
        featuresAreDouble = ensemble.comparing == .float64
        self.giving = giving
        let values = ensemble.leafValues
        let isDouble = isDouble
        let count = keepsValues || giving != CT_SINGLE ? values.count : 0
        singles = AlignedArray(repeating: 0, count: isDouble ? 0 : count)
        doubles = AlignedArray(repeating: 0, count: isDouble ? count : 0)
        for index in 0..<count {
            if isDouble {
                doubles[index] = values[index]
            } else {
                singles[index] = Float(values[index])
            }
        }
        treeTargets = AlignedArray(repeating: 0, count: ensemble.roots.count)
        if giving == CT_SINGLE {
            for tree in ensemble.roots.indices {
                let leaf = Self.leaf(ensemble, ofTree: tree)
                let target = ensemble.target(ofValue: leaf, leaf: leaf)
                treeTargets[tree] = UInt32(clamping: target)
            }
        }
        let isGeneral = giving == CT_GENERAL
        starts = AlignedArray(repeating: 0, count: isGeneral ? ensemble.leafCount + 1 : 0)
        entryTargets = AlignedArray(repeating: 0, count: isGeneral ? values.count : 0)
        if isGeneral {
            for leaf in 0..<ensemble.leafCount {
                let own = ensemble.values(ofLeaf: leaf)
                starts[leaf + 1] = UInt32(clamping: own.upperBound)
                for place in own {
                    let target = ensemble.target(ofValue: place, leaf: leaf)
                    entryTargets[place] = UInt32(clamping: target)
                }
            }
        }
        lines = Self.lines(ensemble)
        aggregate =
            switch ensemble.aggregate {
            case .sum, .average: CT_SUM
            case .minimum: CT_MINIMUM
            case .maximum: CT_MAXIMUM
            }
    }

    /// How leaves that are as these can be kept.
    static func giving(_ ensemble: TreeEnsemble) -> ct_giving {
        guard ensemble.aggregate == .sum || ensemble.aggregate == .average,
            ensemble.linearLeaves.isEmpty
        else { return CT_GENERAL }
        if ensemble.haveLeavesOneValue {
            return haveOneTarget(ensemble) ? CT_SINGLE : CT_GENERAL
        }
        let targets = ensemble.targetCount
        let areDense = (0..<ensemble.leafCount).allSatisfy { leaf in
            let own = ensemble.values(ofLeaf: leaf)
            return own.count == targets && own.lowerBound == leaf * targets
                && own.allSatisfy {
                    ensemble.target(ofValue: $0, leaf: leaf) == $0 - own.lowerBound
                }
        }
        return areDense ? CT_DENSE : CT_GENERAL
    }

    /// Whether each tree's leaves, of one value, all give to the same target.
    private static func haveOneTarget(_ ensemble: TreeEnsemble) -> Bool {
        if ensemble.targetCount == 1 { return true }
        var waiting: [Int32] = []
        for tree in ensemble.roots.indices {
            let first = leaf(ensemble, ofTree: tree)
            let target = ensemble.target(ofValue: first, leaf: first)
            if let symmetric = ensemble.symmetric(tree: tree) {
                for leaf in first..<first + 1 << Int(symmetric.levels)
                where ensemble.target(ofValue: leaf, leaf: leaf) != target { return false }
                continue
            }
            waiting.append(ensemble.roots[tree])
            while let place = waiting.popLast() {
                if place >= 0 {
                    waiting.append(ensemble.left[Int(place)])
                    waiting.append(ensemble.right[Int(place)])
                    continue
                }
                let leaf = Int(~place)
                if ensemble.target(ofValue: leaf, leaf: leaf) != target { return false }
            }
        }
        return true
    }

    /// One of the tree's leaves; of a symmetric tree the first.
    private static func leaf(_ ensemble: TreeEnsemble, ofTree tree: Int) -> Int {
        if let symmetric = ensemble.symmetric(tree: tree) { return Int(symmetric.firstLeaf) }
        var place = ensemble.roots[tree]
        while place >= 0 { place = ensemble.left[Int(place)] }
        return Int(~place)
    }

    private static func lines(_ ensemble: TreeEnsemble) -> Lines? {
        guard !ensemble.linearLeaves.isEmpty else { return nil }
        var starts: [UInt32] = [0]
        var features: [UInt32] = []
        var factors: [Double] = []
        var constants: [Double] = []
        for leaf in 0..<ensemble.leafCount {
            let line = ensemble.linearLeaves[Int32(clamping: leaf)]
            constants.append(line?.constant ?? .nan)
            for term in line?.terms ?? [] {
                features.append(UInt32(clamping: term.feature))
                factors.append(term.coefficient)
            }
            starts.append(UInt32(clamping: features.count))
        }
        return Lines(
            starts: AlignedArray(starts, or: 0), features: AlignedArray(features, or: 0),
            factors: AlignedArray(factors, or: 0), constants: AlignedArray(constants, or: 0))
    }

    /// Numbers that a block's sums take for the aggregates that need to know whether there is one.
    var needsSetFlags: Bool { aggregate != CT_SUM }

    /// Valid as long as this object.
    var wall: ct_leaves {
        var wall = unsafe ct_leaves()
        unsafe wall.giving = UInt8(giving.rawValue)
        unsafe wall.aggregate = UInt8(aggregate.rawValue)
        unsafe wall.is_double = isDouble
        unsafe wall.features_are_double = featuresAreDouble
        unsafe wall.targets = UInt32(clamping: targetCount)
        unsafe wall.values =
            isDouble ? UnsafeRawPointer(doubles.base) : UnsafeRawPointer(singles.base)
        unsafe wall.tree_targets = UnsafePointer(treeTargets.base)
        unsafe wall.starts = UnsafePointer(starts.base)
        unsafe wall.entry_targets = UnsafePointer(entryTargets.base)
        if let lines {
            unsafe wall.line_starts = UnsafePointer(lines.starts.base)
            unsafe wall.line_features = UnsafePointer(lines.features.base)
            unsafe wall.line_factors = UnsafePointer(lines.factors.base)
            unsafe wall.line_constants = UnsafePointer(lines.constants.base)
        }
        return unsafe wall
    }
}
