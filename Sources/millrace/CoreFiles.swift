internal import Glibc

/// The image of its memory that a process leaves when it crashes.
enum CoreFiles {
    /// None from now on: secrets and records lie in it. Only the soft limit, so that somebody who
    /// looks for a crash can allow it again: `prlimit --core=unlimited --pid PID`. Where the
    /// kernel's `core_pattern` names a program, the limit is not asked: that is the machine's to
    /// forbid.
    static func forbid() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 else {
            return
        }
        limit.rlim_cur = 0
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    }
}
