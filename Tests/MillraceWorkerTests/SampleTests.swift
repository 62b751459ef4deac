import MillraceCore
import MillraceTestKit
import Synchronization
import Testing

@testable import MillraceWorker

@Suite("Worker: the records it keeps to be looked at")
struct SampleTests {
    /// A finished batch of scored records with these output values, from this offset on.
    private static func batch(_ values: [String], offset: Int64 = 0) throws -> Batch {
        let batch = Batch(slot: 0, capacity: 4)
        for (index, value) in values.enumerated() {
            unsafe batch.add(
                RecordView(
                    value: nil, valueCount: 0, key: nil, keyCount: 0, timestampMs: 1,
                    offset: offset + Int64(index), partition: 3, epoch: 0, handle: nil), run: 0)
            let bytes = Array(value.utf8)
            batch.arena.reserve(bytes.count)
            unsafe batch.results[index].state = .scored
            unsafe batch.results[index].outputStart = batch.arena.used
            unsafe batch.results[index].outputCount = bytes.count
            unsafe (batch.arena.base + batch.arena.used).copyMemory(
                from: bytes, byteCount: bytes.count)
            batch.arena.used += bytes.count
        }
        var ledger = Ledger()
        let epoch = ledger.open(3)
        let last = offset + Int64(values.count)
        let ticket = ledger.admit(
            3, epoch: epoch, firstOffset: offset, lastOffset: last, count: values.count)
        batch.runs = [
            PartitionRun(
                ticket: try #require(ticket), count: values.count, first: 0, lastOffset: last)
        ]
        return batch
    }

    private static func texts(_ samples: RecordSamples) -> [String] {
        samples.all.map { String(decoding: $0.value, as: UTF8.self) }
    }

    @Test("of each batch the last scored record, the oldest sample first")
    func lastOfEachBatch() throws {
        let samples = RecordSamples(limit: 2)
        for number in 0..<4 {
            let batch = try Self.batch(["a\(number)", "b\(number)"], offset: Int64(number) * 2)
            samples.offer(batch, nowUs: Int64(number + 1) * 500_000)
        }
        #expect(
            samples.all == [
                RecordSample(
                    partition: 3, offset: 5, takenAtUs: 1_500_000, value: Array("b2".utf8),
                    byteCount: 2),
                RecordSample(
                    partition: 3, offset: 7, takenAtUs: 2_000_000, value: Array("b3".utf8),
                    byteCount: 2),
            ])
    }

    @Test("time and not load limits how many are copied; a clock set back does not end it")
    func limitedByTime() throws {
        let samples = RecordSamples(limit: 10)
        for (ms, value) in [
            (1_000, "a"), (1_050, "b"), (1_099, "c"), (1_100, "d"), (1_150, "e"), (200, "f"),
            (250, "g"),
        ] as [(Int64, String)] {
            samples.offer(try Self.batch([value]), nowUs: ms * 1_000)
        }
        #expect(Self.texts(samples) == ["a", "d", "f"])
    }

    @Test("time limits the search as well where no record is to be shown")
    func searchIsLimited() throws {
        let samples = RecordSamples(limit: 10)
        let passed = try Self.batch(["passed"])
        unsafe passed.results[0].state = .passed
        samples.offer(passed, nowUs: 1_000_000)
        samples.offer(try Self.batch(["at once"]), nowUs: 1_006_249)
        #expect(samples.all == [])
        samples.offer(try Self.batch(["a sixteenth later"]), nowUs: 1_006_250)
        samples.offer(try Self.batch(["too soon"]), nowUs: 1_106_249)
        samples.offer(try Self.batch(["in time"]), nowUs: 1_106_250)
        #expect(Self.texts(samples) == ["a sixteenth later", "in time"])
    }

    @Test("only what went out with predictions")
    func onlyScored() throws {
        let samples = RecordSamples(limit: 5)
        let batch = try Self.batch(["scored", "dead", "passed"])
        unsafe batch.results[2].state = .passed
        batch.markDead(1, RecordError(.malformed, "no"))
        samples.offer(batch, nowUs: 1_000_000)
        #expect(Self.texts(samples) == ["scored"])
        let discarded = try Self.batch(["again"])
        discarded.runs[0].isDiscarded = true
        samples.offer(discarded, nowUs: 2_000_000)
        #expect(Self.texts(samples) == ["scored"])
    }

    @Test("a long value is cut")
    func cut() throws {
        let samples = RecordSamples(limit: 1)
        for (second, length) in [RecordSamples.valueBytes, RecordSamples.valueBytes + 1]
            .enumerated()
        {
            let value = String(repeating: "x", count: length)
            samples.offer(try Self.batch([value]), nowUs: Int64(second + 1) * 1_000_000)
            let sample = try #require(samples.all.first)
            #expect(sample.value.count == RecordSamples.valueBytes)
            #expect(sample.byteCount == length)
            #expect(sample.isCut == (length > RecordSamples.valueBytes))
        }
    }

    @Test("0 keeps none, and is what a worker does where nobody asks")
    func none() throws {
        let samples = RecordSamples(limit: 0)
        samples.offer(try Self.batch(["a"]), nowUs: 1_000_000)
        #expect(samples.all == [])
        #expect(WorkerSettings().samples == 0)
    }

    @Test("a running worker keeps the output values of acknowledged records")
    func ofAWorker() throws {
        let rig = try Rig { $0.samples = 3 }
        try rig.start()
        rig.source.append(0, ["21"])
        try rig.waitForOutput(1)
        try rig.wait("the sample") { !rig.worker.samples.isEmpty }
        let sample = try #require(rig.worker.samples.first)
        #expect(String(decoding: sample.value, as: UTF8.self) == "21=42")
        #expect((sample.partition, sample.offset) == (0, 0))
        #expect(rig.stop() == .finished)
    }
}
