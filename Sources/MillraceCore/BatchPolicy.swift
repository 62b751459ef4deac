/// How large a batch is cut and how long it may wait to fill. A free lane takes all that waits
/// (natural batching); only a `maxWait` above zero lets records wait for company.
package struct BatchPolicy: Sendable, Equatable {
    package let maxRecords: Int
    /// A batch ends before it exceeds this, in charged bytes; it always has one record.
    package let maxBytes: Int
    package let maxWaitNs: Int64

    package init(maxRecords: Int, maxBytes: Int, maxWaitNs: Int64) {
        self.maxRecords = max(1, maxRecords)
        self.maxBytes = maxBytes
        self.maxWaitNs = max(0, maxWaitNs)
    }

    /// What a free lane does.
    package enum Decision: Equatable, Sendable {
        case cutNow
        /// Nothing to cut before this time on the caller's clock, unless more records come.
        case wait(untilNs: Int64)
        /// Nothing waits.
        case idle
    }

    /// What a free lane does at `nowNs`; `isDraining` cuts what is there.
    package func decide(_ line: borrowing WaitingLine, nowNs: Int64, isDraining: Bool) -> Decision {
        guard let since = line.waitingSinceNs else { return .idle }
        if maxWaitNs == 0 || isDraining || line.count >= maxRecords || line.bytes >= maxBytes {
            return .cutNow
        }
        let deadline = since &+ maxWaitNs
        return nowNs >= deadline ? .cutNow : .wait(untilNs: deadline)
    }
}
