internal import Glibc
package import MillraceCore
internal import Synchronization

/// Writes enriched values as lines to one file descriptor and dead letters as JSON lines to
/// another, in the order of the input. What a lane hands over is copied; the thread that polls
/// writes it, so that no lane waits for a slow reader.
@safe package final class LineSink: Sink, @unchecked Sendable {
    // Sound: what is staged is touched under `gate`; the rest is the polling thread's or constant.

    /// The two outputs; the caller closes them.
    package struct Outputs: Sendable {
        package let values: Int32
        package let deadLetters: Int32
        /// Called around each writing of dead letters, which others may write between.
        package let aroundDeadLetters: @Sendable (() -> Void) -> Void

        package init(
            values: Int32, deadLetters: Int32,
            aroundDeadLetters: @escaping @Sendable (() -> Void) -> Void = { $0() }
        ) {
            self.values = values
            self.deadLetters = deadLetters
            self.aroundDeadLetters = aroundDeadLetters
        }
    }

    private let outputs: Outputs
    private let maxLineBytes: Int
    private let waker: Waker
    private let onFailure = Mutex<(@Sendable () -> Void)?>(nil)
    private let failure = Mutex<OutputFailure?>(nil)
    private let gate = Mutex(())
    private var staged = Stage()
    /// What the polling thread writes.
    private var writing = Stage()

    /// Lines that wait to be written, and the answers for them.
    private struct Stage {
        var values = OutputArena()
        var deadLetters = OutputArena()
        var answers: [Delivery] = []
    }

    /// More than this does not wait to be written, but for one record.
    private static let stageBytes = 1 << 20

    /// Fails where the process has no file descriptor left. `maxLineBytes` is the source's.
    package init(_ outputs: Outputs, maxLineBytes: Int) throws(ServiceError) {
        guard let waker = Waker() else {
            throw ServiceError(
                code: "", message: "no file descriptor left", isFatal: true, isRetriable: false)
        }
        self.waker = waker
        self.outputs = outputs
        self.maxLineBytes = maxLineBytes
    }

    /// Called once when an output fails, on the delivery thread. From then on records are taken and
    /// dropped, so that the worker can end; this is the time to stop it.
    package func onFailure(_ body: @escaping @Sendable () -> Void) {
        onFailure.withLock { $0 = body }
    }

    /// Why an output failed; nil while none has.
    package var outputFailure: OutputFailure? { failure.withLock { $0 } }

    // MARK: Taking over

    package func write(_ batch: Batch, positions: Range<Int>) -> WriteProgress {
        let taken = gate.withLock { _ in stage(batch, positions) }
        if taken > 0 { waker.wake() }
        return taken == positions.count ? .done : .full(written: taken)
    }

    /// Copies records until the stage is full; returns how many.
    private func stage(_ batch: Batch, _ positions: Range<Int>) -> Int {
        let values = staged.values
        let order = unsafe batch.order
        var taken = 0
        for position in positions {
            guard values.used + staged.deadLetters.used < Self.stageBytes else { break }
            let index = unsafe Int(order[position])
            switch unsafe batch.results[index].state {
            case .scored:
                let result = unsafe batch.results[index]
                unsafe Self.add(
                    batch.arena.base + result.outputStart, result.outputCount, to: values)
            case .passed: passOn(index, of: batch, to: values)
            case .dead, .taken: addDeadLetter(index, of: batch)
            }
            taken += 1
        }
        if taken > 0 {
            let first = unsafe Int(order[positions.lowerBound])
            staged.answers.append(
                Delivery(
                    slot: batch.slot, run: unsafe Int(batch.results[first].run), record: first,
                    count: taken, failure: nil))
        }
        return taken
    }

    private static func add(_ value: UnsafeRawPointer, _ count: Int, to lines: OutputArena) {
        lines.reserve(count + 1)
        let end = unsafe lines.base + lines.used
        unsafe end.copyMemory(from: value, byteCount: count)
        unsafe end.storeBytes(of: UInt8(ascii: "\n"), toByteOffset: count, as: UInt8.self)
        lines.used += count + 1
    }

    /// A line goes out as it came, which one that was cut cannot.
    private func passOn(_ index: Int, of batch: Batch, to values: OutputArena) {
        let record = unsafe batch.records[index]
        if unsafe LineDeadLetter.cutByteCount(record) != nil {
            let message = unsafe LineDeadLetter.tooLarge(record, maxLineBytes)
            batch.markDead(index, RecordError(.tooLarge, message))
            addDeadLetter(index, of: batch)
        } else if let value = unsafe record.value {
            unsafe Self.add(value, record.valueCount, to: values)
        }
    }

    private func addDeadLetter(_ index: Int, of batch: Batch) {
        // A record that nobody decided must not stay unseen.
        let undecided = RecordError(.inference, "the record was not decided")
        let letter = unsafe LineDeadLetter(
            batch.records[index], batch.error(of: index) ?? undecided, maxLineBytes)
        let text = letter.line
        unsafe text.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            unsafe Self.add(start, bytes.count, to: staged.deadLetters)
        }
    }

    // MARK: Writing

    package func poll(into deliveries: inout [Delivery], timeoutMs: Int32) {
        if !takeStage() {
            waker.wait(timeoutMs: timeoutMs)
            guard takeStage() else { return }
        }
        write(writing.values, to: outputs.values, isValues: true)
        if writing.deadLetters.used > 0 {
            outputs.aroundDeadLetters {
                write(writing.deadLetters, to: outputs.deadLetters, isValues: false)
            }
        }
        deliveries.append(contentsOf: writing.answers)
        writing.values.reset()
        writing.deadLetters.reset()
        writing.answers.removeAll(keepingCapacity: true)
    }

    private func takeStage() -> Bool {
        gate.withLock { _ in
            swap(&staged, &writing)
            return !writing.answers.isEmpty
        }
    }

    private func write(_ lines: OutputArena, to descriptor: Int32, isValues: Bool) {
        guard lines.used > 0, outputFailure == nil else { return }
        var start = 0
        while start < lines.used {
            let written = unsafe Glibc.write(descriptor, lines.base + start, lines.used - start)
            if written > 0 {
                start += written
                continue
            }
            let code = written == 0 ? EIO : errno
            if code == EINTR { continue }
            if code == EAGAIN {
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                unsafe Glibc.poll(&wait, 1, -1)
                continue
            }
            fail(code, isValues: isValues)
            return
        }
    }

    private func fail(_ code: Int32, isValues: Bool) {
        failure.withLock {
            $0 = OutputFailure(
                isValues: isValues, isReaderGone: code == EPIPE, message: SystemError.text(code))
        }
        onFailure.withLock { $0 }?()
    }

    // MARK: The rest of a sink

    package func wake() { waker.wake() }

    package func purge() {}

    package func restart() throws(ServiceError) {}

    package func close() {}
}

/// Why lines cannot be written any more.
package struct OutputFailure: Sendable {
    /// Whether the output of values failed, not that of dead letters.
    package let isValues: Bool
    /// The reader has closed the pipe: it wants no more, which is no error for values.
    package let isReaderGone: Bool
    /// The system's words.
    package let message: String
}
