import MillraceTrees
import Testing

/// Where the layouts change: as many thresholds, columns, leaves and categories as just fit.
@Suite("Kernel, at its edges")
struct KernelEdgeTests {
    private func compare(
        _ ensemble: TreeEnsemble, _ rows: [[Double]], _ what: String
    ) throws {
        let expected = rows.flatMap { NaiveWalk.score(ensemble, $0) }
        for loops in [TreeLayout.Loops.best, .portable] {
            let layout = try TreeLayout(ensemble, loops: loops)
            for count in Set([rows.count, 1, 2, 3, 17, 63, 64, 65]) where count <= rows.count {
                let scores = Rows(Array(rows.prefix(count)), ensemble).scores(layout)
                let bad = zip(scores, expected).enumerated().first {
                    $0.element.0.bitPattern != $0.element.1.bitPattern
                        && !($0.element.0.isNaN && $0.element.1.isNaN)
                }
                #expect(
                    bad == nil,
                    "\(what), \(loops), \(count) rows")
            }
        }
    }

    /// A tree of `count` leaves over sorted thresholds, balanced.
    private func balanced(
        _ e: inout TreeEnsemble, _ range: Range<Int>, _ c: TreeEnsemble.Comparison,
        _ m: TreeEnsemble.Missing, feature: (Int) -> Int, _ t: (Int) -> Double
    ) -> TreeEnsemble.Child {
        guard !range.isEmpty else { return .leaf(e.addLeaf(Double(e.leafCount) * 0.37 + 1)) }
        let middle = (range.lowerBound + range.upperBound) / 2
        let l = balanced(&e, range.lowerBound..<middle, c, m, feature: feature, t)
        let r = balanced(&e, middle + 1..<range.upperBound, c, m, feature: feature, t)
        return .node(
            e.addSplit(
                feature: feature(middle), .compare(c, t(middle)), missing: m, left: l, right: r))
    }

    @Test(arguments: [1, 16, 17, 254, 255, 508, 509])
    func pieces(count: Int) throws {
        for (comparing, summing) in [
            (TreeEnsemble.Precision.float32, TreeEnsemble.Precision.float32),
            (.float64, .float64),
        ] {
            for comparison in TreeEnsemble.Comparison.allCases {
                for missing in TreeEnsemble.Missing.allCases {
                    var e = TreeEnsemble(
                        featureCount: 1, targetCount: 1, comparing: comparing, summing: summing)
                    // Many small trees that use all thresholds.
                    var i = 0
                    let values = (0..<count).map { Double($0) - 3 }
                    while i < count {
                        let end = min(count, i + [3, 63, 100, 7, 254][i % 5])
                        e.addTree(
                            root: balanced(&e, i..<end, comparison, missing, feature: { _ in 0 }) {
                                values[$0]
                            })
                        i = end
                    }
                    for limit in [Double.infinity, .nan, -.infinity, -0.0] {
                        e.addTree(
                            root: balanced(&e, 0..<1, comparison, missing, feature: { _ in 0 }) {
                                _ in limit
                            })
                    }
                    let step = max(1, count / 40)
                    var rows: [[Double]] = [
                        [.nan], [.infinity], [-.infinity], [0.0], [-0.0], [1e-36],
                    ]
                    for k in stride(from: -6, to: count + 3, by: step * 3) {
                        rows.append([Double(k)])
                        rows.append([Double(k) + 0.5])
                    }
                    for k in [249, 250, 251, 252, 253, 254, 503, 504, 505, 506, 507, 508] {
                        rows.append([Double(k)])
                    }
                    try compare(e, rows, "pieces \(count) \(comparison) \(missing)")
                }
            }
        }
    }

    @Test(arguments: [64, 65, 128, 255, 256, 257])
    func manyLeaves(leaves: Int) throws {
        for summing in [TreeEnsemble.Precision.float32, .float64] {
            for targets in [1, 3] {
                var e = TreeEnsemble(
                    featureCount: 3, targetCount: targets, comparing: .float32, summing: summing)
                for tree in 0..<3 {
                    e.addTree(
                        root: balanced(
                            &e, 0..<(leaves - 1), tree == 1 ? .greater : .less, .left,
                            feature: { tree == 2 ? $0 % 3 : 0 }
                        ) { Double($0) })
                }
                let rows = (0..<130).map { [Double($0 * 2), Double($0), Double(300 - $0)] }
                try compare(e, rows, "leaves \(leaves)")
            }
        }
    }

    @Test(arguments: [65_532, 65_533, 65_534, 70_000])
    func manyRanks(count: Int) throws {
        var e = TreeEnsemble(
            featureCount: 1, targetCount: 1, comparing: .float64, summing: .float64)
        e.addTree(root: balanced(&e, 0..<count, .less, .right, feature: { _ in 0 }) { Double($0) })
        e.addTree(
            root: balanced(&e, 0..<1, .lessOrEqual, .right, feature: { _ in 0 }) { _ in .infinity })
        let rows: [[Double]] =
            [
                [.nan], [-1], [0], [Double(count)], [Double(count - 1)], [Double(count - 2)],
                [65_530.5],
                [65_533], [65_535], [.infinity],
            ] + (0..<70).map { [Double($0 * 997)] }
        try compare(e, rows, "ranks \(count)")
    }

    @Test(arguments: [32_768, 32_769, 65_536])
    func manyColumns(count: Int) throws {
        var e = TreeEnsemble(
            featureCount: 1, targetCount: 1, comparing: .float64, summing: .float64)
        // One column a number.
        var i = 0
        while i < count {
            let end = min(count, i + 200)
            var child = TreeEnsemble.Child.leaf(e.addLeaf(Double(i)))
            for k in i..<end {
                let other = TreeEnsemble.Child.leaf(e.addLeaf(Double(k) * 1.5))
                child = .node(
                    e.addSplit(
                        feature: 0, .compare(.equal, Double(k)), missing: .compared, left: other,
                        right: child))
            }
            e.addTree(root: child)
            i = end
        }
        let set = e.addSet([Int64(count - 1), 5])
        let l = e.addLeaf(77.0), r = e.addLeaf(99.0)
        e.addTree(
            root: .node(
                e.addSplit(
                    feature: 0, .member(set: set, .exact), missing: .left, left: .leaf(l),
                    right: .leaf(r))))
        let rows: [[Double]] =
            [
                [.nan], [0], [5], [Double(count - 1)], [Double(count - 2)], [32_767], [32_768],
                [65_535],
            ] + (0..<60).map { [Double($0)] }
        try compare(e, rows, "columns \(count)")
    }

    @Test(arguments: [65_533, 65_534])
    func manySets(count: Int) throws {
        var e = TreeEnsemble(
            featureCount: 2, targetCount: 1, comparing: .float32, summing: .float32)
        for k in 0..<count {
            let set = e.addSet([Int64(k % 300)])
            guard k % 97 == 0 || k > count - 5 else { continue }
            let l = e.addLeaf(Double(k)), r = e.addLeaf(-1.0)
            e.addTree(
                root: .node(
                    e.addSplit(
                        feature: k % 2, .member(set: set, .truncated),
                        missing: k % 3 == 0 ? .left : .right, left: .leaf(l), right: .leaf(r))))
        }
        let rows: [[Double]] =
            [
                [.nan, .nan], [-0.5, -1], [65_534, 65_533], [65_532, 1e30],
                [.infinity, -.infinity],
            ]
            + (0..<70).map { [Double($0), Double($0 * 4 + 1)] }
        try compare(e, rows, "sets \(count)")
    }

    /// Sets at all edges, in trees with leaves at different depths.
    @Test func setEdges() throws {
        let edges: [[Int64]] = [
            [], [0], [253], [254], [255], [256], [0, 253], [0, 254], [63, 64], [127, 128, 129],
            [Int64.max], [Int64.min], [-1, 0], [59_999], Array(0..<2000), Array(0...60_000),
            Array(0...60_001), [60_000], [65_532, 65_533, 65_534, 65_535], [16_777_216],
            Array(stride(from: 0, to: 60_000, by: 250)), [5, 5, 5, 5],
        ]
        for reading in TreeEnsemble.CategoryReading.allCases {
            for missing in TreeEnsemble.Missing.allCases {
                for comparing in [TreeEnsemble.Precision.float32, .float64] {
                    var e = TreeEnsemble(
                        featureCount: 2, targetCount: 1, comparing: comparing, summing: .float64)
                    for set in edges { _ = e.addSet(set) }
                    for start in 0..<4 {
                        var child = TreeEnsemble.Child.leaf(e.addLeaf(0.25))
                        for k in stride(from: start, to: edges.count, by: 4) {
                            let other = TreeEnsemble.Child.leaf(e.addLeaf(Double(k + 1) * 1.1))
                            child = .node(
                                e.addSplit(
                                    feature: k % 2, .member(set: k, reading), missing: missing,
                                    left: other, right: child))
                        }
                        e.addTree(root: child)
                    }
                    let values: [Double] = [
                        .nan, 0, -0.0, -0.5, -1, -1.5, 0.5, 253, 253.5, 254, 255, 256, 63, 64,
                        127, 128, .infinity, -.infinity, 9e18, -9e18, 59_999, 60_000, 60_001,
                        65_531, 65_532, 65_533, 65_534, 65_535, 65_536, 16_777_216, 16_777_217,
                        1e-36, 4_294_967_295, 4_294_967_294, 250, 5,
                    ]
                    let rows = values.flatMap { v in
                        [0.0, 254, .nan, 60_000].map { w in
                            [v, w].map { comparing == .float32 ? Double(Float($0)) : $0 }
                        }
                    }
                    try compare(e, rows, "sets \(reading) \(missing)")
                }
            }
        }
    }
}
