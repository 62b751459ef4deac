internal import CRdkafka
package import MillraceCore

/// Exactly once: outputs, dead letters and the source's offsets in transactions of one producer
/// (KIP-447). One thread at a time: `begin` before all else, then the delivery thread.
extension KafkaSink: TransactionalSink {
    /// What is kept of the transactions beside the client.
    struct TransactionState {
        /// A transaction is open in the client: it may produce.
        var isOpen = false
        /// The client's transactional id is its own: `init_transactions` came through.
        var isInitialized = false
        /// The client is of no more use, though it may not know.
        var needsNewClient = false
        /// The broker has refused records of the open transaction: their sequence numbers are
        /// missing at the broker, which would refuse the next ones as well, and the client learns
        /// it only then, which takes it half a second.
        var hasGap = false
        /// When others have shut us out, the last two times.
        var fencedAt: [ContinuousClock.Instant] = []
    }

    /// Twice within this time: another worker has the same instance name, and each would go on
    /// shutting the other one out. Once, a broker's clean-up of a stopped worker looks the same.
    private static let fenceWindow = Duration.seconds(60)
    /// Waiting for `init_transactions` in one go; it goes on where it was when called again.
    private static let initializeMs: Int32 = 5_000

    package func commit(
        _ offsets: [Ledger.Frontier], as member: any Membership
    ) throws(ServiceError) {
        guard let client = unsafe client, let member = member as? KafkaMembership else {
            throw ServiceError(
                code: "", message: "there is no client to commit with", isFatal: true,
                isRetriable: true)
        }
        let list = PartitionList(topic: settings.topic, frontiers: offsets)
        transactions.isOpen = false
        let failures = coordinatorFailures
        let asked = Deadline(afterMs: transactionMs)
        do throws(TransactionFailure) {
            var sending = TransactionCall(asked)
            try unsafe sending.run {
                unsafe rd_kafka_send_offsets_to_transaction(client, list.raw, member.raw, -1)
            }
            // The library waits for the rest of the transaction's time; any other limit may leave
            // client and broker of different opinions.
            var ending = TransactionCall(asked)
            do throws(TransactionFailure) {
                try unsafe ending.run { unsafe rd_kafka_commit_transaction(client, -1) }
            } catch {
                transactions.needsNewClient = true
                throw error
            }
            // A commit that the broker has been asked for twice may arrive there a second time,
            // when the next transaction of this producer is open, and would commit that one. The
            // library asks again by itself after a connection was lost.
            if ending.tries == 1, coordinatorFailures == failures,
                asked.remainingMs >= transactionMs / 2
            {
                return try unsafe beginNext(client)
            }
        } catch {
            noteFailure(error)
            throw failure(of: error)
        }
        transactions.needsNewClient = true
        do throws(ServiceError) {
            try begin(timeoutMs: Self.initializeMs)
        } catch {
            // The commit stands; the next write finds no open transaction, and `restart` goes on.
            log(.warning, "no new producer after a slow commit: \(error)")
        }
    }

    /// After a failure: throws the open transaction away, or makes a new client where the old one
    /// is of no more use, and opens the next transaction.
    func restartTransactions() throws(ServiceError) {
        transactions.isOpen = false
        if let fatal = fatalError {
            transactions.needsNewClient = true
            if ["_FENCED", "PRODUCER_FENCED"].contains(fatal.code) { noteFence() }
        }
        if !transactions.needsNewClient, transactions.isInitialized {
            guard let client = unsafe client else { return }
            do throws(TransactionFailure) {
                var aborting = TransactionCall(Deadline(afterMs: transactionMs))
                try unsafe aborting.run { unsafe rd_kafka_abort_transaction(client, -1) }
                if !transactions.hasGap { return try unsafe beginNext(client) }
                transactions.needsNewClient = true
            } catch {
                // A commit or an abort whose answer is not known: never on with this producer.
                transactions.needsNewClient = true
                log(.warning, "the transaction could not be thrown away: \(error.error)")
            }
        }
        if isShutOut {
            throw ServiceError(
                code: "_FENCED",
                message: "another worker uses the transactional id "
                    + "'\(settings.transactionalId ?? "")' too: give each worker an instance "
                    + "name of its own", isFatal: true, isRetriable: false)
        }
        try begin(timeoutMs: Self.initializeMs)
    }

    /// Makes a client where there is none to be used, takes the transactional id over and opens
    /// the first transaction.
    package func begin(timeoutMs: Int32) throws(ServiceError) {
        // Of a start that failed behind it and is tried again.
        if transactions.isOpen, fatalError == nil { return }
        if transactions.needsNewClient || fatalError != nil {
            try replaceClient()
            transactions.isInitialized = false
            transactions.needsNewClient = false
            transactions.hasGap = false
        }
        guard let client = unsafe client else { return }
        do throws(TransactionFailure) {
            if !transactions.isInitialized {
                if let raw = unsafe rd_kafka_init_transactions(client, timeoutMs) {
                    throw unsafe TransactionFailure(consuming: raw)
                }
                transactions.isInitialized = true
            }
            try unsafe beginNext(client)
        } catch {
            noteFailure(error)
            throw failure(of: error)
        }
    }

    private func beginNext(_ client: OpaquePointer) throws(TransactionFailure) {
        if let raw = unsafe rd_kafka_begin_transaction(client) {
            throw unsafe TransactionFailure(consuming: raw)
        }
        transactions.isOpen = true
    }

    private func noteFailure(_ failure: TransactionFailure) {
        switch failure {
        case .discard: break
        case .again:
            // Of `init_transactions` it means only: not yet.
            if transactions.isInitialized { transactions.needsNewClient = true }
        case .fatal: transactions.needsNewClient = true
        }
    }

    private func noteFence() {
        transactions.fencedAt = transactions.fencedAt.suffix(1) + [.now]
    }

    private var isShutOut: Bool {
        guard settings.isInstanceNamed, transactions.fencedAt.count == 2 else { return false }
        return transactions.fencedAt[1] - transactions.fencedAt[0] < Self.fenceWindow
    }

    private func failure(of failure: TransactionFailure) -> ServiceError {
        let error = failure.error
        var message = error.message
        if error.code == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" {
            message =
                "no right to use the transactional id '\(settings.transactionalId ?? "")': the "
                + "producer's user needs the operation Write on it"
        }
        // A new client may always be tried: rights are given, brokers come back.
        return ServiceError(
            code: error.code, message: message, isFatal: error.isFatal, isRetriable: true)
    }

    /// The open transaction is thrown away, so that readers need not wait for the broker to do it.
    func abandonTransaction() {
        guard transactions.isOpen, let client = unsafe client else { return }
        transactions.isOpen = false
        if let raw = unsafe rd_kafka_abort_transaction(client, Self.initializeMs) {
            log(.info, "the last transaction was not ended: \(unsafe KafkaError(consuming: raw))")
        }
    }

    /// `transaction.timeout.ms`.
    private var transactionMs: Int32 { Int32(clamping: settings.transactionTimeoutMs) }
}
