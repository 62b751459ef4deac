internal import MillraceConfig
internal import MillraceCore
internal import MillraceWorker
internal import Synchronization

/// Gathers what `/status.json` says of a running pipeline.
final class StatusReport: Sendable {
    /// What the report asks each time.
    struct Parts: Sendable {
        let file: PipelineFile
        let append: AppendPlan
        let info: WorkerMetrics.Info
        let health: @Sendable () -> Health
        let snapshot: @Sendable () -> WorkerSnapshot
        let samples: @Sendable () -> [RecordSample]
        let partitions: @Sendable (WorkerSnapshot) -> [PartitionProgress]
    }

    /// An answer serves all that ask within this time: however many pages are open, and however
    /// often somebody asks, the worker is looked at ten times a second at most.
    private static let freshNs: Int64 = 100_000_000

    private let parts: Parts
    private let clock: WorkerClock
    private let state: Mutex<State>

    private struct State {
        var recent: RecentTimes
        var answer: (text: String, atNs: Int64)?
    }

    init(_ parts: Parts, clock: WorkerClock = .system) {
        self.parts = parts
        self.clock = clock
        state = Mutex(State(recent: RecentTimes(nowNs: clock.monotonicNs())))
    }

    /// The document, on one line.
    func text() -> String {
        let nowNs = clock.monotonicNs()
        return state.withLock { state in
            if let answer = state.answer, nowNs &- answer.atNs < Self.freshNs { return answer.text }
            let snapshot = parts.snapshot()
            let latency = state.recent.take(snapshot.timings, nowNs: nowNs)
            // No value of it can fail to be written: it has no floating-point number.
            let text = (try? JSONLine.text(of: status(snapshot, latency, nowNs: nowNs))) ?? "{}"
            state.answer = (text, nowNs)
            return text
        }
    }

    private func status(
        _ worker: WorkerSnapshot, _ latency: [Status.Latency], nowNs: Int64
    ) -> Status {
        let file = parts.file
        let health = parts.health()
        return Status(
            pipeline: file.name, from: file.source.topic, to: file.sink.topic,
            deadLetters: file.deadLetter?.topic, group: file.source.group, isLive: health.isLive,
            isReady: health.isReady, missing: health.missing, clockMs: nowNs / 1_000_000,
            records: Self.records(worker.counters), dead: Self.dead(worker.counters),
            batches: Status.Batches(
                count: worker.counters.batches, limit: worker.maxRecords, lanes: worker.lanes,
                sizes: worker.timings.batchRecords.perBucket),
            latency: latency, partitions: Status.Partitions(parts.partitions(worker)),
            flow: Self.flow(worker), model: model,
            versions: Status.Versions(
                millrace: parts.info.version, librdkafka: parts.info.kafkaVersion),
            samples: Status.Samples(
                parts.samples(), limit: file.http?.samples ?? 0, hide: file.http?.hide ?? [],
                append: parts.append, nowUs: clock.wallUs()))
    }

    private static func records(_ counters: FlowCounters) -> Status.Records {
        Status.Records(
            incoming: counters.recordsIn, scored: counters.scored, passed: counters.passed,
            dead: counters.deadTotal, discarded: counters.discarded,
            bytesIn: counters.payloadBytesIn, bytesOut: counters.outputBytes)
    }

    private static func dead(_ counters: FlowCounters) -> [Status.Reason] {
        zip(RecordError.Kind.allCases, counters.dead).compactMap { kind, count in
            count == 0 ? nil : Status.Reason(reason: kind.rawValue, count: count)
        }
    }

    private static func flow(_ worker: WorkerSnapshot) -> Status.Flow {
        Status.Flow(
            inFlightBytes: worker.chargedBytes, inFlightLimitBytes: worker.boundBytes,
            isPaused: worker.isPaused, pauses: worker.pauses, rebalances: worker.rebalances,
            rewinds: worker.counters.rewinds, deliveryFailures: worker.counters.deliveryFailures,
            producerRestarts: worker.counters.sinkRestarts)
    }

    private var model: Status.Model {
        let (name, version) = parts.info.modelParts
        return Status.Model(
            name: name, version: version, engine: parts.info.engine,
            engineVersion: parts.info.engineVersion)
    }
}
