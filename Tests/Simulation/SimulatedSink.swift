import MillraceCore
import MillraceTestKit
import MillraceWorker

/// A producer that sends the worker's records to the cluster, when the scheduler lets it. Calls
/// that break the contract of `Sink` are violations.
@safe final class SimulatedSink: TransactionalSink, @unchecked Sendable {
    // Sound: a run has one thread.

    /// One record that was handed over and is not answered.
    private struct Message {
        let batch: Batch
        let index: Int
        let run: Int
        let partition: Int32
        let offset: Int64
        let state: RecordResult.State
        let key: [UInt8]?
        /// Of passed and dead records; scored ones lie in the batch's arena until their answer.
        let copy: [UInt8]?
        let letterRefusals: Int
    }

    private struct Request {
        let messages: [Message]
        let values: [[UInt8]?]
        /// What the broker has said; nil before.
        var isHandled = false
        var failure: DeliveryFailure?
    }

    /// A partition of the output or of the dead letters.
    private struct Lane {
        var queue: [Message] = []
        var requests: [Request] = []
    }

    private struct Answer {
        let message: Message
        let failure: DeliveryFailure?
    }

    private let world: World
    private let cluster: Cluster
    private let process: ProcessState
    /// Output partitions, then as many of the dead letters.
    private var lanes: [Lane]
    private var answers: [Answer] = []
    private var unanswered = 0
    private var writesRunning = 0
    /// When the last write began, and the position at which it was refused.
    private var writeSequence = 0
    private var interrupted: Int?
    private var pollsRunning = 0
    private var isWoken = false
    private(set) var isClosed = false
    /// The client is of no more use: as fatal as its next write or answer finds it.
    private(set) var isBroken = false
    private(set) var waitsUntilNs: Int64 = .min
    var capacity: Int
    /// So many of the next requests are refused, for no record's fault.
    var requestFailures = 0
    var restartFailures = 0
    /// Nothing is sent or answered until then.
    var slowUntilNs: Int64 = .min
    // Transactions.
    let producer: String
    private var epoch: Int?
    private var needsNewClient = false

    init(_ cluster: Cluster, _ process: ProcessState, producer: String) {
        self.cluster = cluster
        world = cluster.world
        self.process = process
        self.producer = producer
        lanes = Array(repeating: Lane(), count: 2 * cluster.partitions.count)
        capacity = world.plan.sinkCapacity
    }

    /// The client breaks for good.
    func breakClient() { isBroken = true }

    var hasSomething: Bool { isWoken || !answers.isEmpty }

    private func trace(_ text: @autoclosure () -> String) {
        world.trace("\(process.name) \(text())")
    }

    private static let fatal = ServiceError(
        code: "_FATAL", message: "broken on purpose", isFatal: true, isRetriable: false)
    private static let refused = ServiceError(
        code: "TEST", message: "refused on purpose", isFatal: false, isRetriable: false)
    private static let purged = ServiceError(
        code: "_PURGE_QUEUE", message: "purged", isFatal: false, isRetriable: false)
    private static let noDeadLetters = ServiceError(
        code: "TEST", message: "no dead-letter topic", isFatal: false, isRetriable: false)

    // MARK: Writing

    func write(_ batch: Batch, positions: Range<Int>) -> WriteProgress {
        guard !process.isDead else { return .done }
        if writesRunning > 0 { world.violate("contract", "two writes at once") }
        if isClosed { world.violate("contract", "write after close") }
        writesRunning += 1
        defer { writesRunning -= 1 }
        // A write that goes on behind a record that was passed is still the same one.
        if interrupted != positions.lowerBound { writeSequence = world.nextSequence() }
        interrupted = nil
        for position in positions {
            world.interleave()
            if process.isDead { return .done }
            let written = position - positions.lowerBound
            let index = unsafe Int(batch.order[position])
            if isBroken {
                cluster.excuseAll()
                return .failed(written: written, Self.fatal)
            }
            if unanswered >= capacity { return .full(written: written) }
            guard let message = message(batch, index) else {
                interrupted = position
                return .failed(written: written, Self.noDeadLetters)
            }
            cluster.hand(
                message.partition, message.offset, isDead: message.state == .dead,
                isStale: process.isStale, at: writeSequence)
            let lane = Int(message.partition) + (message.state == .dead ? lanes.count / 2 : 0)
            lanes[lane].queue.append(message)
            unanswered += 1
        }
        trace("wrote \(Self.name(batch, positions))")
        return .done
    }

