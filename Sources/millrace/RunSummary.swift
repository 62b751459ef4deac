internal import Glibc
internal import MillraceCore
internal import MillraceWorker

/// The one line that `run --until-end` and `demo` end with.
struct RunSummary {
    private let startedNs: Int64
    private let clock = WorkerClock.system

    init() { startedNs = clock.monotonicNs() }

    /// `records=... dead=... wall=... cpu=... rec/s=... rec/cpu-s=... mean_batch=... p50_ms=...
    /// p99_ms=...`; wall and cpu in seconds since the start of the process's work, cpu of all its
    /// threads.
    func line(_ counters: FlowCounters, _ latency: LatencyHistogram) -> String {
        let wall = Double(clock.monotonicNs() - startedNs) / 1e9
        let cpu = Self.cpuSeconds()
        let records = counters.finished
        return "records=\(records) dead=\(counters.deadTotal)"
            + " wall=\(Compact.fixed(wall, 3)) cpu=\(Compact.fixed(cpu, 3))"
            + " rec/s=\(Compact.fixed(Double(records) / max(wall, 1e-9), 0))"
            + " rec/cpu-s=\(Compact.fixed(Double(records) / max(cpu, 1e-9), 0))"
            + " mean_batch=\(counters.batches > 0 ? counters.finished / counters.batches : 0)"
            + " p50_ms=\(Self.milliseconds(latency.quantile(0.5)))"
            + " p99_ms=\(Self.milliseconds(latency.quantile(0.99)))"
    }

    private static func milliseconds(_ us: Int64?) -> String {
        us.map { Compact.fixed(Double($0) / 1e3, 1) } ?? "-"
    }

    private static func cpuSeconds() -> Double {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let micros = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(micros) / 1e6
    }
}
