import MillraceTrees

/// The reference: walks node by node, as `TreeEnsemble` describes it. The values of each target,
/// from Swift's own arithmetic.
enum NaiveWalk {
    static func score(_ ensemble: TreeEnsemble, _ row: [Double]) -> [Double] {
        ensemble.summing == .float32
            ? sum(ensemble, row, as: Float.self).map { Double($0) }
            : sum(ensemble, row, as: Double.self)
    }

    private static func sum<Number: BinaryFloatingPoint>(
        _ ensemble: TreeEnsemble, _ row: [Double], as type: Number.Type
    ) -> [Number] {
        let base = (0..<ensemble.targetCount).map {
            Number(ensemble.base.isEmpty ? 0 : ensemble.base[$0])
        }
        var sums = ensemble.basePlace == .first ? base : base.map { _ in Number(0) }
        var isSet = base.map { _ in false }
        for tree in ensemble.roots.indices {
            for (target, value) in values(ensemble, leaf: leaf(ensemble, row, tree), row) {
                let value = Number(value)
                switch ensemble.aggregate {
                case .sum, .average: sums[target] += value
                case .minimum: sums[target] = isSet[target] ? min(sums[target], value) : value
                case .maximum: sums[target] = isSet[target] ? max(sums[target], value) : value
                }
                isSet[target] = true
            }
        }
        return sums.indices.map { target in
            var sum = sums[target]
            if ensemble.aggregate == .average { sum /= Number(ensemble.roots.count) }
            if ensemble.scale != 1 { sum *= Number(ensemble.scale) }
            return ensemble.basePlace == .last ? sum + base[target] : sum
        }
    }

    private static func leaf(_ ensemble: TreeEnsemble, _ row: [Double], _ tree: Int) -> Int {
        var place = ensemble.roots[tree]
        func step(_ node: Int) -> Int32 {
            let isLeft = goesLeft(ensemble, node, row[Int(ensemble.features[node])])
            return isLeft ? ensemble.left[node] : ensemble.right[node]
        }
        if let symmetric = ensemble.symmetric(tree: tree) {
            let number = (0..<Int(symmetric.levels)).reduce(0) { number, level in
                number * 2 + Int(step(Int(place) + level))
            }
            return Int(symmetric.firstLeaf) + number
        }
        while place >= 0 { place = step(Int(place)) }
        return Int(~place)
    }

    private static func goesLeft(_ ensemble: TreeEnsemble, _ node: Int, _ value: Double) -> Bool {
        let rule = ensemble.rules[node]
        let isZero = abs(value) <= Double(Float(1e-35)) || value.isNaN
        var x = value
        switch rule.missing {
        case .compared: break
        case .left: if x.isNaN { return true }
        case .right: if x.isNaN { return false }
        case .zero: if x.isNaN { x = 0 }
        case .zeroOrNaNLeft: if isZero { return true }
        case .zeroOrNaNRight: if isZero { return false }
        }
        let threshold = ensemble.thresholds[node]
        if let reading = rule.reading {
            return ensemble.sets[Int(threshold)].sorted.contains { category in
                switch reading {
                case .exact: x == Double(category)
                case .truncated: x.rounded(.towardZero) == Double(category)
                case .truncatedNonnegative: x >= 0 && x.rounded(.towardZero) == Double(category)
                }
            }
        }
        let limit = ensemble.comparing == .float32 ? Double(Float(threshold)) : threshold
        switch rule.comparison {
        case .less: return x < limit
        case .lessOrEqual: return x <= limit
        case .greater: return x > limit
        case .greaterOrEqual: return x >= limit
        case .equal: return x == limit
        case .notEqual: return x != limit
        }
    }

    private static func values(
        _ ensemble: TreeEnsemble, leaf: Int, _ row: [Double]
    ) -> [(Int, Double)] {
        let own = ensemble.values(ofLeaf: leaf).map { place in
            (ensemble.target(ofValue: place, leaf: leaf), ensemble.leafValues[place])
        }
        if let linear = ensemble.linearLeaves[Int32(leaf)],
            !linear.terms.contains(where: { row[Int($0.feature)].isNaN })
        {
            let sum = linear.terms.reduce(linear.constant) { sum, term in
                sum + term.coefficient * row[Int(term.feature)]
            }
            return own.map { ($0.0, sum) }
        }
        return own
    }
}
