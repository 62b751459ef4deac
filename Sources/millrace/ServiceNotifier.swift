internal import Glibc
internal import MillraceCore
internal import MillraceOps
internal import MillraceWorker
internal import Synchronization

/// Keeps systemd informed while a worker runs: ready, what is missing, alive, stopping. Does
/// nothing where no service manager listens.
final class ServiceNotifier: Sendable {
    private let manager: ServiceManager?
    private let isOver = Atomic<Bool>(false)

    init(environment: [String: String]) { manager = ServiceManager(environment: environment) }

    /// From now on, on a thread of its own, until `end`. Ready means that the worker runs: brokers
    /// may be missing for long, and that is no reason to start it again.
    func begin(_ worker: Worker) {
        guard let manager else { return }
        manager.tell("READY=1")
        // Three times within the watchdog's limit, and often enough for a person who looks.
        let limitNs = manager.watchdogNs ?? .max
        let waitUs = UInt32(clamping: max(10_000, min(limitNs / 3, 5_000_000_000) / 1_000))
        _ = WorkerThread(name: "notify") { [self] in
            var shown = ""
            while !isOver.load(ordering: .acquiring) {
                // Both take the worker's locks: where one is stuck, so is this, and the watchdog
                // ends the process.
                let health = worker.health
                _ = worker.counters
                if health.isLive, manager.watchdogNs != nil { manager.tell("WATCHDOG=1") }
                let status = health.missing.first ?? "processing records"
                if status != shown { manager.tell(ServiceManager.status(status)) }
                shown = status
                usleep(waitUs)
            }
        }
    }

    /// The stop was asked for.
    func stopping() { manager?.tell("STOPPING=1") }

    /// The worker has ended.
    func end() {
        isOver.store(true, ordering: .releasing)
        stopping()
    }
}
