internal import Glibc

/// A named OS thread. The record path blocks in C calls, so it never runs on Swift's cooperative
/// pool.
@safe package final class WorkerThread: @unchecked Sendable {
    // Sound: `handle` is written once, before anyone can join.
    private let body: @Sendable () -> Void
    private let name: String
    private var handle = pthread_t()

    /// Starts the thread. Nil where the system has no thread left.
    package init?(name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = String(name.prefix(15))  // the kernel's limit
        self.body = body
        let context = unsafe Unmanaged.passRetained(self)
        let failed = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let thread = unsafe Unmanaged<WorkerThread>.fromOpaque(argument)
                    .takeRetainedValue()
                thread.nameIt()
                thread.body()
                return nil
            }, context.toOpaque())
        if failed != 0 {
            unsafe context.release()
            return nil
        }
    }

    /// Waits for the thread to end. Once only.
    package func join() { pthread_join(handle, nil) }

    /// Names the calling thread, for `top -H` and debuggers. Glibc hides `pthread_setname_np` from
    /// Swift; a failure changes nothing.
    private func nameIt() {
        let file = unsafe open("/proc/thread-self/comm", O_WRONLY)
        guard file >= 0 else { return }
        unsafe write(file, name, name.utf8.count)
        close(file)
    }
}

/// The clocks that the worker reads; a simulation brings its own.
package struct WorkerClock: Sendable {
    /// Nanoseconds since an arbitrary start, never going back: CLOCK_MONOTONIC, on which
    /// `Monitor` waits.
    package let monotonicNs: @Sendable () -> Int64
    /// Microseconds since 1970.
    package let wallUs: @Sendable () -> Int64

    package init(
        monotonicNs: @escaping @Sendable () -> Int64, wallUs: @escaping @Sendable () -> Int64
    ) {
        self.monotonicNs = monotonicNs
        self.wallUs = wallUs
    }

    /// The machine's clocks.
    package static let system = WorkerClock(
        monotonicNs: {
            var time = timespec()
            unsafe clock_gettime(CLOCK_MONOTONIC, &time)
            return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
        },
        wallUs: {
            var time = timespec()
            unsafe clock_gettime(CLOCK_REALTIME, &time)
            return Int64(time.tv_sec) &* 1_000_000 &+ Int64(time.tv_nsec) / 1_000
        })
}
