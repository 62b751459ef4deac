internal import Glibc
package import MillraceCore

/// A topic in memory. The test appends records and queues events at any time; what the worker calls
/// is noted. Each record handed out is its own allocation, overwritten when it is released, so
/// that use after release shows in the output.
@safe package final class MemorySource: Source, @unchecked Sendable {
    // Sound: all state is guarded.

    package struct Item: Sendable, Equatable {
        package var offset: Int64
        package var key: String?
        /// Nil: a tombstone.
        package var value: String?

        package init(offset: Int64, key: String? = nil, value: String?) {
            self.offset = offset
            self.key = key
            self.value = value
        }
    }

    package struct Partition: Sendable {
        package var items: [Item] = []
        /// Offset of the next record that will be appended.
        package var end: Int64 = 0
        package var position: Int64 = 0
        package var isAssigned = false
        /// Kept while the partition is not assigned, as librdkafka does.
        package var isPaused = false
        package var stored: Int64?
        package var committed: Int64?
        package var storedHistory: [Int64] = []
        package var committedHistory: [Int64] = []
        var isEndTold = false

        /// Index of the first item at or after the position.
        var nextIndex: Int {
            var (low, high) = (0, items.count)
            while low < high {
                let middle = (low + high) / 2
                if items[middle].offset < position { low = middle + 1 } else { high = middle }
            }
            return low
        }
    }

    private struct State {
        var partitions: [Partition]
        var events: [SourceEvent] = []
        var calls: [String] = []
        var violations: [String] = []
        /// Addresses of records handed out and not released.
        var lent: Set<UInt> = []
        var handedOut = 0
        var largestPoll = 0
        var isWoken = false
        var isClosed = false
        var seekFailures = 0
        var commitFailures = 0
        var assignsOnStart: [Int32]
        var nextFirst = 0
    }

    private let state: Guarded<State>
    private let tellsEnds: Bool
    private let checkStore: @Sendable (Int32, Int64, [Item]) -> String?
    private let onSeek: @Sendable (Int32) -> Void

    /// - Parameters:
    ///   - assigns: partitions given on `start`; nil for all.
    ///   - tellsEnds: whether `.reachedEnd` events come.
    ///   - checkStore: told each stored offset (partition, next, items); text is a violation.
    ///   - onSeek: told when a partition is moved.
    package init(
        partitions: Int = 1, assigns: [Int32]? = nil, tellsEnds: Bool = false,
        checkStore: @escaping @Sendable (Int32, Int64, [Item]) -> String? = { _, _, _ in nil },
        onSeek: @escaping @Sendable (Int32) -> Void = { _ in }
    ) {
        let all = (0..<partitions).map { Int32($0) }
        state = Guarded(
            State(
                partitions: Array(repeating: Partition(), count: partitions),
                assignsOnStart: assigns ?? all))
        self.tellsEnds = tellsEnds
        self.checkStore = checkStore
        self.onSeek = onSeek
    }

    // MARK: For the test

    /// Appends one record for each value; nil is a tombstone. `gap` leaves that many offsets out
    /// before each.
    package func append(_ partition: Int32, _ values: [String?], gap: Int64 = 0) {
        state.change { state in
            let index = Int(partition)
            for value in values {
                let offset = state.partitions[index].end + gap
                state.partitions[index].items.append(
                    Item(offset: offset, key: "k\(offset)", value: value))
                state.partitions[index].end = offset + 1
                state.partitions[index].isEndTold = false
            }
        }
    }

    /// Lets the partition end with offsets that hold no records (control records, compaction).
    package func appendEmptyOffsets(_ partition: Int32, _ count: Int64) {
        state.change { $0.partitions[Int(partition)].end += count }
    }

    /// What an earlier worker has committed.
    package func setCommitted(_ partition: Int32, _ offset: Int64) {
        state.change { $0.partitions[Int(partition)].committed = offset }
    }

    package func send(_ event: SourceEvent) { state.change { $0.events.append(event) } }

    /// Events that the worker has not taken yet.
    package var waitingEvents: Int { state.read { $0.events.count } }

    package func failSeeks(_ count: Int) { state.change { $0.seekFailures = count } }

    package func failCommits(_ count: Int) { state.change { $0.commitFailures = count } }

    package func partition(_ partition: Int32) -> Partition {
        state.read { $0.partitions[Int(partition)] }
    }

    /// Holds `close` up while it is closed itself.
    package let closing = Gate()
    /// `start`, `assign 0,1`, `unassign 0`, `pause 0`, `resume 0`, `seek 0 5`, `commit`, `close`.
    package var calls: [String] { state.read { $0.calls } }

    /// Broken rules of the contract, by the worker.
    package var violations: [String] { state.read { $0.violations } }

    /// Records handed out and not released.
    package var lentCount: Int { state.read { $0.lent.count } }

    /// Records handed out, repeated readings included.
    package var handedOut: Int { state.read { $0.handedOut } }

    /// Most records that one poll has given.
    package var largestPoll: Int { state.read { $0.largestPoll } }

    package func isAssigned(_ partition: Int32) -> Bool {
        state.read { $0.partitions[Int(partition)].isAssigned }
    }

    // MARK: Source

    package func start() throws(ServiceError) {
        state.change { state in
            state.calls.append("start")
            state.events.append(.assigned(state.assignsOnStart))
        }
    }

    package func poll(
        into records: inout ContiguousArray<RecordView>, limit: Int, timeoutMs: Int32
    ) {
        let found = unsafe state.whenReady(timeoutMs: Int(timeoutMs)) { [tellsEnds] state in
            state.isWoken || !state.events.isEmpty
                || state.partitions.contains {
                    guard $0.isAssigned, !$0.isPaused else { return false }
                    return $0.nextIndex < $0.items.count || (tellsEnds && !$0.isEndTold)
                }
        } _: { state in
            unsafe take(limit, from: &state)
        }
        unsafe records.append(contentsOf: found)
    }

    private func take(
        _ limit: Int, from state: inout State
    ) -> ContiguousArray<RecordView> {
        state.isWoken = false
        if state.isClosed { state.violations.append("poll after close") }
        var found = unsafe ContiguousArray<RecordView>()
        let count = state.partitions.count
        for step in 0..<count {
            let index = (state.nextFirst + step) % count
            let partition = state.partitions[index]
            guard partition.isAssigned, !partition.isPaused else { continue }
            var next = partition.nextIndex
            // In small pieces, so that partitions mix as they do with several fetchers.
            let most = max(1, limit / count)
            var taken = 0
            while next < partition.items.count, taken < most, unsafe found.count < limit {
                let item = partition.items[next]
                unsafe found.append(Self.view(of: item, partition: Int32(index)))
                state.partitions[index].position = item.offset + 1
                next += 1
                taken += 1
            }
            if tellsEnds, next == partition.items.count, !partition.isEndTold {
                state.partitions[index].isEndTold = true
                state.partitions[index].position = partition.end
                state.events.append(
                    .reachedEnd(partition: Int32(index), offset: partition.end))
            }
        }
        state.nextFirst = (state.nextFirst + 1) % max(1, count)
        for index in unsafe found.indices {
            if let handle = unsafe found[index].handle {
                state.lent.insert(UInt(bitPattern: handle))
            }
        }
        unsafe state.handedOut += found.count
        unsafe state.largestPoll = max(state.largestPoll, found.count)
        return unsafe found
    }

    private static func view(of item: Item, partition: Int32) -> RecordView {
        let key = Array((item.key ?? "").utf8)
        let value = Array((item.value ?? "").utf8)
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: 16 + key.count + value.count, alignment: 16)
        unsafe block.storeBytes(of: key.count + value.count, as: Int.self)
        let keyStart = unsafe block + 16
        let valueStart = unsafe keyStart + key.count
        for (index, byte) in key.enumerated() {
            unsafe keyStart.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
        for (index, byte) in value.enumerated() {
            unsafe valueStart.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
        }
        return unsafe RecordView(
            value: item.value == nil ? nil : UnsafeRawPointer(valueStart),
            valueCount: value.count,
            key: item.key == nil ? nil : UnsafeRawPointer(keyStart), keyCount: key.count,
            timestampMs: 1_700_000_000_000, offset: item.offset, partition: partition, epoch: 0,
            handle: block)
    }

    package func takeEvent() -> SourceEvent? {
        state.change { $0.events.isEmpty ? nil : $0.events.removeFirst() }
    }

    package func wake() {
        state.change { state in
            if state.isClosed { state.violations.append("wake after close") }
            state.isWoken = true
        }
    }

    package func assign(_ partitions: [Int32]) {
        note("assign", partitions) { partition, violations in
            if partition.isAssigned { violations.append("assigned twice") }
            partition.isAssigned = true
            partition.position = partition.committed ?? 0
            partition.stored = nil
            partition.isEndTold = false
        }
    }

    package func unassign(_ partitions: [Int32]) {
        note("unassign", partitions) { partition, violations in
            if !partition.isAssigned { violations.append("unassigned without assignment") }
            partition.isAssigned = false
            partition.stored = nil
        }
    }

    package func pause(_ partitions: [Int32]) {
        note("pause", partitions) { partition, violations in
            if !partition.isAssigned { violations.append("paused without assignment") }
            partition.isPaused = true
        }
    }

    package func resume(_ partitions: [Int32]) {
        note("resume", partitions) { partition, violations in
            if !partition.isPaused { violations.append("resumed without pause") }
            partition.isPaused = false
        }
    }

    private func note(
        _ call: String, _ partitions: [Int32],
        _ body: (inout Partition, inout [String]) -> Void
    ) {
        state.change { state in
            state.calls.append("\(call) \(partitions.map(String.init).joined(separator: ","))")
            for partition in partitions {
                body(&state.partitions[Int(partition)], &state.violations)
            }
        }
    }

    package func seek(_ partition: Int32, to offset: Int64) throws(ServiceError) {
        let fails = state.change { state in
            state.calls.append("seek \(partition) \(offset)")
            let index = Int(partition)
            if !state.partitions[index].isAssigned || !state.partitions[index].isPaused {
                state.violations.append("seek of a partition that is not assigned and paused")
            }
            if state.seekFailures > 0 {
                state.seekFailures -= 1
                return true
            }
            state.partitions[index].position = offset
            state.partitions[index].isEndTold = false
            onSeek(partition)
            return false
        }
        if fails { throw Self.failure("seek failed on purpose") }
    }

    package func storeOffset(_ partition: Int32, next offset: Int64) {
        state.change { state in
            let index = Int(partition)
            guard state.partitions[index].isAssigned else { return }
            if let old = state.partitions[index].stored, old > offset {
                state.violations.append("stored offset of \(partition) went back: \(offset)")
            }
            state.partitions[index].stored = offset
            state.partitions[index].storedHistory.append(offset)
            if let wrong = checkStore(partition, offset, state.partitions[index].items) {
                state.violations.append(wrong)
            }
        }
    }

    package func commitStored(timeoutMs: Int32) throws(ServiceError) {
        let fails = state.change { state in
            state.calls.append("commit")
            if state.commitFailures > 0 {
                state.commitFailures -= 1
                return true
            }
            for index in state.partitions.indices {
                guard let stored = state.partitions[index].stored else { continue }
                state.partitions[index].committed = stored
                state.partitions[index].committedHistory.append(stored)
            }
            return false
        }
        if fails { throw Self.failure("commit failed on purpose") }
    }

    package func endOffsets(timeoutMs: Int32) throws(ServiceError) -> [Int32: Int64] {
        state.read { state in
            var ends: [Int32: Int64] = [:]
            for index in state.partitions.indices {
                ends[Int32(index)] = state.partitions[index].end
            }
            return ends
        }
    }

    package func release(_ records: UnsafeMutablePointer<RecordView>, count: Int) {
        state.change { state in
            for index in 0..<count {
                guard let handle = unsafe records[index].handle else { continue }
                guard state.lent.remove(UInt(bitPattern: handle)) != nil else {
                    state.violations.append("a record was released twice")
                    continue
                }
                let bytes = unsafe handle.load(as: Int.self)
                unsafe memset(handle + 16, 0xdd, bytes)
                unsafe handle.deallocate()
            }
        }
    }

    package func close() {
        closing.pass()
        state.change { state in
            state.calls.append("close")
            if !state.lent.isEmpty { state.violations.append("closed with lent records") }
            state.isClosed = true
        }
    }

    package func noteHeaders(of batch: Batch) {}

    package func lastHeader(
        named name: [CChar], of handle: UnsafeMutableRawPointer
    ) -> UnsafeRawBufferPointer? { nil }

    private static func failure(_ text: String) -> ServiceError {
        ServiceError(code: "TEST", message: text, isFatal: false, isRetriable: true)
    }
}
