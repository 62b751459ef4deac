internal import Glibc
internal import MillraceOps
internal import MillraceWorker

/// SIGTERM and SIGINT, taken by one thread with sigwait instead of handlers.
enum Signals {
    /// Makes a closed pipe an error of write(2) instead of the end of the process: a socket's peer
    /// may go at any moment.
    static func ignoreClosedPipes() { signal(SIGPIPE, SIG_IGN) }

    /// Blocks the two signals in the calling thread and all threads made after: call it before the
    /// first thread is made, by a verb that calls `onStop` or `beforeEnd`. Other verbs just end by
    /// them.
    static func block() {
        var set = stopSignals()
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for the signals on a thread of its own: the first calls `stop`, the second ends the
    /// process at once with `ExitCode.tryAgain`. Nothing is lost by it: what was not acknowledged
    /// was not committed.
    static func onStop(_ stop: @escaping @Sendable () -> Void) {
        _ = WorkerThread(name: "signals") {
            _ = wait()
            stop()
            _ = wait()
            Output.errors.endProgressIfFree()
            _exit(ExitCode.tryAgain.rawValue)
        }
    }

    /// Has `body` run on a thread of its own before the first signal ends the process as it would
    /// have without us. A signal that whoever started us has ignored (`nohup`, a shell's `&`)
    /// stays without effect.
    static func beforeEnd(_ body: @escaping @Sendable () -> Void) {
        var ending = stopSignals()
        // Blocked ones come to sigwait even where they are ignored.
        for number in [SIGTERM, SIGINT] where isIgnored(number) {
            unsafe sigdelset(&ending, number)
        }
        let signals = ending
        _ = WorkerThread(name: "signals") {
            let number = wait(for: signals)
            body()
            var set = stopSignals()
            unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
            raise(number)
            // Nothing comes after the line that `body` has left.
            while true { pause() }
        }
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard unsafe sigaction(number, nil, &action) == 0 else { return false }
        let handler = unsafe action.__sigaction_handler.sa_handler
        return unsafe unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    private static func wait(for signals: sigset_t = stopSignals()) -> Int32 {
        var set = signals
        var number: Int32 = 0
        unsafe sigwait(&set, &number)
        return number
    }

    private static func stopSignals() -> sigset_t {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, SIGTERM)
        unsafe sigaddset(&set, SIGINT)
        return set
    }
}
