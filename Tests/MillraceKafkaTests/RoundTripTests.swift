import MillraceCore
import MillraceKafka
import Testing

/// What the records look like after the whole way.
@Suite struct RoundTripTests {
    private static let inputHeaders: [PlainRecord.Header] = [
        .init("trace", [1, 2]), .init("trace", [3]), .init("none", nil), .init("empty", []),
    ]

    @Test func keepsKeyHeadersTimestampAndNulls() throws {
        let stage = try Stage(partitions: 1)
        let input = [
            PlainRecord(
                key: Array("k".utf8), value: Array("{}".utf8), headers: Self.inputHeaders,
                timestampMs: 1_700_000_000_123, partition: 0),
            PlainRecord(
                key: [], value: nil, headers: Self.inputHeaders, timestampMs: 5, partition: 0),
            PlainRecord(key: nil, value: [], timestampMs: 6, partition: 0),
        ]
        try stage.feed(input)
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 3 })
        #expect(pump.value(1) == nil)
        #expect(pump.value(2) == [])
        #expect(pump.key(2) == nil)

        let sink = try KafkaSink(stage.settings, log: .none)
        let scored = Array("{\"score\":1}".utf8)
        let work = batch(pump) { index in
            index == 0 ? .scored(scored) : .passed
        }
        #expect(sink.writeAll(work) == .done)
        pump.releaseAll()
        let answers = sink.answers(3)
        #expect(answers.allSatisfy { $0.failure == nil && $0.slot == 3 && $0.run == 0 })
        #expect(answers.first?.record == 0)

        let output = try stage.read("out", 3)
        try #require(output.count == 3)
        #expect(output[0].key == Array("k".utf8))
        #expect(output[0].value == scored)
        let model = PlainRecord.Header("millrace-model", Array("fraud@0123456789ab".utf8))
        #expect(output[0].headers == Self.inputHeaders + [model])
        #expect(output[0].timestampMs == 1_700_000_000_123)
        #expect(output[1].key == [])
        #expect(output[1].value == nil)
        #expect(output[1].headers == Self.inputHeaders)
        #expect(output[1].timestampMs == 5)
        #expect(output[2].key == nil)
        #expect(output[2].value == [])
        #expect(output[2].headers == [])
        pump.close()
        sink.close()
    }

    @Test func findsTheLastHeaderOfAName() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed([
            PlainRecord(value: [1], headers: Self.inputHeaders), PlainRecord(value: [2]),
        ])
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 2 })
        func last(_ name: String, of index: Int) throws -> [UInt8]? {
            let chars = name.utf8.map { CChar(bitPattern: $0) } + [0]
            guard let handle = unsafe pump.records[index].handle,
                let value = unsafe pump.source.lastHeader(named: chars, of: handle)
            else { return nil }
            return unsafe Array(value)
        }
        #expect(try last("trace", of: 0) == [3])
        #expect(try last("none", of: 0) == nil)
        #expect(try last("empty", of: 0) == [])
        #expect(try last("other", of: 0) == nil)
        #expect(try last("trace", of: 1) == nil)
        pump.close()
    }

    @Test func notesWhichRecordsHaveNoHeaders() throws {
        let stage = try Stage(partitions: 1)
        try stage.feed([
            PlainRecord(value: [1], headers: Self.inputHeaders), PlainRecord(value: [2]),
        ])
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 2 })
        let work = Batch(slot: 3, capacity: 2)
        for index in 0..<2 { unsafe work.add(pump.records[index], run: 0) }
        pump.source.noteHeaders(of: work)
        #expect(unsafe work.results[0].mayHaveHeaders)
        #expect(unsafe !work.results[1].mayHaveHeaders)
        pump.close()
    }

    @Test func preservesPartitionsAndOrder() throws {
        let stage = try Stage(partitions: 3)
        for partition in Int32(0)..<3 {
            try stage.feed(Stage.numbered(0..<200, partition: partition))
        }
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 600 })
        let sink = try KafkaSink(stage.settings, log: .none)
        let work = batch(pump) { .scored(pump.value($0) ?? []) }
        #expect(sink.writeAll(work) == .done)
        let answers = sink.answers(600)
        #expect(answers.reduce(0) { $0 + $1.count } == 600)
        #expect(answers.count < 600, "successes come together")
        let output = try stage.read("out", 600)
        for partition in Int32(0)..<3 {
            let values = output.filter { $0.partition == partition }.map {
                String(decoding: $0.value ?? [], as: UTF8.self)
            }
            #expect(values == (0..<200).map(String.init))
        }
        pump.close()
        sink.close()
    }

    @Test func keyPartitioningIsJavas() throws {
        var stage = try Stage(partitions: 1)
        try stage.cluster.createTopic("keyed", partitions: 5)
        stage.settings.sinkTopic = "keyed"
        stage.settings.partitioning = .key
        // murmur2 as Java's DefaultPartitioner: toPositive(hash) % 5.
        let keys = ["kafka", "giberish123456789", "1234", ""]
        try stage.feed(keys.map { PlainRecord(key: Array($0.utf8), value: [1], partition: 0) })
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == keys.count })
        let sink = try KafkaSink(stage.settings, log: .none)
        let work = batch(pump) { _ in .scored([1]) }
        #expect(sink.writeAll(work) == .done)
        #expect(sink.answers(keys.count).allSatisfy { $0.failure == nil })
        let output = try stage.read("keyed", keys.count)
        for record in output {
            let key = record.key ?? []
            #expect(record.partition == Int32((murmur2(key) & 0x7fff_ffff) % 5))
        }
        #expect(output.count == keys.count)
        pump.close()
        sink.close()
    }

    @Test func writesTheAskedRunOnly() throws {
        let stage = try Stage(partitions: 2)
        try stage.feed(Stage.numbered(0..<10, partition: 0))
        try stage.feed(Stage.numbered(10..<20, partition: 1))
        let pump = try Pump(stage.settings)
        try #require(pump.until { pump.count == 20 })
        let sink = try KafkaSink(stage.settings, log: .none)
        let work = batch(pump) { _ in .scored([7]) }
        let run = try #require(work.runs.firstIndex { $0.ticket.partition == 1 })
        let first = work.runs[run].first
        #expect(sink.write(work, positions: first..<(first + 10)) == .done)
        let answers = sink.answers(10)
        #expect(answers.allSatisfy { $0.run == run && $0.failure == nil })
        #expect(answers.reduce(0) { $0 + $1.count } == 10)
        pump.close()
        sink.close()
    }
}

/// Murmur2 with Kafka's seed, written down from its definition.
private func murmur2(_ bytes: [UInt8]) -> UInt32 {
    let m: UInt32 = 0x5bd1_e995
    var h: UInt32 = 0x9747_b28c ^ UInt32(bytes.count)
    var index = 0
    while bytes.count - index >= 4 {
        var k =
            UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16
            | UInt32(bytes[index + 3]) << 24
        k = k &* m
        k ^= k >> 24
        h = h &* m ^ k &* m
        index += 4
    }
    let left = bytes.count - index
    if left == 3 { h ^= UInt32(bytes[index + 2]) << 16 }
    if left >= 2 { h ^= UInt32(bytes[index + 1]) << 8 }
    if left >= 1 { h = (h ^ UInt32(bytes[index])) &* m }
    h = (h ^ h >> 13) &* m
    return h ^ h >> 15
}
