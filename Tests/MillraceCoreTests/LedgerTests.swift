import MillraceCore
import MillraceTestKit
import Testing

@Suite("Ledger")
struct LedgerTests {
    private func ticket(
        _ ledger: inout Ledger, _ partition: Int32, _ epoch: UInt32, _ offsets: ClosedRange<Int64>,
        count: Int? = nil
    ) throws -> Ledger.Ticket {
        try required(
            ledger.admit(
                partition, epoch: epoch, firstOffset: offsets.lowerBound,
                lastOffset: offsets.upperBound, count: count ?? offsets.count))
    }

    @Test("the frontier moves over finished runs only, in order")
    func contiguous() throws {
        var ledger = Ledger()
        let epoch = ledger.open(3)
        let first = try ticket(&ledger, 3, epoch, 10...19)
        let second = try ticket(&ledger, 3, epoch, 20...29)
        #expect(ledger.frontier(of: 3) == 10)
        #expect(ledger.finish(second, count: 10) == nil)
        #expect(ledger.finish(first, count: 9) == nil)
        #expect(ledger.frontier(of: 3) == 10)
        #expect(ledger.finish(first, count: 1) == Ledger.Frontier(partition: 3, offset: 30))
        #expect(ledger.unfinished(3) == 0)
    }

    @Test("gaps in the offsets are no obstacle")
    func gaps() throws {
        var ledger = Ledger()
        let epoch = ledger.open(0)
        let run = try ticket(&ledger, 0, epoch, 5...100, count: 3)
        #expect(ledger.finish(run, count: 3) == Ledger.Frontier(partition: 0, offset: 101))
    }

    @Test("a ticket of an old epoch finishes nothing")
    func oldEpoch() throws {
        var ledger = Ledger()
        let run = try ticket(&ledger, 0, ledger.open(0), 0...9)
        ledger.close(0)
        #expect(ledger.finish(run, count: 10) == nil)
        let epoch = ledger.open(0)
        let again = try ticket(&ledger, 0, epoch, 0...9)
        #expect(!ledger.isCurrent(run))
        #expect(ledger.finish(run, count: 10) == nil)
        #expect(ledger.unfinished(0) == 10)
        #expect(ledger.finish(again, count: 10)?.offset == 10)
    }

    @Test("no records are admitted for closed, draining or foreign partitions")
    func closed() {
        var ledger = Ledger()
        let epoch = ledger.open(1)
        func admit(_ partition: Int32, _ epoch: UInt32, _ ledger: inout Ledger) -> Bool {
            ledger.admit(partition, epoch: epoch, firstOffset: 0, lastOffset: 0, count: 1) != nil
        }
        #expect(!admit(2, epoch, &ledger))
        #expect(!admit(1, epoch &+ 1, &ledger))
        #expect(admit(1, epoch, &ledger))
        ledger.stopAdmitting(1)
        #expect(!admit(1, epoch, &ledger))
        #expect(!ledger.admits(1, epoch: epoch))
    }

    @Test("a rewind goes to the first unfinished record and needs a reopening")
    func rewind() throws {
        var ledger = Ledger()
        let epoch = ledger.open(0)
        let first = try ticket(&ledger, 0, epoch, 0...4)
        let second = try ticket(&ledger, 0, epoch, 5...9)
        _ = ledger.finish(first, count: 5)
        let rewound = try required(ledger.rewind(0))
        #expect(rewound.offset == 5)
        #expect(rewound.epoch != epoch)
        #expect(ledger.finish(second, count: 5) == nil)
        #expect(!ledger.admits(0, epoch: rewound.epoch))
        ledger.reopen(0, at: rewound.offset)
        let again = try ticket(&ledger, 0, rewound.epoch, 5...9)
        #expect(ledger.finish(again, count: 5)?.offset == 10)
    }

    @Test("a partition without records has nothing to rewind")
    func nothingToRewind() {
        var ledger = Ledger()
        _ = ledger.open(0)
        #expect(ledger.rewind(0) == nil)
        #expect(ledger.rewind(7) == nil)
    }

    @Test("random orders of finishing never move the frontier past an unfinished record")
    func randomOrders() throws {
        for seed in 0..<200 {
            var random = SeededRandom(seed: UInt64(seed))
            var ledger = Ledger()
            let epoch = ledger.open(0)
            var open: [(ticket: Ledger.Ticket, offsets: [Int64])] = []
            var unfinished: Set<Int64> = []
            var nextOffset: Int64 = 0
            var frontier: Int64 = 0
            for _ in 0..<400 {
                if open.isEmpty || Bool.random(using: &random) {
                    var offsets: [Int64] = []
                    for _ in 0..<Int.random(in: 1...5, using: &random) {
                        nextOffset += Int64.random(in: 1...3, using: &random)
                        offsets.append(nextOffset)
                        unfinished.insert(nextOffset)
                    }
                    let admitted = try ticket(
                        &ledger, 0, epoch, offsets[0]...offsets[offsets.count - 1],
                        count: offsets.count)
                    open.append((admitted, offsets))
                } else {
                    let index = Int.random(in: 0..<open.count, using: &random)
                    let count = Int.random(in: 1...open[index].offsets.count, using: &random)
                    for offset in open[index].offsets.prefix(count) { unfinished.remove(offset) }
                    open[index].offsets.removeFirst(count)
                    let moved = ledger.finish(open[index].ticket, count: count)
                    if open[index].offsets.isEmpty { open.remove(at: index) }
                    if let moved {
                        #expect(moved.offset > frontier)
                        frontier = moved.offset
                    }
                }
                // A run counts as a whole, so the frontier may lag, but never lead.
                if let first = unfinished.min() { #expect(frontier <= first) }
                #expect(ledger.unfinished(0) == unfinished.count)
            }
        }
    }
}
