internal import Glibc

/// A value under one lock, with the few conditions that threads wait for. `Synchronization.Mutex`
/// has no condition to wait on, hence pthreads.
@safe final class Monitor<State>: @unchecked Sendable {  // sound: `state` is touched under `mutex`
    /// What a thread can wait for.
    enum Condition: Int, CaseIterable {
        /// Lanes: records wait, a batch is free, or the end has come.
        case work
        /// Intake: the line has room again.
        case room
    }

    /// What a waiting thread finds when it looks.
    enum Look<Result> {
        case found(Result)
        /// Look again when signalled, or at this time on the monotonic clock.
        case wait(untilNs: Int64?)
    }

    /// Told of each signal, and whether it is for all who wait, by one who has no threads to wake.
    /// Set before anything else is done with the monitor.
    var onSignal: ((Condition, _ isForAll: Bool) -> Void)?

    private var state: State
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let conditions: UnsafeMutablePointer<pthread_cond_t>

    init(_ state: State) {
        self.state = state
        let count = Condition.allCases.count
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
        unsafe conditions = .allocate(capacity: count)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        for index in 0..<count {
            unsafe (conditions + index).initialize(to: pthread_cond_t())
            unsafe pthread_cond_init(conditions + index, &attributes)
        }
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        for index in 0..<Condition.allCases.count {
            unsafe pthread_cond_destroy(conditions + index)
        }
        unsafe conditions.deallocate()
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body(&state)
    }

    /// Looks under the lock until `look` finds something; waits for the condition in between. One
    /// who may not wait (`waits`) looks once.
    func look<Result>(
        for condition: Condition, waits: Bool, _ look: (inout State) -> Look<Result>
    ) -> Look<Result> {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        while true {
            let found = look(&state)
            guard waits, case .wait(let untilNs) = found else { return found }
            if let untilNs {
                var time = timespec(
                    tv_sec: Int(untilNs / 1_000_000_000), tv_nsec: Int(untilNs % 1_000_000_000))
                unsafe pthread_cond_timedwait(conditions + condition.rawValue, mutex, &time)
            } else {
                unsafe pthread_cond_wait(conditions + condition.rawValue, mutex)
            }
        }
    }

    /// Wakes one thread that waits for the condition.
    func signal(_ condition: Condition) {
        unsafe pthread_cond_signal(conditions + condition.rawValue)
        onSignal?(condition, false)
    }

    /// Wakes all threads that wait for the condition.
    func broadcast(_ condition: Condition) {
        unsafe pthread_cond_broadcast(conditions + condition.rawValue)
        onSignal?(condition, true)
    }
}
