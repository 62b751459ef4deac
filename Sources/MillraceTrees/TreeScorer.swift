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
///
/// Rows go in tiles of up to 8 blocks: some trees for all of a tile's blocks, then the next trees,
/// so that large ensembles come from memory once a tile and not once a block.
@safe package final class TreeScorer {
    private static let blockRows = Int(CT_BLOCK_ROWS)
    private static let tileBlocksMax = 8
    /// Bins and sums of a tile stay within half of a usual second-level cache.
    private static let tileBytes = 1 << 19

    private let layout: TreeLayout
    private let leaves: ct_leaves
    private let walks: ct_walk_trees
    private let wideColumns: ct_columns
    private let blocks: ct_block_trees
    private let narrowColumns: ct_columns
    private let rowTrees: ct_row_trees
    private let views: AlignedArray<ct_view>
    private let walksSomeOfBlock: Bool
    private let tileBlocks: Int
    /// One block's bins after the other's.
    private let wideBins: AlignedArray<UInt8>
    private let wideBytes: Int
    private let narrowBins: AlignedArray<UInt8>
    private let narrowBytes: Int
    /// Doubles, or floats in their places.
    private let sums: AlignedArray<Double>
    private let isSet: AlignedArray<Bool>?

    package init(_ layout: TreeLayout) {
        self.layout = layout
        unsafe leaves = layout.leaves.wall
        unsafe walks = layout.walks.wall
        unsafe wideColumns = layout.walks.columns.wall
        unsafe blocks = layout.blocks?.wall ?? ct_block_trees()
        unsafe narrowColumns = layout.blocks?.columns.wall ?? ct_columns()
        unsafe rowTrees = layout.rows?.wall ?? ct_row_trees()
        unsafe views = AlignedArray(repeating: unsafe ct_view(), count: layout.viewCount)
        walksSomeOfBlock = layout.runs.contains { !$0.isInBlocks }
        // Trees that are single leaves have no column, but a place where they would look.
        wideBytes =
            max(1, layout.walks.columns.count) * Self.blockRows * (layout.walks.isWide ? 4 : 2)
        // A block's bins lie column by column, or row by row.
        narrowBytes =
            max(
                layout.blocks?.columns.count ?? 1,
                layout.rows == nil ? 1 : Int(CT_ROW_COLUMNS)) * Self.blockRows
        let sumCount = layout.targetCount * Self.blockRows
        let blockBytes = wideBytes + narrowBytes + sumCount * 8
        tileBlocks = max(1, min(Self.tileBlocksMax, Self.tileBytes / blockBytes))
        wideBins = AlignedArray(repeating: 0, count: tileBlocks * wideBytes)
        narrowBins = AlignedArray(repeating: 0, count: tileBlocks * narrowBytes)
        sums = AlignedArray(repeating: 0, count: tileBlocks * sumCount)
        isSet =
            layout.leaves.needsSetFlags
            ? AlignedArray(repeating: false, count: tileBlocks * sumCount) : nil
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
            let count = min(tileBlocks * Self.blockRows, rows - row)
            unsafe scoreTile(row, count, into: out + row * rowBytes)
            row += count
        }
    }

    private func scoreTile(_ row: Int, _ rows: Int, into out: UnsafeMutableRawPointer) {
        let base = unsafe layout.base?.pointer
        let blockCount = (rows + Self.blockRows - 1) / Self.blockRows
        unsafe withUnsafePointer(to: leaves) { leaves in
            for index in 0..<blockCount {
                var block = unsafe block(index, row, rows)
                unsafe ct_begin(leaves, layout.addsBaseFirst ? base : nil, &block)
                unsafe bin(index, &block)
            }
            for run in layout.runs {
                for index in 0..<blockCount {
                    var block = unsafe block(index, row, rows)
                    unsafe add(run, index, leaves, &block)
                }
            }
            let rowBytes = layout.targetCount * (layout.leaves.isDouble ? 8 : 4)
            for index in 0..<blockCount {
                var block = unsafe block(index, row, rows)
                unsafe ct_end(
                    leaves, layout.divisor, layout.scale, layout.addsBaseFirst ? nil : base,
                    &block, out + index * Self.blockRows * rowBytes)
            }
        }
    }

    /// The block of this index in the tile of `rows` rows that begins at `row`.
    @unsafe private func block(_ index: Int, _ row: Int, _ rows: Int) -> ct_block {
        let first = index * Self.blockRows
        let sumCount = layout.targetCount * Self.blockRows
        let size = layout.leaves.isDouble ? 8 : 4
        var block = unsafe ct_block()
        unsafe block.sums = UnsafeMutableRawPointer(sums.base) + index * sumCount * size
        unsafe block.is_set = isSet.map { unsafe $0.base + index * sumCount }
        unsafe block.features = UnsafePointer(views.base)
        unsafe block.row = row + first
        unsafe block.rows = Int32(min(Self.blockRows, rows - first))
        return unsafe block
    }

    /// How the trees of `BlockLayout` are scored; all others are walked.
    private enum Way { case block, rows, walks }

    private func way(_ rows: Int32) -> Way {
        guard let blocks = layout.blocks else { return .walks }
        if let few = layout.rows { return Int(rows) >= few.blockRowsMin ? .block : .rows }
        return Int(rows) >= blocks.rowsMin ? .block : .walks
    }

    @unsafe private func bin(_ index: Int, _ block: inout ct_block) {
        let way = unsafe way(block.rows)
        let narrow = unsafe narrowBins.base + index * narrowBytes
        unsafe withUnsafePointer(to: narrowColumns) { columns in
            switch way {
            case .block:
                unsafe ct_bin_narrow(columns, block.features, block.row, block.rows, narrow)
            case .rows:
                unsafe ct_bin_rows(columns, block.features, block.row, block.rows, narrow)
            case .walks: break
            }
        }
        guard way == .walks || walksSomeOfBlock else { return }
        let isWide = layout.walks.isWide
        let bins = unsafe UnsafeMutableRawPointer(wideBins.base + index * wideBytes)
        unsafe withUnsafePointer(to: wideColumns) { columns in
            if isWide {
                unsafe ct_bin_wide32(
                    columns, block.features, block.row, block.rows,
                    bins.assumingMemoryBound(to: UInt32.self))
            } else {
                unsafe ct_bin_wide16(
                    columns, block.features, block.row, block.rows,
                    bins.assumingMemoryBound(to: UInt16.self))
            }
        }
    }

    @unsafe private func add(
        _ run: TreeLayout.Run, _ index: Int, _ leaves: UnsafePointer<ct_leaves>,
        _ block: inout ct_block
    ) {
        let (first, end) = (run.trees.lowerBound, run.trees.upperBound)
        let way: Way = run.isInBlocks ? unsafe way(block.rows) : .walks
        let narrow = unsafe narrowBins.base + index * narrowBytes
        switch way {
        case .block:
            unsafe withUnsafePointer(to: blocks) { trees in
                unsafe ct_blocks(trees, first, end, narrow, leaves, &block)
            }
        case .rows:
            unsafe withUnsafePointer(to: rowTrees) { trees in
                unsafe ct_rows(trees, first, end, narrow, leaves, &block)
            }
        case .walks:
            unsafe withUnsafePointer(to: walks) { walks in
                unsafe ct_walk(
                    walks, first, end, wideBins.base + index * wideBytes, leaves, &block)
            }
        }
    }
}