    private static func name(_ batch: Batch, _ positions: Range<Int>) -> String {
        guard let first = positions.first else { return "nothing" }
        let (start, end) = unsafe (
            batch.records[Int(batch.order[first])],
            batch.records[Int(batch.order[positions.upperBound - 1])]
        )
        return unsafe "\(start.partition)/\(start.offset) to \(end.offset), epoch \(start.epoch)"
    }

    private func message(_ batch: Batch, _ index: Int) -> Message? {
        let record = unsafe batch.records[index]
        let (partition, offset) = unsafe (record.partition, record.offset)
        if unsafe batch.results[index].state == .scored,
            cluster.record(partition, offset)?.kind == .tooLarge
        {
            batch.markDead(index, RecordError(.tooLarge, "too large on purpose"))
        }
        let result = unsafe batch.results[index]
        if result.state == .dead, world.plan.settings.onError != .deadLetter { return nil }
        return unsafe Message(
            batch: batch, index: index, run: Int(result.run), partition: partition,
            offset: offset, state: result.state, key: Self.bytes(record.key, record.keyCount),
            copy: result.state == .scored ? nil : Self.bytes(record.value, record.valueCount),
            letterRefusals: batch.error(of: index)?.letterRefusals ?? 0)
    }

    private static func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
        guard let start = unsafe start else { return nil }
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// The record's value as it is now.
    private func value(of message: Message) -> [UInt8]? {
        guard message.state == .scored else { return message.copy }
        let batch = message.batch
        guard message.index < batch.count else { return nil }
        let result = unsafe batch.results[message.index]
        guard result.outputStart + result.outputCount <= batch.arena.used else { return nil }
        return unsafe Self.bytes(batch.arena.base + result.outputStart, result.outputCount)
    }

    // MARK: Network

    /// Something that can be sent, handled or answered.
    var hasTraffic: Bool {
        guard world.nowNs >= slowUntilNs else { return false }
        return lanes.contains { !$0.requests.isEmpty || (!$0.queue.isEmpty && canSend) }
    }

    private var canSend: Bool { !process.isDead && world.nowNs >= process.stalledUntilNs }

    /// One thing happens between producer and broker.
    func stepNetwork() {
        let busy = lanes.indices.filter {
            !lanes[$0].requests.isEmpty || (!lanes[$0].queue.isEmpty && canSend)
        }
        guard !busy.isEmpty else { return }
        let lane = busy[world.random.below(busy.count)]
        let unhandled = lanes[lane].requests.firstIndex { !$0.isHandled }
        let isAnswerDue = lanes[lane].requests.first?.isHandled == true
        var choices: [() -> Void] = []
        if !lanes[lane].queue.isEmpty, canSend, lanes[lane].requests.count < 5 {
            choices.append { self.send(lane) }
        }
        if let unhandled { choices.append { self.handle(lane, unhandled) } }
        if isAnswerDue { choices.append { self.answer(lane) } }
        if choices.isEmpty { return }
        choices[world.random.below(choices.count)]()
    }

    private func send(_ lane: Int) {
        let most = min(lanes[lane].queue.count, world.plan.requestMessages)
        let count = world.random.chance(0.7) ? most : 1 + world.random.below(most)
        let messages = Array(lanes[lane].queue.prefix(count))
        lanes[lane].queue.removeFirst(count)
        lanes[lane].requests.append(Request(messages: messages, values: messages.map(value)))
    }

