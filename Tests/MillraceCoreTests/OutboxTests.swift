import Testing

@testable import MillraceCore

@Suite("Outbox")
struct OutboxTests {
    @Test("a queue that is never empty does not keep what was written")
    func standingQueue() {
        var outbox = Outbox()
        func add(_ run: Int) {
            outbox.append(
                Outbox.Entry(
                    slot: 0, run: run, first: 0, count: 1, bytes: 1 << 20, lastOffset: 0), of: 0)
        }
        // Each is as large as a group, so that one always waits behind the one that is written.
        add(0)
        for run in 1..<10_000 {
            add(run)
            let next = outbox.next()
            #expect(next?.entry.run == run - 1)
            let end = outbox.next()
            #expect(end == nil)
            outbox.answered(1, of: 0)
        }
        #expect(Self.keptEntries(outbox) < 200)
    }

    @Test("what is suspected is on its way alone, whatever other partitions have to write")
    func alone() {
        var outbox = Outbox()
        func add(_ partition: Int32, _ count: Int) {
            outbox.append(
                Outbox.Entry(
                    slot: 0, run: 0, first: 0, count: count, bytes: 1, lastOffset: 9), of: partition
            )
        }
        func nextPartitions() -> [Int32] {
            var written: [Int32] = []
            while let next = outbox.next() { written.append(next.partition) }
            return written
        }
        add(0, 2)
        add(1, 1)
        #expect(nextPartitions() == [1, 0])
        #expect(!outbox.isAlone(1))
        outbox.writeCarefully(0, until: 9)
        outbox.answered(2, of: 0)
        add(2, 1)
        add(0, 2)  // looked at first
        let early = nextPartitions()
        #expect(early.isEmpty, "partition 1 is on its way, and 0 wants to be alone")
        #expect(!outbox.isAlone(1))
        outbox.answered(1, of: 1)
        for _ in 0..<2 {
            #expect(nextPartitions() == [0])
            #expect(outbox.isAlone(0) && outbox.awaitedTotal == 1)
            outbox.answered(1, of: 0)
        }
        #expect(nextPartitions() == [2], "who waited goes on")
    }

    /// Entries that the first partition's queue holds on to, written or not.
    private static func keptEntries(_ outbox: Outbox) -> Int {
        var place: Any? = child("partitions", of: outbox)
        place = place.flatMap { Mirror(reflecting: $0).children.first?.value }
        place = place.flatMap { child("value", of: $0) }.flatMap { child("waiting", of: $0) }
        return place.map { Mirror(reflecting: $0).children.count } ?? .max
    }

    private static func child(_ label: String, of value: Any) -> Any? {
        Mirror(reflecting: value).children.first { $0.label == label }?.value
    }
}
