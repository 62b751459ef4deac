internal import CTrees

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
@safe package final class TreeScorer {
    private static let blockRows = Int(CT_BLOCK_ROWS)

    private let layout: TreeLayout
    private let leaves: ct_leaves
    private let walks: ct_walk_trees
    private let wideColumns: ct_columns
    private let blocks: ct_block_trees
    private let narrowColumns: ct_columns
    private let wideBins: AlignedArray<UInt32>
    private let narrowBins: AlignedArray<UInt8>
    private let sums: AlignedArray<Double>
    private let isSet: AlignedArray<Bool>?
    private let views: AlignedArray<ct_view>
    private let walksSomeOfBlock: Bool

    package init(_ layout: TreeLayout) {
        self.layout = layout
        unsafe leaves = layout.leaves.wall
        unsafe walks = layout.walks.wall
        unsafe wideColumns = layout.walks.columns.wall
        unsafe blocks = layout.blocks?.wall ?? ct_block_trees()
        unsafe narrowColumns = layout.blocks?.columns.wall ?? ct_columns()
        let rows = Self.blockRows
        // Trees that are single leaves have no column, but a place where they would look.
        wideBins = AlignedArray(repeating: 0, count: max(1, layout.walks.columns.count) * rows)
        narrowBins = AlignedArray(
            repeating: 0, count: max(1, layout.blocks?.columns.count ?? 0) * rows)
        sums = AlignedArray(repeating: 0, count: layout.targetCount * rows)
        isSet =
            layout.leaves.needsSetFlags
            ? AlignedArray(repeating: false, count: layout.targetCount * rows) : nil
        unsafe views = AlignedArray(repeating: unsafe ct_view(), count: layout.featureCount)
        walksSomeOfBlock = layout.runs.contains { !$0.isInBlocks }
    }

    /// Writes rows x targetCount numbers of the ensemble's `summing` type, row-major.
    ///
    /// - Parameters:
    ///   - features: one a feature of the ensemble, each with `rows` numbers of its `comparing`
    ///     type.
    ///   - out: room for the results.
    package func score(
        _ features: UnsafeBufferPointer<FeatureView>, rows: Int,
        into out: UnsafeMutableRawPointer
    ) {
        for index in 0..<(unsafe min(views.count, features.count)) {
            let view = unsafe features[index]
            unsafe views[index] = unsafe ct_view(base: view.base, stride: view.strideBytes)
        }
        let rowBytes = layout.targetCount * (layout.leaves.isDouble ? 8 : 4)
        var row = 0
        while row < rows {
            let count = min(Self.blockRows, rows - row)
            unsafe scoreBlock(row, count, into: out + row * rowBytes)
            row += count
        }
    }

    private func scoreBlock(_ row: Int, _ rows: Int, into out: UnsafeMutableRawPointer) {
        let base = unsafe layout.base?.pointer
        unsafe withUnsafePointer(to: leaves) { leaves in
            var block = unsafe ct_block()
            unsafe block.sums = UnsafeMutableRawPointer(sums.base)
            unsafe block.is_set = isSet?.base
            unsafe block.features = UnsafePointer(views.base)
            unsafe block.row = row
            unsafe block.rows = Int32(rows)
            unsafe ct_begin(leaves, layout.addsBaseFirst ? base : nil, &block)
            if let inBlocks = layout.blocks, rows >= inBlocks.rowsMin {
                unsafe addBlocks(leaves, &block)
            } else {
                unsafe bin(&block)
                unsafe walk(0..<UInt32(layout.treeCount), leaves, &block)
            }
            unsafe ct_end(
                leaves, layout.divisor, layout.scale, layout.addsBaseFirst ? nil : base, &block,
                out)
        }
    }

    @unsafe private func addBlocks(
        _ leaves: UnsafePointer<ct_leaves>, _ block: inout ct_block
    ) {
        unsafe withUnsafePointer(to: narrowColumns) { columns in
            unsafe ct_bin_narrow(
                columns, block.features, block.row, block.rows, narrowBins.base)
        }
        if walksSomeOfBlock { unsafe bin(&block) }
        for run in layout.runs {
            guard run.isInBlocks else {
                unsafe walk(run.trees, leaves, &block)
                continue
            }
            unsafe withUnsafePointer(to: blocks) { trees in
                unsafe ct_blocks(
                    trees, run.trees.lowerBound, run.trees.upperBound, narrowBins.base, leaves,
                    &block)
            }
        }
    }

    @unsafe private func bin(_ block: inout ct_block) {
        let isWide = layout.walks.isWide
        unsafe withUnsafePointer(to: wideColumns) { columns in
            if isWide {
                unsafe ct_bin_wide32(
                    columns, block.features, block.row, block.rows, wideBins.base)
            } else {
                unsafe ct_bin_wide16(
                    columns, block.features, block.row, block.rows,
                    UnsafeMutableRawPointer(wideBins.base).assumingMemoryBound(to: UInt16.self))
            }
        }
    }

    @unsafe private func walk(
        _ trees: Range<UInt32>, _ leaves: UnsafePointer<ct_leaves>, _ block: inout ct_block
    ) {
        unsafe withUnsafePointer(to: walks) { walks in
            unsafe ct_walk(
                walks, trees.lowerBound, trees.upperBound, wideBins.base, leaves,
                &block)
        }
    }
}
