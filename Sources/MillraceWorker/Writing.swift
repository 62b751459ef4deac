internal import MillraceCore
internal import Synchronization

/// Writing to the sink: done by the lane that has finished a batch or by the delivery thread when
/// answers have let the next group go, whoever comes first; one at a time.
extension WorkerShared {
    /// Writes all that may be written now. Never waits for the sink.
    func writeReady() {
        guard flow.withLock({ $0.takeTurn() }) else { return }
        while true {
            let nowNs = now()
            let step = flow.withLock { $0.nextStep(nowNs: nowNs) }
            switch step {
            case .end: return
            case .release(let batch): release(batch)
            case .write(let write):
                if let batch = hand(write) { release(batch) }
            }
        }
    }

    /// Hands records to the sink; returns the batch where all of it is written.
    private func hand(_ write: Flow.Write) -> Batch? {
        let start = write.batch.runs[write.run].first + write.first
        var written = 0
        while true {
            switch sink.write(
                write.batch, positions: (start + written)..<(start + write.count))
            {
            case .done:
                return flow.withLock { $0.wrote(write, write.count) }
            case .full(let more):
                return flow.withLock { $0.wrote(write, written + more) }
            case .failed(let more, let error):
                written += more
                let record = unsafe Int(write.batch.order[start + written])
                if settings.onError == .pass, write.batch.passUnscored(record) { continue }
                return giveUp(write, after: written, record: record, error)
            }
        }
    }

    /// The sink takes nothing more of the write, from its `record` on.
    private func giveUp(
        _ write: Flow.Write, after written: Int, record: Int, _ error: ServiceError
    ) -> Batch? {
        if settings.onError == .stop, let reason = write.batch.error(of: record) {
            // Too large for the output, seen by the sink, and no dead letters to go to.
            refuse(record, of: write.batch, reason)
        }
        log(.error, "output failed: \(error)")
        let finished = flow.withLock { flow in
            flow.breakSink(nowNs: now())
            return flow.wrote(write, written)
        }
        // After it is broken: until then the delivery thread would take the problem for solved.
        status.withLock { $0.sinkProblem = error.description }
        return finished
    }

    private func release(_ batch: Batch) {
        unsafe source.release(batch.records, count: batch.count)
        if let finished = flow.withLock({ $0.released(batch) }) { recycle(finished) }
    }
}
