import MillraceCore
import MillraceTestKit
import MillraceWorker

/// A member of the group that reads the cluster's input. Calls that break the contract of `Source`
/// are violations.
@safe final class SimulatedSource: TransactionalSource, @unchecked Sendable {
    // Sound: a run has one thread.

    /// A partition that the worker has.
    struct Held {
        /// The next offset to hand out; nil until the group's offset is known.
        var position: Int64?
        var isPaused = false
        /// Where reading began.
        var start: Int64 = 0
        var stored: Int64?
        /// The stored offset that was committed last.
        var committed: Int64?
        var isEndTold = false
    }

    private let world: World
    private let cluster: Cluster
    private let process: ProcessState
    private var member: Group.Member? { process.member }
    private(set) var held: [Int32: Held] = [:]
    /// Partitions that were paused when they were let go: librdkafka (seen with 2.16) keeps that
    /// for when they come back.
    private var pausedAway: Set<Int32> = []
    private var events: [SourceEvent] = []
    /// Partitions of an event that is not answered: nothing of them is handed out.
    private var frozen: Set<Int32> = []
    /// A revoke that is not answered, and when it came.
    private var revoke: (partitions: [Int32], sinceNs: Int64)?
    /// Lost partitions may not be committed any more.
    private var lost: Set<Int32> = []
    /// Bytes of what is handed out and not released, by address.
    private var lent: [UInt: Int] = [:]
    private(set) var lentBytes = 0
    private(set) var largestPollBytes = 0
    private var isWoken = false
    private(set) var isClosed = false
    /// Where a poll without records would have waited until.
    private(set) var waitsUntilNs: Int64 = .min
    var seekFailures = 0
    private var nextCommitNs: Int64 = 0

    init(_ cluster: Cluster, _ process: ProcessState) {
        self.cluster = cluster
        world = cluster.world
        self.process = process
    }

    deinit {
        for address in lent.keys {
            unsafe UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
        }
    }

    var lentCount: Int { lent.count }

    private var isGone: Bool { process.isDead || member == nil }

    /// Something to tell or to hand out: a waiting poll ends.
    var hasSomething: Bool {
        guard let member else { return false }
        if isWoken || member.hasNotice(world.nowNs) || !events.isEmpty { return true }
        return held.contains { canFetch($0.key, $0.value) }
    }

    private func canFetch(_ partition: Int32, _ state: Held) -> Bool {
        guard !state.isPaused, !frozen.contains(partition) else { return false }
        let input = cluster.partitions[Int(partition)]
        guard let position = state.position else { return !cluster.isUnstable(partition) }
        return input.index(from: position) < input.records.count
            || (world.plan.settings.untilEnd && !state.isEndTold)
    }

    private func name(_ partitions: [Int32]) -> String {
        partitions.map(String.init).joined(separator: ",")
    }

    private func trace(_ text: @autoclosure () -> String) {
        world.trace("\(process.name) \(text())")
    }

    /// Something that the client itself tells.
    func tell(_ event: SourceEvent) {
        if member != nil { events.append(event) }
    }

    // MARK: Source

    func start() throws(ServiceError) {
        trace("source starts")
        guard !process.isDead else { return }
        process.member = cluster.group.join(process.name)
    }

    func poll(
        into records: inout ContiguousArray<RecordView>, limit: Int, timeoutMs: Int32
    ) {
        world.interleave()
        guard let member, !process.isDead else { return }
        if isClosed { world.violate("contract", "poll after close") }
        if let notice = cluster.group.takeNotice(member, held: Array(held.keys)) {
            tell(notice, member)
        }
        isWoken = false
        var bytes = 0
        let before = unsafe records.count
        for partition in held.keys.sorted() {
            unsafe fetch(partition, limit - (records.count - before), &records, &bytes)
        }
        largestPollBytes = max(largestPollBytes, bytes)
        let count = unsafe records.count - before
        if count > 0 { trace("polled \(count) records") }
        waitsUntilNs =
            count > 0 || !events.isEmpty ? .min : world.nowNs + Int64(timeoutMs) * 1_000_000
    }

    private func tell(_ notice: SourceEvent, _ member: Group.Member) {
        trace("is told \(notice)")
        events.append(notice)
        switch notice {
        case .revoked(let partitions):
            revoke = (partitions, world.nowNs)
            frozen.formUnion(partitions)
        case .lost(let partitions):
            frozen.formUnion(partitions)
            lost.formUnion(partitions)
        default: break
        }
    }

