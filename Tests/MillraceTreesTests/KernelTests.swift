import CTrees
import Glibc
import MillraceTrees
import Testing

@Suite("Kernel")
struct KernelTests {
    /// All loops give the bits of the naive walk. MILLRACE_LONG_TESTS=1 tries 100,000 ensembles.
    @Test(arguments: 0..<20)
    func scoresAsTheNaiveWalk(part: Int) throws {
        let isLong = unsafe getenv("MILLRACE_LONG_TESTS") != nil
        let count = isLong ? 5000 : 100
        for number in 0..<count {
            let seed = UInt64(part * 1_000_000 + number)
            var random = RandomEnsemble(seed: seed)
            let rows = random.rows([1, 3, 7, 16, 64, 100, 130][number % 7])
            let expected = rows.flatMap { NaiveWalk.score(random.ensemble, $0) }
            for loops in [TreeLayout.Loops.best, .portable] {
                let layout = try TreeLayout(random.ensemble, loops: loops)
                let scores = Rows(rows, random.ensemble).scores(layout)
                let different = zip(scores, expected).enumerated().first { pair in
                    let (a, b) = pair.element
                    return a.bitPattern != b.bitPattern && !(a.isNaN && b.isNaN)
                }
                #expect(scores.count == expected.count)
                #expect(
                    different == nil,
                    "seed \(seed), \(loops)"
                )
            }
        }
    }
}

/// Rows in memory, column by column or row by row, as a session hands them over.
struct Rows {
    let rows: [[Double]]
    let ensemble: TreeEnsemble

    init(_ rows: [[Double]], _ ensemble: TreeEnsemble) {
        self.rows = rows
        self.ensemble = ensemble
    }

    func scores(_ layout: TreeLayout) -> [Double] {
        let isSingle = ensemble.comparing == .float32
        let size = isSingle ? 4 : 8
        let width = ensemble.featureCount
        let storage = UnsafeMutableRawPointer.allocate(
            byteCount: max(8, rows.count * width * size), alignment: 64)
        defer { unsafe storage.deallocate() }
        for (index, row) in rows.enumerated() {
            for (feature, value) in row.enumerated() {
                let place = unsafe storage + (index * width + feature) * size
                if isSingle {
                    unsafe place.storeBytes(of: Float(value), as: Float.self)
                } else {
                    unsafe place.storeBytes(of: value, as: Double.self)
                }
            }
        }
        let views = unsafe (0..<width).map {
            unsafe FeatureView(base: storage + $0 * size, strideBytes: width * size)
        }
        let count = rows.count * ensemble.targetCount
        let out = UnsafeMutableRawPointer.allocate(byteCount: max(8, count * 8), alignment: 64)
        defer { unsafe out.deallocate() }
        let scorer = TreeScorer(layout)
        unsafe views.withUnsafeBufferPointer {
            unsafe scorer.score($0, rows: rows.count, into: out)
        }
        return (0..<count).map { index in
            ensemble.summing == .float32
                ? Double(unsafe out.load(fromByteOffset: index * 4, as: Float.self))
                : unsafe out.load(fromByteOffset: index * 8, as: Double.self)
        }
    }
}
