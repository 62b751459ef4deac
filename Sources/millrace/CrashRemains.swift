internal import Glibc

/// What a process that crashes leaves of its memory, in which secrets and records lie.
enum CrashRemains {
    /// No core file and no trace from now on; the signal ends the process at once.
    ///
    /// - Core files: only the soft limit, so that somebody who looks for a crash can allow them
    ///   again: `prlimit --core=unlimited --pid PID`. Where the kernel's `core_pattern` names a
    ///   program, the limit is not asked: that is the machine's to forbid.
    /// - Swift's runtime, where its `swift-backtrace` is on the machine, writes registers and the
    ///   memory that they point to into the log; who wants that sets SWIFT_BACKTRACE.
    static func forbid() {
        var limit = rlimit()
        if unsafe getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 {
            limit.rlim_cur = 0
            _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
        }
        guard unsafe getenv("SWIFT_BACKTRACE") == nil else { return }
        for number in [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP] {
            signal(number, SIG_DFL)
        }
    }
}
