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

    /// - Parameter leavesOfTree: of each tree, one leaf.
    init(_ ensemble: TreeEnsemble, leafOfTree: [Int]) {
        targetCount = ensemble.targetCount
        isDouble = ensemble.summing == .float64
        featuresAreDouble = ensemble.comparing == .float64
        let values = ensemble.leafValues
        giving = Self.giving(ensemble, leafOfTree)
        let isDouble = isDouble
        singles = AlignedArray(repeating: 0, count: isDouble ? 0 : values.count)
        doubles = AlignedArray(repeating: 0, count: isDouble ? values.count : 0)
        for index in values.indices {
            if isDouble {
                doubles[index] = values[index].value
            } else {
                singles[index] = Float(values[index].value)
            }
        }
        let isGeneral = giving == CT_GENERAL
        treeTargets = AlignedArray(repeating: 0, count: leafOfTree.count)
        if giving == CT_SINGLE {
            for (tree, leaf) in leafOfTree.enumerated() {
                treeTargets[tree] = UInt32(clamping: values[leaf].target)
            }
        }
        starts = AlignedArray(
            isGeneral ? ensemble.leafStarts.map { UInt32(clamping: $0) } : [], or: 0)
        entryTargets = AlignedArray(
            isGeneral ? values.map { UInt32(clamping: $0.target) } : [], or: 0)
        lines = Self.lines(ensemble)
        aggregate =
            switch ensemble.aggregate {
            case .sum, .average: CT_SUM
            case .minimum: CT_MINIMUM
            case .maximum: CT_MAXIMUM
            }
    }

    private static func giving(_ ensemble: TreeEnsemble, _ leafOfTree: [Int]) -> ct_giving {
        guard ensemble.aggregate == .sum || ensemble.aggregate == .average,
            ensemble.linearLeaves.isEmpty
        else { return CT_GENERAL }
        let count = ensemble.leafCount
        let values = ensemble.leafValues
        let areSingle =
            values.count == count
            && (0..<count).allSatisfy { ensemble.leafStarts[$0] == Int32(clamping: $0) }
        if areSingle { return haveOneTarget(ensemble) ? CT_SINGLE : CT_GENERAL }
        let targets = ensemble.targetCount
        let areDense =
            values.count == count * targets
            && values.indices.allSatisfy { Int(values[$0].target) == $0 % targets }
            && (0..<count).allSatisfy { Int(ensemble.leafStarts[$0]) == $0 * targets }
        return areDense ? CT_DENSE : CT_GENERAL
    }

    /// Whether each tree's leaves all give to the same target.
    private static func haveOneTarget(_ ensemble: TreeEnsemble) -> Bool {
        if ensemble.targetCount == 1 { return true }
        var waiting: [Int32] = []
        for root in ensemble.roots {
            var target: Int32?
            waiting.append(root)
            while let place = waiting.popLast() {
                if place >= 0 {
                    waiting.append(ensemble.left[Int(place)])
                    waiting.append(ensemble.right[Int(place)])
                    continue
                }
                let own = ensemble.leafValues[Int(~place)].target
                if let target, target != own { return false }
                target = own
            }
        }
        return true
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
