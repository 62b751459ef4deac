internal import MillraceCore
internal import Synchronization

/// Asks whether the topics are as they must be while nothing can be read, on a thread of its own:
/// the brokers may take their time, and the intake has to answer the group meanwhile. The intake
/// thread's, but for `join`.
final class TopicRecheck: Sendable {
    private let verify: @Sendable () throws(ServiceError) -> Void
    private let state = Mutex(State())

    private struct State {
        var thread: WorkerThread?
        var isAsking = false
        /// Of the question whose answer is wanted.
        var number = 0
        var answer: Answer?
    }

    enum Answer: Sendable {
        case fine
        case wrong(ServiceError)
    }

    /// - Parameter verify: throws what is wrong. Any thread.
    init(_ verify: @escaping @Sendable () throws(ServiceError) -> Void) { self.verify = verify }

    /// Asks, unless an earlier question is still on its way.
    ///
    /// - Parameter inline: the caller is the only thread there is: the answer is there on return.
    func ask(inline: Bool) {
        let number = state.withLock { state -> Int? in
            if state.isAsking { return nil }
            state.isAsking = true
            state.number &+= 1
            state.answer = nil
            return state.number
        }
        guard let number else { return }
        join()  // It has come to its end.
        if inline { return run(number) }
        guard let thread = WorkerThread(name: "recheck", { [self] in run(number) }) else {
            return state.withLock { $0.isAsking = false }
        }
        state.withLock { $0.thread = thread }
    }

    private func run(_ number: Int) {
        let answer: Answer
        do {
            try verify()
            answer = .fine
        } catch {
            answer = .wrong(error)
        }
        state.withLock { state in
            state.isAsking = false
            if state.number == number { state.answer = answer }
        }
    }

    /// The answer to the last question, once.
    func takeAnswer() -> Answer? { state.withLock { $0.answer.take() } }

    /// The answer to a question that was asked before does not matter any more.
    func forget() {
        state.withLock { state in
            state.number &+= 1
            state.answer = nil
        }
    }

    /// Waits for the thread that asks.
    func join() {
        let thread = state.withLock { $0.thread.take() }
        thread?.join()
    }
}
