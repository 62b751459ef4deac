import MillraceCore
import MillraceTestKit

/// An engine that answers twice its input, slowly or not at all.
final class SimulatedModel: Model, @unchecked Sendable {  // sound: a run has one thread
    let signature = Signature(
        inputs: [ModelInput(name: "x", type: .float64, rowShape: [])],
        outputs: [ModelOutput(name: "y", type: .float64, rowShape: [])])
    let engineVersion = "simulated"
    let facts = ModelFacts(format: "simulated")
    private let cluster: Cluster

    init(_ cluster: Cluster) { self.cluster = cluster }

    func makeSession(outputs: [String], maxRows: Int) throws(ModelError) -> any Session {
        SimulatedSession(cluster, maxRows: maxRows)
    }
}

@safe private final class SimulatedSession: Session {
    let predictions = PredictionColumns(
        columns: [PredictionColumn(name: "y", type: .float64, width: 1)])
    private let cluster: Cluster
    private let world: World
    private let answers: UnsafeMutablePointer<Double>

    init(_ cluster: Cluster, maxRows: Int) {
        self.cluster = cluster
        world = cluster.world
        unsafe answers = .allocate(capacity: maxRows)
    }

    deinit { unsafe answers.deallocate() }

    func predict(_ features: FeatureColumns, rows: Range<Int>) throws(ModelError) {
        world.interleave()
        world.nowNs += world.engine.callNs
        var isRefused = false
        for (index, row) in rows.enumerated() {
            let input = unsafe features.columns[0].storage.load(
                fromByteOffset: row * 8, as: Double.self)
            unsafe answers[index] = input * 2
            if cluster.isPoison(Int64(input)) { isRefused = true }
        }
        if world.engine.failuresLeft > 0 {
            world.engine.failuresLeft -= 1
            isRefused = true
        }
        if world.nowNs < world.engine.failsUntilNs { isRefused = true }
        world.trace("engine \(isRefused ? "refuses" : "scores") \(rows.count) rows")
        guard isRefused else {
            unsafe predictions.columns[0].base = UnsafeRawPointer(answers)
            predictions.rowCount = rows.count
            return
        }
        if rows.count == 1 { unsafe cluster.noteEngineRefusal(of: Int64(answers[0] / 2)) }
        throw ModelError(.inference, "refused on purpose")
    }
}
