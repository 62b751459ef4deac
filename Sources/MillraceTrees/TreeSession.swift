import MillraceCore

/// One lane's session: the steps that its outputs need, bound to buffers of its own.
final class TreeSession: Session {
    let predictions: PredictionColumns

    private let inputs: [ModelInput]
    private let maxRows: Int
    private let path: String
    private let plan: SessionPlan
    /// What the views point at.
    private var bound: FeatureColumns?
    private var boundStart = 0

    /// - Parameter outputs: of the program, in the order asked for.
    init(
        _ checked: CheckedProgram, outputs: [TreeProgram.Output], maxRows: Int, path: String
    ) throws(ModelError) {
        self.maxRows = max(1, maxRows)
        self.path = path
        inputs = checked.program.inputs
        plan = try SessionPlan(checked, outputs: outputs, maxRows: self.maxRows, path: path)
        predictions = PredictionColumns(columns: plan.columns)
    }

    func predict(_ features: FeatureColumns, rows: Range<Int>) throws(ModelError) {
        predictions.rowCount = 0
        let start = rows.lowerBound
        if features !== bound || start != boundStart { try bind(features, start: start) }
        for index in features.columns.indices
        where start < 0 || rows.upperBound > features.columns[index].capacityRows {
            throw ModelError(
                .inference, "input '\(inputs[index].name)': rows outside of the batch")
        }
        guard rows.count <= maxRows else {
            throw ModelError(
                .inference, "\(rows.count) rows for a session of at most \(maxRows)")
        }
        guard !rows.isEmpty else { return }
        guard plan.run(rows: rows.count) else {
            throw ModelError(.inference, "\(path): the model chose a label that it does not have")
        }
        predictions.rowCount = rows.count
    }

    private func bind(_ features: FeatureColumns, start: Int) throws(ModelError) {
        bound = nil
        try features.check(against: inputs)
        for column in features.columns where start < 0 || start > column.capacityRows {
            throw ModelError(.inference, "input '\(column.name)': rows outside of the batch")
        }
        plan.bind(features.columns, start: start)
        bound = features
        boundStart = start
    }
}
