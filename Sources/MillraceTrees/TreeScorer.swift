/// Where the values of one feature lie: row `i` at `base + i * strideBytes`.
@unsafe package struct FeatureView {
    package let base: UnsafeRawPointer
    package let strideBytes: Int

    package init(base: UnsafeRawPointer, strideBytes: Int) {
        unsafe self.base = unsafe base
        unsafe self.strideBytes = strideBytes
    }
}

/// Scores rows against one ensemble. Its buffers are one lane's: used by one thread at a time.
package final class TreeScorer {
    private let layout: TreeLayout

    package init(_ layout: TreeLayout) { self.layout = layout }

    /// Writes rows x targetCount numbers of the ensemble's `summing` type, row-major.
    ///
    /// - Parameters:
    ///   - features: one a feature of the ensemble, each with `rows` numbers of its `comparing`
    ///     type.
    ///   - sums: room for the results.
    package func score(
        _ features: UnsafeBufferPointer<FeatureView>, rows: Int,
        into sums: UnsafeMutableRawPointer
    ) {
        // The first, plain way; the laid-out one replaces it.
        let ensemble = layout.ensemble
        let isSingle = ensemble.comparing == .float32
        for row in 0..<rows {
            var values = [Double](repeating: 0, count: ensemble.featureCount)
            for index in values.indices {
                let view = unsafe features[index]
                let place = unsafe view.base + row * view.strideBytes
                values[index] =
                    unsafe isSingle
                    ? Double(place.load(as: Float.self)) : place.load(as: Double.self)
            }
            let result = NaiveWalk.score(ensemble, values)
            for (target, value) in result.enumerated() {
                let index = row * ensemble.targetCount + target
                if ensemble.summing == .float32 {
                    unsafe sums.storeBytes(
                        of: Float(value), toByteOffset: index * 4, as: Float.self)
                } else {
                    unsafe sums.storeBytes(of: value, toByteOffset: index * 8, as: Double.self)
                }
            }
        }
    }
}
