/// The values of one model input for a batch: `capacityRows` rows of `width` elements, row-major,
/// filled by a format and read by an engine. Allocated once per lane and reused.
@safe package final class FeatureColumn {
    package let name: String
    package let type: ElementType
    /// Elements of one row, at least 1.
    package let width: Int
    /// Dimensions after the batch, all known.
    package let rowShape: [Int]
    package let capacityRows: Int
    /// capacityRows x width elements of `type.byteCount` bytes; strings as `TextSlice` whose text
    /// the format keeps alive until its next `read`.
    package let storage: UnsafeMutableRawBufferPointer

    /// Nil where the size overflows or exceeds `limitBytes`.
    package init?(
        name: String, type: ElementType, rowShape: [Int], capacityRows: Int,
        limitBytes: Int = 1 << 30
    ) {
        var size = type.byteCount
        var width = 1
        for factor in rowShape + [capacityRows] {
            let (next, overflow) = size.multipliedReportingOverflow(by: factor)
            guard !overflow, factor > 0, next <= limitBytes else { return nil }
            size = next
        }
        for dimension in rowShape { width *= dimension }
        self.name = name
        self.type = type
        self.width = width
        self.rowShape = rowShape
        self.capacityRows = capacityRows
        unsafe self.storage = .allocate(byteCount: size, alignment: 64)
        _ = unsafe self.storage.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe storage.deallocate() }

    /// Bytes of one row.
    package var rowBytes: Int { width * type.byteCount }
}

/// All model inputs of one lane's batch; `columns` in the order of the signature's inputs.
package final class FeatureColumns {
    package let columns: [FeatureColumn]
    /// Rows filled by the last `read`.
    package var rowCount = 0
    /// For each filled row, the index of its record in the batch.
    package var recordOfRow: [Int32]

    package init(columns: [FeatureColumn], capacityRows: Int) {
        self.columns = columns
        self.recordOfRow = Array(repeating: 0, count: capacityRows)
    }
}

extension FeatureColumns {
    /// The columns that a plan asks for, for batches of up to `capacityRows` records. Fails where
    /// they would take too much memory.
    package convenience init(_ plan: FeaturePlan, capacityRows: Int) throws(ModelError) {
        var columns: [FeatureColumn] = []
        for column in plan.columns {
            guard
                let made = FeatureColumn(
                    name: column.name, type: column.type, rowShape: column.rowShape,
                    capacityRows: capacityRows)
            else {
                throw ModelError(
                    .unsupported,
                    "model input '\(column.name)' is too large for batches of \(capacityRows)"
                        + " records; lower batch.max_records")
            }
            columns.append(made)
        }
        self.init(columns: columns, capacityRows: capacityRows)
    }
}

extension FeatureColumns {
    /// Refuses columns that are not those of the inputs, in number, type and shape.
    package func check(against inputs: [ModelInput]) throws(ModelError) {
        guard columns.count == inputs.count else {
            throw ModelError(
                .inference, "\(columns.count) columns for a model with \(inputs.count) inputs")
        }
        for (column, input) in zip(columns, inputs) {
            let hasShape =
                column.rowShape.count == input.rowShape.count
                && zip(column.rowShape, input.rowShape).allSatisfy { $1 == nil || $0 == $1 }
            guard column.type == input.type, hasShape else {
                throw ModelError(
                    .inference,
                    "column '\(column.name)' does not have type and shape of input '\(input.name)'")
            }
        }
    }
}

extension FeatureColumns {
    /// Rows of zeros and empty texts; nil where an input leaves its width open or is too large.
    package convenience init?(zerosFor inputs: [ModelInput], rows: Int) {
        var columns: [FeatureColumn] = []
        for input in inputs {
            let shape = input.rowShape.compactMap { $0 }
            guard shape.count == input.rowShape.count,
                let column = FeatureColumn(
                    name: input.name, type: input.type, rowShape: shape, capacityRows: rows)
            else { return nil }
            columns.append(column)
        }
        self.init(columns: columns, capacityRows: rows)
        rowCount = rows
    }
}

/// The values of one model output for the rows of one `predict`: lent by the session until its next
/// `predict`.
@safe package final class PredictionColumn {
    package let name: String
    /// Rows x `width` elements of `type.byteCount` bytes, row-major; strings as `TextSlice`.
    package var base: UnsafeRawPointer?
    package var type: ElementType
    /// Elements of one row.
    package var width: Int

    package init(name: String, type: ElementType, width: Int) {
        self.name = name
        self.type = type
        self.width = width
        unsafe self.base = nil
    }
}

/// All requested model outputs of one `predict`, in the order of the request.
package final class PredictionColumns {
    package let columns: [PredictionColumn]
    /// Rows of the last `predict`.
    package var rowCount = 0

    package init(columns: [PredictionColumn]) { self.columns = columns }
}