    /// The broker takes the request, or refuses it.
    private func handle(_ lane: Int, _ index: Int) {
        let request = lanes[lane].requests[index]
        // With an idempotent producer nothing is taken behind what is not.
        var failure = refusal(of: request)
        var isTaken = failure == nil
        if failure == nil, requestFailures > 0, !world.isCalm {
            requestFailures -= 1
            isTaken = world.random.chance(0.3)
            failure = DeliveryFailure(error: Self.refused, isRecordsFault: false)
        }
        if isTaken {
            for (message, value) in zip(request.messages, request.values) {
                arrive(message, value)
            }
        } else {
            trace("request of \(request.messages.count) refused")
            for message in request.messages {
                cluster.change(message.partition, message.offset) { $0.isRefusedInFlight = true }
            }
        }
        lanes[lane].requests[index].isHandled = true
        lanes[lane].requests[index].failure = failure
    }

    /// Why the broker cannot take the request.
    private func refusal(of request: Request) -> DeliveryFailure? {
        if world.plan.isExactlyOnce {
            guard let epoch, cluster.transactions.isCurrent(producer, epoch) else {
                isBroken = true
                return DeliveryFailure(error: TransactionLog.fenced, isRecordsFault: false)
            }
        }
        let isAtFault = request.messages.contains { message in
            switch cluster.record(message.partition, message.offset)?.kind {
            case .refused: message.state != .dead
            case .letterRefused: message.letterRefusals < 2
            default: false
            }
        }
        return isAtFault ? DeliveryFailure(error: Self.refused, isRecordsFault: true) : nil
    }

    private func arrive(_ message: Message, _ value: [UInt8]?) {
        let arrival = Cluster.Arrival(
            partition: message.partition, offset: message.offset, state: message.state,
            key: message.key, value: value)
        trace(
            "\(message.state == .dead ? "letter" : "output") \(message.partition)/\(message.offset)"
        )
        guard world.plan.isExactlyOnce, let epoch else { return cluster.arrive(arrival) }
        cluster.check(arrival)
        let place = Ledger.Frontier(partition: message.partition, offset: message.offset)
        try? cluster.transactions.append(place, isDead: message.state == .dead, producer, epoch)
    }

    /// The broker's answer reaches the producer.
    private func answer(_ lane: Int) {
        let request = lanes[lane].requests.removeFirst()
        if process.isDead { return }
        for (message, value) in zip(request.messages, request.values) {
            if message.state == .scored, self.value(of: message) != value {
                world.violate(
                    "bytes", "\(message.partition)/\(message.offset) changed before its answer")
            }
            answers.append(Answer(message: message, failure: request.failure))
        }
    }

    // MARK: Answers

    func poll(into deliveries: inout [Delivery], timeoutMs: Int32) {
        world.interleave()
        guard !process.isDead else { return }
        if pollsRunning > 0 { world.violate("contract", "two polls of the sink at once") }
        isWoken = false
        if isBroken { failSome() }
        let count = min(answers.count, 1 + world.random.below(max(1, 2 * answers.count)))
        for answer in answers.prefix(count) { add(answer, to: &deliveries) }
        answers.removeFirst(count)
        unanswered -= count
        waitsUntilNs = count > 0 ? .min : world.nowNs + Int64(timeoutMs) * 1_000_000
        if count > 0 { trace("took \(count) answers") }
    }

    /// A broken client fails what it has not sent, all of it or some.
    private func failSome() {
        for lane in lanes.indices where world.random.chance(0.3) {
            failQueue(lane, Self.fatal)
        }
    }

    private func failQueue(_ lane: Int, _ error: ServiceError) {
        // What is on its way is answered first.
        guard lanes[lane].requests.isEmpty else { return }
        for message in lanes[lane].queue {
            answers.append(
                Answer(
                    message: message,
                    failure: DeliveryFailure(error: error, isRecordsFault: false)))
        }
        lanes[lane].queue = []
    }

    private func add(_ answer: Answer, to deliveries: inout [Delivery]) {
        let message = answer.message
        if let failure = answer.failure {
            trace("  \(message.partition)/\(message.offset) failed: \(failure.error.code)")
            cluster.excuse(message.partition)
            if failure.error.isFatal { cluster.excuseAll() }
        } else {
            process.acknowledge(message.partition, message.offset)
            if let last = deliveries.last, last.slot == message.batch.slot,
                last.run == message.run, last.failure == nil
            {
                deliveries[deliveries.count - 1] = Delivery(
                    slot: last.slot, run: last.run, record: last.record, count: last.count + 1,
                    failure: nil)
                return
            }
        }
        deliveries.append(
            Delivery(
                slot: message.batch.slot, run: message.run, record: message.index, count: 1,
                failure: answer.failure))
    }

