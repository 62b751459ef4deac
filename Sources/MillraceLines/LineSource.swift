internal import Glibc
package import MillraceCore

/// Lines as records of one partition: the offset is the line's number from 0, key, headers and
/// timestamp are missing. The end of the input is the end of the partition.
///
/// A line is what stands before a separator; a carriage return before it belongs to the line (and
/// is white space to JSON). The last line needs no separator. Empty lines are counted and left out.
/// Of a line longer than `maxLineBytes` one byte more than that is kept, so that memory stays
/// bounded and the codec refuses it for its size.
@safe package final class LineSource: Source, @unchecked Sendable {
    // Sound: by contract one thread calls all but `wake`, `release` and `storeOffset`, which touch
    // `waker` and `pool` only.

    /// How the input is cut into records.
    package struct Form: Sendable {
        package var separator = UInt8(ascii: "\n")
        package var skipsEmptyLines = true

        package init() {}
    }

    private let form: Form
    private let maxLineBytes: Int
    private let waker: Waker
    private let pool = BlockPool()
    private var reader: LineReader
    private var block: LineBlock
    /// Where in the block the next line begins, and from where it has no known end.
    private var lineStart = 0
    private var searched = 0
    /// A line that is already too long: its block, where it begins there, its bytes so far.
    private var long: (block: LineBlock, start: Int, byteCount: Int)?
    private var nextLine: Int64 = 0
    private var events: [SourceEvent] = []
    private var isAssigned = false
    private var isPaused = false
    private var hasEnded = false

    /// Room below which the next read goes to a new block.
    private static let leastRoom = 4 << 10

    /// Fails where the process has no file descriptor left.
    package init(_ input: LineInput, form: Form, maxLineBytes: Int) throws(ServiceError) {
        guard let waker = Waker() else {
            throw ServiceError(
                code: "", message: "no file descriptor left", isFatal: true, isRetriable: false)
        }
        self.waker = waker
        self.form = form
        self.maxLineBytes = maxLineBytes
        reader = LineReader(input)
        block = pool.take(atLeast: LineBlock.usualBytes)
    }

    deinit {
        pool.letGo(block, count: 1)
        if let long { pool.letGo(long.block, count: 1) }
    }

    // MARK: Reading

    package func poll(
        into records: inout ContiguousArray<RecordView>, limit: Int, timeoutMs: Int32
    ) {
        guard isAssigned, !isPaused, !hasEnded else {
            waker.wait(timeoutMs: timeoutMs)
            return
        }
        if unsafe takeLines(into: &records, limit: limit) { return }
        makeRoom()
        let room = unsafe UnsafeMutableRawBufferPointer(
            start: block.base + block.filled, count: block.capacity - block.filled)
        switch unsafe reader.read(into: room, timeoutMs: timeoutMs, waker: waker) {
        case .bytes(let count):
            block.filled += count
            _ = unsafe takeLines(into: &records, limit: limit)
        case .nothing: break
        case .end:
            unsafe takeRest(into: &records)
            hasEnded = true
            events.append(.reachedEnd(partition: 0, offset: .max))
        case .failed(let code):
            hasEnded = true
            events.append(.problem(Self.failure(code)))
        }
    }

    /// Lends the lines that are complete in the block. False where there is none.
    private func takeLines(
        into records: inout ContiguousArray<RecordView>, limit: Int
    ) -> Bool {
        let bytes = unsafe block.base
        let before = unsafe records.count
        var lent = 0
        while unsafe records.count - before < limit, searched < block.filled {
            guard
                let found = unsafe memchr(
                    bytes + searched, Int32(form.separator), block.filled - searched)
            else {
                searched = block.filled
                break
            }
            let end = unsafe UnsafeRawPointer(found) - UnsafeRawPointer(bytes)
            if long != nil {
                unsafe takeLong(into: &records, more: end - lineStart)
            } else if !isSkipped(from: lineStart, to: end) {
                unsafe records.append(view(of: block, start: lineStart, count: end - lineStart))
                lent += 1
            }
            nextLine &+= 1
            lineStart = end + 1
            searched = lineStart
        }
        block.hold(lent)
        return unsafe records.count > before
    }

    /// Lends the last line where no separator ends it.
    private func takeRest(into records: inout ContiguousArray<RecordView>) {
        if long != nil {
            unsafe takeLong(into: &records, more: block.filled - lineStart)
        } else if lineStart < block.filled, !isSkipped(from: lineStart, to: block.filled) {
            unsafe records.append(
                view(of: block, start: lineStart, count: block.filled - lineStart))
            block.hold(1)
        }
        nextLine &+= 1
        lineStart = block.filled
    }

    /// Lends the beginning of the line that was too long; its last bytes are `more`.
    private func takeLong(into records: inout ContiguousArray<RecordView>, more: Int) {
        guard let (block, start, byteCount) = long else { return }
        long = nil
        block.noteCut(start: start, byteCount: byteCount + more)
        // The hold that `long` had is the record's now.
        unsafe records.append(view(of: block, start: start, count: maxLineBytes + 1))
    }

    private func isSkipped(from start: Int, to end: Int) -> Bool {
        guard form.skipsEmptyLines, end - start <= 1 else { return false }
        if end == start { return true }
        let only = unsafe block.base.load(fromByteOffset: start, as: UInt8.self)
        return only == UInt8(ascii: "\r")
    }

    private func view(of block: LineBlock, start: Int, count: Int) -> RecordView {
        unsafe RecordView(
            value: block.base + start, valueCount: count, key: nil, keyCount: 0,
            timestampMs: -1, offset: nextLine, partition: 0, epoch: 0, handle: block.handle)
    }

    /// Makes room for the next read: in the block, or in a new one, to which the beginning of an
    /// unfinished line moves.
    private func makeRoom() {
        let open = block.filled - lineStart
        if let (_, _, byteCount) = long {
            // Only its length still counts.
            long?.byteCount = byteCount + open
            begin(pool.take(atLeast: LineBlock.usualBytes), letGo: true)
        } else if open > maxLineBytes {
            long = (block, lineStart, open)
            begin(pool.take(atLeast: LineBlock.usualBytes), letGo: false)
        } else if block.capacity - block.filled < Self.leastRoom {
            let fresh = pool.take(atLeast: max(2 * open, LineBlock.usualBytes))
            unsafe fresh.base.copyMemory(from: block.base + lineStart, byteCount: open)
            fresh.filled = open
            begin(fresh, letGo: true)
        }
    }

    private func begin(_ fresh: LineBlock, letGo: Bool) {
        if letGo { pool.letGo(block, count: 1) }
        block = fresh
        lineStart = 0
        searched = fresh.filled
    }

    private static func failure(_ code: Int32) -> ServiceError {
        ServiceError(
            code: "", message: SystemError.text(code), isFatal: true, isRetriable: false)
    }

    // MARK: The rest of a source

    package func start() throws(ServiceError) { events.append(.assigned([0])) }

    package func takeEvent() -> SourceEvent? { events.isEmpty ? nil : events.removeFirst() }

    package func wake() { waker.wake() }

    package func assign(_ partitions: [Int32]) { isAssigned = true }

    package func unassign(_ partitions: [Int32]) { isAssigned = false }

    package func pause(_ partitions: [Int32]) { isPaused = true }

    package func resume(_ partitions: [Int32]) { isPaused = false }

    /// The line sinks fail no delivery, so nothing is read twice.
    package func seek(_ partition: Int32, to offset: Int64) throws(ServiceError) {
        throw ServiceError(
            code: "", message: "lines cannot be read again", isFatal: true, isRetriable: false)
    }

    package func storeOffset(_ partition: Int32, next offset: Int64) {}

    package func commitStored(timeoutMs: Int32) throws(ServiceError) {}

    /// Unknown until the input ends: `.reachedEnd` tells.
    package func endOffsets(timeoutMs: Int32) throws(ServiceError) -> [Int32: Int64] {
        [0: .max]
    }

    package func release(_ records: UnsafeMutablePointer<RecordView>, count: Int) {
        var first = 0
        while first < count {
            // Neighbours share their block.
            let handle = unsafe records[first].handle
            var next = first + 1
            while unsafe next < count && records[next].handle == handle { next += 1 }
            if let handle = unsafe handle {
                pool.letGo(unsafe LineBlock.of(handle), count: next - first)
            }
            first = next
        }
    }

    package func noteHeaders(of batch: Batch) {}

    /// Lines have no headers.
    package func lastHeader(
        named name: [CChar], of handle: UnsafeMutableRawPointer
    ) -> UnsafeRawBufferPointer? { nil }

    package func close() {}
}

/// The system's error numbers in words.
enum SystemError {
    static func text(_ code: Int32) -> String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text).lowercased()
    }
}
