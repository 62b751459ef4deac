internal import Glibc
package import MillraceCore
internal import Synchronization

/// Writes log events to a stream, one `write` a line, from any thread. A line that cannot be
/// written is dropped: the log holds up the worker no longer than a stream that blocks does, and a
/// second where it does not block.
package final class LogWriter: Sendable {
    /// Two clocks in nanoseconds: the time of day for the lines, and one that never goes back for
    /// the windows of the limiter.
    package struct Clocks: Sendable {
        /// Nanoseconds since 1970, UTC.
        package let wallNs: @Sendable () -> Int64
        /// Nanoseconds since any fixed moment.
        package let monotonicNs: @Sendable () -> Int64

        /// Both are called from any thread.
        package init(
            wallNs: @escaping @Sendable () -> Int64, monotonicNs: @escaping @Sendable () -> Int64
        ) {
            self.wallNs = wallNs
            self.monotonicNs = monotonicNs
        }

        /// The clocks of the system.
        package static let system = Clocks(
            wallNs: { read(CLOCK_REALTIME) }, monotonicNs: { read(CLOCK_MONOTONIC) })

        private static func read(_ clock: clockid_t) -> Int64 {
            var now = timespec()
            unsafe clock_gettime(clock, &now)
            return Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
        }
    }

    private let stream: TextStream
    private let form: LogForm
    private let threshold: Log.Level
    private let clocks: Clocks
    /// Held while a line is written, so that lines come out in the order of their times.
    private let limiter = Mutex(RepeatLimiter())

    /// Events below `threshold` are dropped.
    package init(
        to stream: TextStream, form: LogForm, threshold: Log.Level = .info,
        clocks: Clocks = .system
    ) {
        self.stream = stream
        self.form = form
        self.threshold = threshold
        self.clocks = clocks
    }

    /// What the parts of the worker log to.
    package var log: Log { Log { event in self.write(event) } }

    /// Says what was suppressed in windows that have ended. Every event does this too; call it now
    /// and then where events may stay away.
    package func reportSuppressed() { report(endedAtNs: clocks.monotonicNs()) }

    /// Says what was suppressed so far, whether its window has ended or not. Call it last.
    package func flush() { report(endedAtNs: .max) }

    private func report(endedAtNs nowNs: Int64) {
        limiter.withLock { limiter in
            for suppressed in limiter.takeEnded(nowNs: nowNs) { put(Self.event(for: suppressed)) }
        }
    }

    private func write(_ event: Log.Event) {
        guard event.level >= threshold else { return }
        limiter.withLock { limiter in
            let nowNs = clocks.monotonicNs()
            for suppressed in limiter.takeEnded(nowNs: nowNs) { put(Self.event(for: suppressed)) }
            if limiter.admit(event.level, event.message, nowNs: nowNs) { put(event) }
        }
    }

    private static func event(for suppressed: RepeatLimiter.Suppressed) -> Log.Event {
        Log.Event(
            level: suppressed.level, message: suppressed.message,
            fields: [("suppressed", String(suppressed.count))])
    }

    private func put(_ event: Log.Event) {
        stream.write(LogText.line(event, wallNs: clocks.wallNs(), form: form))
    }
}
