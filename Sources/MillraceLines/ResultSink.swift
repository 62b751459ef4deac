package import MillraceCore
internal import Synchronization

/// What became of one record of the input.
package struct LineResult: Sendable, Equatable {
    /// Number of the record in the input, from 0.
    package let number: Int
    /// The value that comes out: enriched, or as it came. Nil for a dead letter.
    package let value: [UInt8]?
    /// The reason of a dead letter.
    package let error: RecordError?

    package init(number: Int, value: [UInt8]?, error: RecordError?) {
        self.number = number
        self.value = value
        self.error = error
    }
}

/// Keeps the results in memory, in the order of the input: for inputs that are small.
package final class ResultSink: Sink, Sendable {
    private let state = Mutex(State())
    private let waker: Waker

    private struct State {
        var results: [LineResult] = []
        var answers: [Delivery] = []
    }

    /// Fails where the process has no file descriptor left.
    package init() throws(ServiceError) {
        guard let waker = Waker() else {
            throw ServiceError(
                code: "", message: "no file descriptor left", isFatal: true, isRetriable: false)
        }
        self.waker = waker
    }

    /// The results so far.
    package var results: [LineResult] { state.withLock { $0.results } }

    package func write(_ batch: Batch, positions: Range<Int>) -> WriteProgress {
        guard !positions.isEmpty else { return .done }
        let results = positions.map { Self.result(of: unsafe Int(batch.order[$0]), in: batch) }
        let first = unsafe Int(batch.order[positions.lowerBound])
        let answer = Delivery(
            slot: batch.slot, run: unsafe Int(batch.results[first].run), record: first,
            count: positions.count, failure: nil)
        state.withLock {
            $0.results += results
            $0.answers.append(answer)
        }
        waker.wake()
        return .done
    }

    private static func result(of index: Int, in batch: Batch) -> LineResult {
        let record = unsafe batch.records[index]
        let result = unsafe batch.results[index]
        let number = unsafe Int(record.offset)
        switch result.state {
        case .scored:
            let start = unsafe batch.arena.base + result.outputStart
            let bytes = unsafe UnsafeRawBufferPointer(start: start, count: result.outputCount)
            return LineResult(number: number, value: unsafe Array(bytes), error: nil)
        case .passed:
            let bytes = unsafe UnsafeRawBufferPointer(start: record.value, count: record.valueCount)
            return LineResult(number: number, value: unsafe Array(bytes), error: nil)
        case .dead, .taken:
            let undecided = RecordError(.inference, "the record was not decided")
            return LineResult(
                number: number, value: nil, error: batch.error(of: index) ?? undecided)
        }
    }

    package func poll(into deliveries: inout [Delivery], timeoutMs: Int32) {
        let isEmpty = state.withLock { $0.answers.isEmpty }
        if isEmpty { waker.wait(timeoutMs: timeoutMs) }
        deliveries += state.withLock { state in
            defer { state.answers.removeAll() }
            return state.answers
        }
    }

    package func wake() { waker.wake() }

    package func purge() {}

    package func restart() throws(ServiceError) {}

    package func close() {}
}
