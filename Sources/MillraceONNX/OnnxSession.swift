import MillraceCore

/// One lane's session. Inputs are read where the format wrote them; number outputs stay in ONNX
/// Runtime's memory until the next `predict`.
final class OnnxSession: Session {
    let predictions: PredictionColumns

    private let runner: Runner
    private let inputs: [ModelInput]
    private let outputs: [OutputReader]
    private let fixedBatch: Int?
    /// The columns that the runner's tensors and `padding` are shaped for.
    private var bound: FeatureColumns?
    /// Takes the last rows where they do not fill a fixed batch.
    private var padding: [FeatureColumn] = []

    /// - Parameters:
    ///   - outputs: of the signature, in the order asked for.
    ///   - tensors: the graph's own name of each.
    init(
        handle: SessionHandle, signature: Signature, outputs: [ModelOutput], tensors: [String]
    ) {
        // Two outputs may stand for one tensor (a ZipMap's scores that are an output too).
        var names: [String] = []
        var readers: [OutputReader] = []
        for (output, tensor) in zip(outputs, tensors) {
            let index = names.firstIndex(of: tensor) ?? names.count
            if index == names.count { names.append(tensor) }
            readers.append(OutputReader(output, index: index))
        }
        runner = Runner(handle: handle, inputs: signature.inputs, outputs: names)
        inputs = signature.inputs
        fixedBatch = signature.fixedBatch
        self.outputs = readers
        predictions = PredictionColumns(columns: readers.map(\.column))
    }

    func predict(_ features: FeatureColumns, rows: Range<Int>) throws(ModelError) {
        predictions.rowCount = 0
        if features !== bound { try bind(features) }
        guard !rows.isEmpty else { return }
        if let fixedBatch, fixedBatch != rows.count {
            try predictParts(features.columns, rows, batch: fixedBatch)
        } else {
            try runner.run(features.columns, start: rows.lowerBound, rows: rows.count)
            for output in outputs { try output.point(at: runner, rows: rows.count) }
        }
        predictions.rowCount = rows.count
    }

    private func bind(_ features: FeatureColumns) throws(ModelError) {
        bound = nil
        try features.check(against: inputs)
        padding = []
        if let fixedBatch {
            for column in features.columns {
                guard
                    let padded = FeatureColumn(
                        name: column.name, type: column.type, rowShape: column.rowShape,
                        capacityRows: fixedBatch)
                else {
                    throw ModelError(
                        .inference,
                        "input '\(column.name)': a batch of \(fixedBatch) rows is too large")
                }
                padding.append(padded)
            }
        }
        runner.setShapes(of: features.columns)
        bound = features
    }

    private func predictParts(
        _ columns: [FeatureColumn], _ rows: Range<Int>, batch: Int
    ) throws(ModelError) {
        for output in outputs { output.begin() }
        var row = rows.lowerBound
        while row < rows.upperBound {
            let count = min(batch, rows.upperBound - row)
            if count == batch {
                try runner.run(columns, start: row, rows: batch)
            } else {
                try pad(columns, row..<row + count, to: batch)
                try runner.run(padding, start: 0, rows: batch)
            }
            for output in outputs { try output.gather(from: runner, rows: batch, keep: count) }
            row += count
        }
        for output in outputs { output.finish() }
    }

    /// Copies the rows and repeats the last one, which the model accepts if it accepts the row.
    private func pad(
        _ columns: [FeatureColumn], _ rows: Range<Int>, to batch: Int
    ) throws(ModelError) {
        for (column, padded) in zip(columns, padding) {
            let size = column.rowBytes
            guard rows.lowerBound >= 0, rows.upperBound <= column.capacityRows,
                let from = unsafe column.storage.baseAddress,
                let to = unsafe padded.storage.baseAddress
            else {
                throw ModelError(.inference, "input '\(column.name)': rows outside of the batch")
            }
            for row in 0..<batch {
                let source = min(rows.lowerBound + row, rows.upperBound - 1)
                unsafe (to + row * size).copyMemory(from: from + source * size, byteCount: size)
            }
        }
    }
}
