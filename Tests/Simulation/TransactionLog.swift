import MillraceCore
import MillraceTestKit

/// One transaction of a producer, as the coordinator and the partitions' logs know it.
final class Transaction {
    enum State { case open, committed, aborted }

    let producer: String
    let beganNs: Int64
    fileprivate(set) var state = State.open
    /// Records of the output, and dead letters, by input partition and offset.
    fileprivate(set) var outputs: [Ledger.Frontier] = []
    fileprivate(set) var letters: [Ledger.Frontier] = []
    fileprivate(set) var offsets: [Int32: Int64] = [:]

    fileprivate init(producer: String, beganNs: Int64) {
        self.producer = producer
        self.beganNs = beganNs
    }
}

/// The coordinator of transactions, and what readers of committed records see.
final class TransactionLog {
    private struct Producer {
        var epoch = 0
        var open: Transaction?
    }

    private let world: World
    private var producers: [String: Producer] = [:]
    /// The output's partitions in the order of the log, with the records of open transactions.
    private var logs: [[(offset: Int64, transaction: Transaction)]]
    /// By partition: where the first open transaction begins, and the last committed record before.
    private var stable: [(index: Int, lastOffset: Int64)]
    /// Requests to end a transaction that arrive after their sender has given up on them.
    private(set) var late: [(producer: String, epoch: Int)] = []
    /// So many of the next requests to end a transaction go wrong.
    var endFailures = 0
    /// A committed transaction's records and offsets take effect.
    var onCommit: (Transaction) -> Void = { _ in }

    /// `transaction.timeout.ms`.
    private static let timeoutNs: Int64 = 10_000_000_000

    init(_ world: World) {
        self.world = world
        logs = Array(repeating: [], count: world.plan.partitions)
        stable = Array(repeating: (0, -1), count: world.plan.partitions)
    }

    static let fenced = ServiceError(
        code: "_FENCED", message: "the epoch is old", isFatal: true, isRetriable: true)
    static let notAMember = ServiceError(
        code: "ILLEGAL_GENERATION", message: "the group has gone on", isFatal: false,
        isRetriable: true)

    /// Whether a transaction that is still open holds an offset of the partition.
    func isUnstable(_ partition: Int32) -> Bool {
        producers.contains { $0.value.open?.offsets[partition] != nil }
    }

    /// The producer's new epoch; what it had open is thrown away.
    func initialize(_ name: String) -> Int {
        if let open = producers[name]?.open { resolve(open, .aborted) }
        producers[name, default: Producer()].epoch += 1
        producers[name]?.open = nil
        let epoch = producers[name]?.epoch ?? 0
        world.trace("transactions: \(name) has epoch \(epoch)")
        return epoch
    }

    /// Somebody else takes the producer's name over.
    func fence(_ name: String) { _ = initialize(name) }

    private func open(_ name: String, _ epoch: Int) throws(ServiceError) -> Transaction {
        guard let producer = producers[name], producer.epoch == epoch else { throw Self.fenced }
        if let open = producer.open { return open }
        let transaction = Transaction(producer: name, beganNs: world.nowNs)
        producers[name]?.open = transaction
        return transaction
    }

    /// Appends a record of the producer's transaction.
    func append(
        _ place: Ledger.Frontier, isDead: Bool, _ name: String, _ epoch: Int
    ) throws(ServiceError) {
        let transaction = try open(name, epoch)
        if isDead {
            transaction.letters.append(place)
        } else {
            transaction.outputs.append(place)
            logs[Int(place.partition)].append((place.offset, transaction))
        }
    }

    /// Whether the producer is not shut out.
    func isCurrent(_ name: String, _ epoch: Int) -> Bool { producers[name]?.epoch == epoch }

    func add(_ offsets: [Ledger.Frontier], _ name: String, _ epoch: Int) throws(ServiceError) {
        let transaction = try open(name, epoch)
        for frontier in offsets { transaction.offsets[frontier.partition] = frontier.offset }
    }

    /// Ends the producer's open transaction, if there is one.
    func end(_ name: String, _ epoch: Int, commits: Bool) throws(ServiceError) {
        guard let producer = producers[name], producer.epoch == epoch else { throw Self.fenced }
        guard let open = producer.open else { return }
        resolve(open, commits ? .committed : .aborted)
    }

    /// The request to commit is on its way still.
    func endLater(_ name: String, _ epoch: Int) { late.append((name, epoch)) }

    /// A request that its sender has given up on arrives.
    func endLate() {
        guard !late.isEmpty else { return }
        let (name, epoch) = late.remove(at: world.random.below(late.count))
        world.trace("transactions: a late commit of \(name) arrives")
        try? end(name, epoch, commits: true)
    }

    /// When the next open transaction's time is over.
    var nextTimeoutNs: Int64? {
        producers.compactMap { $0.value.open?.beganNs }.min().map { $0 + Self.timeoutNs }
    }

    func step() {
        for (name, producer) in producers.sorted(by: { $0.key < $1.key }) {
            guard let open = producer.open, world.nowNs - open.beganNs >= Self.timeoutNs else {
                continue
            }
            world.trace("transactions: the time of \(name) is over")
            resolve(open, .aborted)
            producers[name]?.epoch += 1
        }
    }

    private func resolve(_ transaction: Transaction, _ state: Transaction.State) {
        let count = transaction.outputs.count + transaction.letters.count
        world.trace("transactions: \(transaction.producer) \(state), \(count) records")
        transaction.state = state
        producers[transaction.producer]?.open = nil
        if state == .committed { onCommit(transaction) }
        for partition in logs.indices { advance(partition) }
    }

    /// I3: readers of committed records see them in the order of the input.
    private func advance(_ partition: Int) {
        var (index, lastOffset) = stable[partition]
        while index < logs[partition].count {
            let (offset, transaction) = logs[partition][index]
            if transaction.state == .open { break }
            if transaction.state == .committed {
                if offset < lastOffset {
                    world.violate("I3", "\(partition)/\(offset) is behind \(lastOffset)")
                }
                lastOffset = offset
            }
            index += 1
        }
        stable[partition] = (index, lastOffset)
    }
}
