import MillraceCore
import MillraceTestKit

/// Mistakes that a worker could make.
package enum PlantedFault: String, CaseIterable, Sendable {
    case commitsWhatItHasRead
}

struct PlantedParts {
    let source: any TransactionalSource
    let sink: any TransactionalSink

    init(
        _ source: SimulatedSource, _ sink: SimulatedSink, _ cluster: Cluster,
        _ process: ProcessState
    ) {
        self.source = source
        self.sink = sink
    }
}