    private func fetch(
        _ partition: Int32, _ limit: Int, _ records: inout ContiguousArray<RecordView>,
        _ bytes: inout Int
    ) {
        guard var state = held[partition], canFetch(partition, state), limit > 0 else { return }
        let input = cluster.partitions[Int(partition)]
        let position: Int64
        if let known = state.position {
            position = known
        } else {
            position = input.committed ?? 0
            state.start = position
        }
        state.position = position
        defer { held[partition] = state }
        var next = input.index(from: position)
        let most = world.random.below(limit + 1)
        var count = 0
        while next < input.records.count, count < most {
            let record = input.records[next]
            unsafe records.append(view(of: record))
            unsafe bytes += records[records.count - 1].chargedBytes
            state.position = record.offset + 1
            next += 1
            count += 1
        }
        if world.plan.settings.untilEnd, next == input.records.count, !state.isEndTold {
            state.isEndTold = true
            state.position = input.end
            events.append(.reachedEnd(partition: partition, offset: input.end))
        }
    }

    private func view(of record: InputRecord) -> RecordView {
        let (key, value) = (record.key, record.value ?? [])
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: key.count + value.count + 1, alignment: 8)
        let bytes = key + value
        unsafe bytes.withUnsafeBytes {
            unsafe block.copyMemory(
                from: $0.baseAddress ?? UnsafeRawPointer(block), byteCount: $0.count)
        }
        let view = unsafe RecordView(
            value: record.value == nil ? nil : UnsafeRawPointer(block + key.count),
            valueCount: value.count, key: UnsafeRawPointer(block), keyCount: key.count,
            timestampMs: 1_700_000_000_000, offset: record.offset, partition: record.partition,
            epoch: 0, handle: block)
        lent[UInt(bitPattern: block)] = key.count + value.count
        unsafe lentBytes += view.chargedBytes
        return unsafe view
    }

    func takeEvent() -> SourceEvent? { events.isEmpty ? nil : events.removeFirst() }

    func wake() {
        if isClosed { world.violate("contract", "wake after close") }
        isWoken = true
    }

    func assign(_ partitions: [Int32]) {
        world.interleave()
        guard let member, !process.isDead else { return }
        trace("assigns \(name(partitions))")
        for partition in partitions {
            if held[partition] != nil { world.violate("contract", "\(partition) assigned twice") }
            held[partition] = Held()
            held[partition]?.isPaused = pausedAway.remove(partition) != nil
            lost.remove(partition)
        }
        cluster.group.answered(member)
    }

    func unassign(_ partitions: [Int32]) {
        world.interleave()
        guard let member, !process.isDead else { return }
        trace("unassigns \(name(partitions))")
        noteUnassign(partitions)
        for partition in partitions {
            let state = held.removeValue(forKey: partition)
            if state == nil {
                world.violate("contract", "\(partition) unassigned without assignment")
            }
            if state?.isPaused == true { pausedAway.insert(partition) }
            frozen.remove(partition)
        }
        revoke = nil
        cluster.group.answered(member)
    }

    /// With a revoke, what is not committed comes again: only after the budget or a failed commit.
    private func noteUnassign(_ partitions: [Int32]) {
        for partition in partitions where lost.contains(partition) { cluster.excuse(partition) }
        guard let revoke else { return }
        guard world.nowNs - revoke.sinceNs >= world.plan.settings.revokeBudgetNs else { return }
        for partition in partitions { cluster.excuse(partition) }
    }

    func pause(_ partitions: [Int32]) {
        world.interleave()
        guard !isGone else { return }
        trace("pauses \(name(partitions))")
        for partition in partitions {
            if held[partition] == nil {
                world.violate("contract", "\(partition) paused without assignment")
            }
            held[partition]?.isPaused = true
        }
    }

    func resume(_ partitions: [Int32]) {
        world.interleave()
        guard !isGone else { return }
        trace("resumes \(name(partitions))")
        for partition in partitions {
            if held[partition]?.isPaused != true {
                world.violate("contract", "\(partition) resumed without pause")
            }
            held[partition]?.isPaused = false
        }
    }

    func seek(_ partition: Int32, to offset: Int64) throws(ServiceError) {
        world.interleave()
        guard !isGone else { return }
        trace("seeks \(partition)/\(offset)")
        guard let state = held[partition], state.isPaused else {
            return world.violate("contract", "seek of \(partition), which is not held and paused")
        }
        if seekFailures > 0, !world.isCalm {
            seekFailures -= 1
            throw Cluster.noAnswer
        }
        if let position = state.position, offset > position, !process.isStale {
            world.violate("contract", "seek of \(partition) forward, over records never read")
        }
        held[partition]?.position = offset
        held[partition]?.isEndTold = false
    }

    // MARK: Offsets

    func storeOffset(_ partition: Int32, next offset: Int64) {
        guard !isGone, let state = held[partition] else { return }
        if world.plan.isExactlyOnce {
            world.violate("contract", "an offset is stored beside the transactions")
        }
        if let old = state.stored, old > offset {
            world.violate("contract", "stored offset of \(partition) goes back to \(offset)")
        }
        checkAcknowledged(partition, from: state.stored ?? state.start, to: offset)
        held[partition]?.stored = offset
    }

    /// I4: each record before a stored offset was acknowledged to this very worker.
    private func checkAcknowledged(_ partition: Int32, from start: Int64, to end: Int64) {
        let input = cluster.partitions[Int(partition)]
        var index = input.index(from: start)
        while index < input.records.count, input.records[index].offset < end {
            let offset = input.records[index].offset
            if !process.isAcknowledged(partition, offset) {
                world.violate(
                    "I4", "\(partition)/\(end) is stored, \(offset) was not acknowledged")
                return
            }
            index += 1
        }
        if end > input.end { world.violate("I4", "\(partition)/\(end) is behind the end") }
    }

    func commitStored(timeoutMs: Int32) throws(ServiceError) {
        world.interleave()
        guard !isGone else { return }
        if world.plan.isExactlyOnce {
            world.violate("contract", "offsets are committed beside the transactions")
        }
        if let partition = held.keys.first(where: lost.contains) {
            world.violate("contract", "\(partition) is committed, although it is lost")
        }
        try commitHeld()
    }

    /// librdkafka's own commits, now and then.
    func commitByTimer() {
        guard !isGone, !world.plan.isExactlyOnce, world.nowNs >= nextCommitNs else { return }
        nextCommitNs = world.nowNs + world.plan.commitIntervalNs
        try? commitHeld()
    }

    /// Whether the timer has something to commit, and when.
    var timerDueNs: Int64? {
        let isAny = held.contains {
            $0.value.stored != $0.value.committed && !lost.contains($0.key)
        }
        guard !isGone, isAny else { return nil }
        return nextCommitNs
    }

    private func commitHeld() throws(ServiceError) {
        var offsets: [Int32: Int64] = [:]
        for (partition, state) in held
        where state.stored != state.committed && !lost.contains(partition) {
            offsets[partition] = state.stored
        }
        guard !offsets.isEmpty else { return }
        trace("commits \(offsets.sorted { $0.key < $1.key }.map { "\($0.key)/\($0.value)" })")
        do throws(ServiceError) {
            try cluster.commit(offsets, isMember: member?.isEvicted == false)
            for (partition, offset) in offsets { held[partition]?.committed = offset }
        } catch {
            trace("commit failed: \(error)")
            for partition in offsets.keys { cluster.excuse(partition) }
            throw error
        }
    }

    func membership() throws(ServiceError) -> any Membership {
        world.interleave()
        return SimulatedMembership(member, cluster.group.generation)
    }

    func committedOffsets(
        of partitions: [Int32], timeoutMs: Int32
    ) throws(ServiceError) -> [Int32: Int64] {
        world.interleave()
        var offsets: [Int32: Int64] = [:]
        for partition in partitions {
            if cluster.isUnstable(partition) || world.goesWrong(0.05) { throw Cluster.noAnswer }
            offsets[partition] = cluster.partitions[Int(partition)].committed
        }
        return offsets
    }

    func endOffsets(timeoutMs: Int32) throws(ServiceError) -> [Int32: Int64] {
        world.interleave()
        var ends: [Int32: Int64] = [:]
        for (number, input) in cluster.partitions.enumerated() {
            ends[Int32(number)] = input.end
        }
        return ends
    }

    // MARK: Records

    func release(_ records: UnsafeMutablePointer<RecordView>, count: Int) {
        world.interleave()
        for index in 0..<count {
            guard let block = unsafe records[index].handle else { continue }
            guard let size = lent.removeValue(forKey: UInt(bitPattern: block)) else {
                let (partition, offset) = unsafe (records[index].partition, records[index].offset)
                world.violate("contract", "\(partition)/\(offset) is released twice")
                continue
            }
            unsafe lentBytes -= size + RecordView.overheadBytes
            unsafe block.deallocate()
        }
    }

    func noteHeaders(of batch: Batch) { world.interleave() }

    func lastHeader(
        named name: [CChar], of handle: UnsafeMutableRawPointer
    ) -> UnsafeRawBufferPointer? { nil }

    func close() {
        world.interleave()
        guard !process.isDead else { return }
        trace("source closes")
        if !lent.isEmpty { world.violate("contract", "closed with lent records") }
        isClosed = true
        guard let member else { return }
        if !world.plan.isExactlyOnce { try? commitHeld() }
        cluster.group.leave(member)
        held = [:]
    }
}

/// A member at one moment.
final class SimulatedMembership: Membership, @unchecked Sendable {  // sound: one thread
    let member: Group.Member?
    let id: Int
    let generation: Int

    init(_ member: Group.Member?, _ generation: Int) {
        self.member = member
        // One who was thrown out is nobody, whatever becomes of it later.
        id = member.map { $0.isEvicted ? -1 : $0.id } ?? -1
        self.generation = generation
    }
}