    func wake() { isWoken = true }

    func purge() {
        world.interleave()
        guard !process.isDead else { return }
        trace("purges")
        for lane in lanes.indices {
            // What is on its way may have been taken or not; nothing behind a gap is.
            let kept = world.random.below(lanes[lane].requests.count + 1)
            for (index, request) in lanes[lane].requests.enumerated() {
                if !request.isHandled, index < kept { handle(lane, index) }
                for message in request.messages {
                    answers.append(
                        Answer(
                            message: message,
                            failure: DeliveryFailure(
                                error: Self.purged, isRecordsFault: false)))
                }
            }
            lanes[lane].requests = []
            failQueue(lane, Self.purged)
        }
    }

    func restart() throws(ServiceError) {
        world.interleave()
        guard !process.isDead else { return }
        trace("sink restarts")
        if unanswered > 0 { world.violate("contract", "restart with open records") }
        if writesRunning > 0 { world.violate("contract", "restart during a write") }
        if restartFailures > 0, !world.isCalm {
            restartFailures -= 1
            throw Cluster.noAnswer
        }
        if world.plan.isExactlyOnce { try restartTransactions() }
        isBroken = false
        cluster.excuseAll()
    }

    func close() {
        guard !process.isDead else { return }
        if writesRunning > 0 { world.violate("contract", "close during a write") }
        isClosed = true
        if let epoch, world.random.chance(0.7) {
            try? cluster.transactions.end(producer, epoch, commits: false)
        }
    }

    // MARK: Transactions

    func begin(timeoutMs: Int32) throws(ServiceError) {
        world.interleave()
        guard !process.isDead else { return }
        if world.goesWrong(0.1) { throw Cluster.noAnswer }
        epoch = cluster.transactions.initialize(producer)
    }

    private func restartTransactions() throws(ServiceError) {
        if world.fault == .forgetsToAbort, !isBroken { return }
        if world.fault == .keepsProducerInDoubt { needsNewClient = false }
        if !isBroken, !needsNewClient, let epoch {
            do throws(ServiceError) {
                if world.goesWrong(0.1) { throw Cluster.noAnswer }
                return try cluster.transactions.end(producer, epoch, commits: false)
            } catch {
                trace("not aborted: \(error)")
                needsNewClient = true
            }
        }
        epoch = cluster.transactions.initialize(producer)
        needsNewClient = false
    }

    func commit(
        _ offsets: [Ledger.Frontier], as member: any Membership
    ) throws(ServiceError) {
        world.interleave()
        guard !process.isDead, let epoch else { return }
        trace("commits a transaction \(offsets.map { "\($0.partition)/\($0.offset)" })")
        if unanswered > 0 { world.violate("contract", "commit with open records") }
        if writesRunning > 0 { world.violate("contract", "commit during a write") }
        guard let member = member as? SimulatedMembership, cluster.group.accepts(member) else {
            throw TransactionLog.notAMember
        }
        let log = cluster.transactions
        try sendOffsets(offsets, epoch)
        world.interleave()
        // Killed before it had sent the rest.
        if process.isDead { return }
        if log.endFailures > 0, !world.isCalm {
            log.endFailures -= 1
            needsNewClient = true
            switch world.random.below(3) {
            case 0: break
            case 1: log.endLater(producer, epoch)
            default: try log.end(producer, epoch, commits: true)
            }
            throw Cluster.noAnswer
        }
        do throws(ServiceError) {
            try log.end(producer, epoch, commits: true)
        } catch {
            needsNewClient = true
            throw error
        }
    }

    private func sendOffsets(_ offsets: [Ledger.Frontier], _ epoch: Int) throws(ServiceError) {
        do throws(ServiceError) {
            try cluster.transactions.add(offsets, producer, epoch)
        } catch {
            needsNewClient = true
            throw error
        }
    }
}
