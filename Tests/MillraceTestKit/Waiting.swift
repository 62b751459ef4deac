internal import Glibc
package import MillraceCore
package import MillraceWorker

/// Waits until the condition holds: looks every millisecond. False where it never did within a
/// deadline that only a broken worker misses.
package func eventually(withinMs: Int = 20_000, _ condition: () -> Bool) -> Bool {
    let deadline = WorkerClock.system.monotonicNs() + Int64(withinMs) * 1_000_000
    while !condition() {
        if WorkerClock.system.monotonicNs() > deadline { return false }
        usleep(1_000)
    }
    return true
}

/// A door that a slow engine waits at. Opens and closes at any time.
package final class Gate: Sendable {
    private let isOpen: Guarded<Bool>

    package init(isOpen: Bool = true) { self.isOpen = Guarded(isOpen) }

    package func open() { isOpen.change { $0 = true } }

    package func close() { isOpen.change { $0 = false } }

    package func pass() { isOpen.whenReady(timeoutMs: -1, { $0 }, { _ in }) }
}

/// Keeps all log events.
package final class LogCollector: Sendable {
    private let kept = Guarded<[Log.Event]>([])

    package init() {}

    package var log: Log { Log { [kept] event in kept.change { $0.append(event) } } }

    package var events: [Log.Event] { kept.read { $0 } }

    package func has(_ part: String) -> Bool { events.contains { $0.message.contains(part) } }
}

/// A clock that runs faster than the machine's, so that backoffs and pauses of the worker pass
/// quickly. It starts far behind CLOCK_MONOTONIC: a `Monitor` that waits for one of its times
/// returns at once and looks again, until the time has come on this clock.
package enum FastClock {
    package static func make(speed: Int64 = 20) -> WorkerClock {
        let system = WorkerClock.system
        let startedNs = system.monotonicNs()
        return WorkerClock(
            monotonicNs: { startedNs / 2 + (system.monotonicNs() - startedNs) * speed },
            wallUs: system.wallUs)
    }
}
