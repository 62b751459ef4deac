internal import Synchronization

/// A stretch of the input from which lines are lent as records. It lives until the last of them is
/// back and the source has gone on to the next block.
@safe final class LineBlock: @unchecked Sendable {
    // Sound: only the source writes to it, and only behind the bytes that it has lent.
    let base: UnsafeMutableRawPointer
    let capacity: Int
    /// Bytes of input in it; the source's own.
    var filled = 0
    /// A line of which only the beginning was kept: where it begins (-1: none), and how long it
    /// really is. Atomic, as the sink may look for another line of the block meanwhile.
    private let cutStart = Atomic<Int>(-1)
    private let cutBytes = Atomic<Int>(0)
    /// Lines lent, and one more while the source reads into it.
    private let holds = Atomic<Int>(1)

    /// A usual block: a few hundred lines, and small enough for a processor's second cache.
    static let usualBytes = 256 << 10

    init(capacity: Int) {
        self.capacity = capacity
        unsafe base = .allocate(byteCount: capacity, alignment: 64)
    }

    deinit { unsafe base.deallocate() }

    /// Makes an unused block ready to be filled again.
    func reuse() {
        filled = 0
        cutStart.store(-1, ordering: .relaxed)
        holds.store(1, ordering: .relaxed)
    }

    /// Notes that of the line that begins there only a part is in the block.
    func noteCut(start: Int, byteCount: Int) {
        cutBytes.store(byteCount, ordering: .relaxed)
        cutStart.store(start, ordering: .releasing)
    }

    /// How long the line at that address is, where only its beginning is there.
    func cutByteCount(at address: UnsafeRawPointer) -> Int? {
        let start = cutStart.load(ordering: .acquiring)
        guard start >= 0, unsafe UnsafeRawPointer(base + start) == address else { return nil }
        return cutBytes.load(ordering: .relaxed)
    }

    /// Counts that many lines as lent.
    func hold(_ count: Int) { holds.add(count, ordering: .relaxed) }

    /// Takes holds back; true where that was the last one.
    func letGo(_ count: Int) -> Bool {
        holds.subtract(count, ordering: .acquiringAndReleasing).newValue == 0
    }

    /// The block as a record's handle. It stays alive until `BlockPool.letGo` takes the last hold.
    var handle: UnsafeMutableRawPointer { unsafe Unmanaged.passUnretained(self).toOpaque() }

    /// The block of a record.
    static func of(_ handle: UnsafeMutableRawPointer) -> LineBlock {
        unsafe Unmanaged<LineBlock>.fromOpaque(handle).takeUnretainedValue()
    }
}

/// Hands out blocks and keeps a few that are free.
final class BlockPool: Sendable {
    private let free = Mutex<[LineBlock]>([])
    /// Blocks that lie idle; what is lent is bounded by the worker.
    private static let freeLimit = 8

    /// An empty block of at least that size, held once. It is alive until its last hold is taken.
    func take(atLeast byteCount: Int) -> LineBlock {
        let isUsual = byteCount <= LineBlock.usualBytes
        let reused = isUsual ? free.withLock { $0.popLast() } : nil
        let block = reused ?? LineBlock(capacity: max(byteCount, LineBlock.usualBytes))
        block.reuse()
        _ = unsafe Unmanaged.passRetained(block)
        return block
    }

    /// Takes holds of a block back. Any thread.
    func letGo(_ block: LineBlock, count: Int) {
        guard block.letGo(count) else { return }
        unsafe Unmanaged.passUnretained(block).release()
        guard block.capacity == LineBlock.usualBytes else { return }
        free.withLock { if $0.count < Self.freeLimit { $0.append(block) } }
    }
}
