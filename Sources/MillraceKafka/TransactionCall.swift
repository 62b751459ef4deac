internal import CRdkafka

/// What librdkafka says of a failed call about transactions. Its classes are looked at in this
/// order: fatal, to be aborted, to be called again; an error of none of them is taken for fatal.
enum TransactionFailure: Error {
    /// The client is of no more use.
    case fatal(KafkaError)
    /// The transaction has to be thrown away, the client is fine.
    case discard(KafkaError)
    /// The same call goes on where it was.
    case again(KafkaError)

    /// Takes over and frees an error object.
    init(consuming error: OpaquePointer) {
        let isFatal = unsafe rd_kafka_error_is_fatal(error) != 0
        let needsAbort = unsafe rd_kafka_error_txn_requires_abort(error) != 0
        let isRetriable = unsafe rd_kafka_error_is_retriable(error) != 0
        let reason = unsafe KafkaError(consuming: error)
        if isFatal || !(needsAbort || isRetriable) {
            self = .fatal(reason)
        } else {
            self = needsAbort ? .discard(reason) : .again(reason)
        }
    }

    var error: KafkaError {
        switch self {
        case .fatal(let error), .discard(let error), .again(let error): error
        }
    }
}

/// One function of librdkafka's about transactions, called until it has come through.
struct TransactionCall {
    /// How often it was called.
    private(set) var tries = 0
    let deadline: Deadline

    init(_ deadline: Deadline) { self.deadline = deadline }

    /// Calls while the error says that the call may go on and the time is not over.
    mutating func run(_ call: () -> OpaquePointer?) throws(TransactionFailure) {
        while true {
            tries += 1
            guard let raw = unsafe call() else { return }
            let failure = unsafe TransactionFailure(consuming: raw)
            guard case .again = failure, deadline.remainingMs > 1 else { throw failure }
        }
    }
}
