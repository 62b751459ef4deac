/// A copy of a row that the engine has scored, or a row of zeros and empty texts that may turn out
/// to be one. An engine that refuses all it gets is tried with it: what it refuses beside this row
/// is bad, and not the engine.
@safe package final class ProvenRow {
    /// One row, of no record.
    package let features: FeatureColumns
    /// What the row's texts point to.
    private let text: UnsafeMutablePointer<UInt8>

    /// Copies a filled row. Nil where there is no memory for it.
    package init?(_ row: Int, of source: FeatureColumns) {
        guard let columns = Self.blankColumns(like: source) else { return nil }
        var textCount = 0
        for (column, copy) in zip(source.columns, columns) {
            let bytes = row * column.rowBytes..<(row + 1) * column.rowBytes
            let held = unsafe column.storage.count
            guard bytes.lowerBound >= 0, bytes.upperBound <= held else { return nil }
            unsafe copy.storage.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: column.storage[bytes]))
            if column.type == .string {
                let slices = unsafe copy.storage.bindMemory(to: TextSlice.self)
                for index in slices.indices { unsafe textCount += slices[index].count }
            }
        }
        features = FeatureColumns(columns: columns, capacityRows: 1)
        features.rowCount = 1
        unsafe text = .allocate(capacity: max(1, textCount))
        var used = 0
        for column in columns where column.type == .string {
            let slices = unsafe column.storage.bindMemory(to: TextSlice.self)
            for index in slices.indices {
                let slice = unsafe slices[index]
                guard let start = unsafe slice.start else { continue }
                let place = unsafe text + used
                unsafe place.initialize(from: start, count: slice.count)
                unsafe slices[index] = TextSlice(start: place, count: slice.count)
                unsafe used += slice.count
            }
        }
    }

    /// A row of zeros and empty texts. Nil where there is no memory for it.
    package init?(blankFor source: FeatureColumns) {
        guard let columns = Self.blankColumns(like: source) else { return nil }
        features = FeatureColumns(columns: columns, capacityRows: 1)
        features.rowCount = 1
        unsafe text = .allocate(capacity: 1)
    }

    /// Columns of one row each, all bytes zero: an empty text is a slice without a start.
    private static func blankColumns(like source: FeatureColumns) -> [FeatureColumn]? {
        var columns: [FeatureColumn] = []
        for column in source.columns {
            guard
                let blank = FeatureColumn(
                    name: column.name, type: column.type, rowShape: column.rowShape,
                    capacityRows: 1)
            else { return nil }
            unsafe blank.storage.initializeMemory(as: UInt8.self, repeating: 0)
            columns.append(blank)
        }
        return columns
    }

    deinit { unsafe text.deallocate() }
}
