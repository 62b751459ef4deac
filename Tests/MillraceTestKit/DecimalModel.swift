package import MillraceCore

/// A model that answers twice its input, and fails as it is told.
package final class DecimalModel: Model {
    package let signature = Signature(
        inputs: [ModelInput(name: "x", type: .float64, rowShape: [])],
        outputs: [ModelOutput(name: "y", type: .float64, rowShape: [])])
    package let engineVersion = "test"
    package let facts = ModelFacts(format: "test")
    /// Every call waits here first.
    package let gate = Gate()
    private let state = Guarded(State())

    private struct State {
        var refused: Set<Double> = []
        var refusesAll = false
        var failuresLeft = 0
        var calls: [Int] = []
    }

    package init() {}

    /// Calls whose rows hold one of these values fail.
    package func refuse(_ values: Set<Double>) { state.change { $0.refused = values } }

    /// Every call fails, or none.
    package func refuseAll(_ refuses: Bool) { state.change { $0.refusesAll = refuses } }

    /// The next `count` calls fail.
    package func failNext(_ count: Int) { state.change { $0.failuresLeft = count } }

    /// Rows of each call so far.
    package var calls: [Int] { state.read { $0.calls } }

    package func makeSession(
        outputs: [String], maxRows: Int
    ) throws(ModelError) -> any Session {
        DecimalSession(self, maxRows: maxRows)
    }

    fileprivate func enter(_ inputs: [Double]) throws(ModelError) {
        state.change { $0.calls.append(inputs.count) }
        gate.pass()
        let isRefused = state.change { state in
            if state.failuresLeft > 0 {
                state.failuresLeft -= 1
                return true
            }
            return state.refusesAll || inputs.contains { state.refused.contains($0) }
        }
        if isRefused { throw ModelError(.inference, "refused on purpose") }
    }
}

@safe private final class DecimalSession: Session {
    let predictions: PredictionColumns
    private let model: DecimalModel
    private let answers: UnsafeMutablePointer<Double>

    init(_ model: DecimalModel, maxRows: Int) {
        self.model = model
        unsafe answers = .allocate(capacity: maxRows)
        predictions = PredictionColumns(
            columns: [PredictionColumn(name: "y", type: .float64, width: 1)])
    }

    deinit { unsafe answers.deallocate() }

    func predict(_ features: FeatureColumns, rows: Range<Int>) throws(ModelError) {
        let inputs = rows.map { row in
            unsafe features.columns[0].storage.load(fromByteOffset: row * 8, as: Double.self)
        }
        try model.enter(inputs)
        for (index, input) in inputs.enumerated() { unsafe answers[index] = input * 2 }
        unsafe predictions.columns[0].base = UnsafeRawPointer(answers)
        predictions.rowCount = rows.count
    }
}
