import Glibc
import MillraceCore
import MillraceKafka
import Synchronization
import Testing

/// The mock of librdkafka 2.0.2 speaks an old version of Metadata that cannot say "do not create
/// the topic"; real brokers and newer mocks can.
let mockCanLackTopics = LibraryVersion.current >= LibraryVersion(2, 13, 0)

/// A mock cluster with an input topic, an output topic and dead letters.
struct Stage {
    let cluster: MockCluster
    var settings: KafkaSettings

    init(partitions: Int = 2, brokers: Int = 1) throws {
        cluster = try MockCluster(brokerCount: brokers)
        settings = KafkaSettings(topic: "in", group: "g")
        settings.common = [("bootstrap.servers", cluster.bootstrapServers)]
        // The mock lets a group wait for absent members until their session ends; the first join
        // waits 3 s with older libraries, which must be less.
        settings.consumer = [("session.timeout.ms", "4000"), ("heartbeat.interval.ms", "200")]
        settings.sinkTopic = "out"
        settings.deadLetterTopic = "dead"
        settings.modelHeader = "fraud@0123456789ab"
        for topic in ["in", "out", "dead"] {
            try cluster.createTopic(topic, partitions: partitions)
        }
    }

    var properties: KafkaSettings.Properties { settings.common }

    func feed(_ records: [PlainRecord], topic: String = "in") throws {
        let feeder = try KafkaFeeder(topic: topic, properties: properties)
        for record in records { try feeder.send(record) }
        try feeder.flush(timeoutMs: 10_000)
    }

    func read(_ topic: String, _ count: Int) throws -> [PlainRecord] {
        try KafkaReader(topic: topic, properties: properties).read(count, timeoutMs: 10_000)
    }

    /// Plain records with rising numbers as values.
    static func numbered(_ numbers: Range<Int>, partition: Int32 = 0) -> [PlainRecord] {
        numbers.map { PlainRecord(value: Array("\($0)".utf8), partition: partition) }
    }
}

/// A source and what came out of it. `until` polls as the intake thread does; it answers
/// rebalances at once unless told otherwise.
@safe final class Pump {
    let source: KafkaSource
    var records: ContiguousArray<RecordView> = unsafe []
    var events: [SourceEvent] = []
    var assigned: Set<Int32> = []
    var answers = true

    init(_ settings: KafkaSettings, log: Log = .none) throws {
        source = try KafkaSource(settings, log: log)
        try source.start()
    }

    func step(timeoutMs: Int32 = 20) {
        unsafe source.poll(into: &records, limit: 1000, timeoutMs: timeoutMs)
        while let event = source.takeEvent() {
            events.append(event)
            guard answers else { continue }
            answer(event)
        }
    }

    func answer(_ event: SourceEvent) {
        switch event {
        case .assigned(let partitions):
            assigned.formUnion(partitions)
            source.assign(partitions)
        case .revoked(let partitions), .lost(let partitions):
            assigned.subtract(partitions)
            source.unassign(partitions)
        case .reachedEnd, .blocked, .positionGone, .problem: break
        }
    }

    /// Polls until the condition holds; false after `seconds`.
    func until(seconds: Int = 30, _ condition: () -> Bool) -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        while !condition() {
            if ContinuousClock.now > end { return false }
            step()
        }
        return true
    }

    var count: Int { unsafe records.count }

    func value(_ index: Int) -> [UInt8]? {
        unsafe bytes(records[index].value, records[index].valueCount)
    }

    func key(_ index: Int) -> [UInt8]? {
        unsafe bytes(records[index].key, records[index].keyCount)
    }

    /// Values as text, of one partition or of all.
    func values(of partition: Int32? = nil) -> [String] {
        unsafe (0..<records.count).compactMap { index in
            if let partition, unsafe records[index].partition != partition { return nil }
            return String(decoding: value(index) ?? [], as: UTF8.self)
        }
    }

    func releaseAll() {
        unsafe records.withUnsafeMutableBufferPointer {
            guard let base = $0.baseAddress else { return }
            unsafe source.release(base, count: $0.count)
        }
        unsafe records.removeAll()
    }

    func close() {
        releaseAll()
        source.close()
    }
}

func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
    guard let start = unsafe start else { return nil }
    return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
}

/// A batch of the pump's records, one run a partition; `outcome` decides each.
func batch(_ pump: Pump, slot: Int = 3, _ outcome: (Int) -> Outcome) -> Batch {
    let batch = Batch(slot: slot, capacity: pump.count)
    var partitions: [Int32] = []
    var counts: [Int] = []
    for index in 0..<pump.count {
        let partition = unsafe pump.records[index].partition
        let run = partitions.firstIndex(of: partition) ?? partitions.count
        if run == partitions.count {
            partitions.append(partition)
            counts.append(0)
        }
        counts[run] += 1
        unsafe batch.add(pump.records[index], run: Int32(run))
        switch outcome(index) {
        case .scored(let bytes):
            batch.arena.reserve(bytes.count)
            unsafe (batch.arena.base + batch.arena.used).copyMemory(
                from: bytes, byteCount: bytes.count)
            unsafe batch.results[index].outputStart = batch.arena.used
            unsafe batch.results[index].outputCount = bytes.count
            unsafe batch.results[index].state = .scored
            batch.arena.used += bytes.count
        case .passed: unsafe batch.results[index].state = .passed
        case .dead(let error): batch.markDead(index, error)
        }
    }
    var ledger = Ledger()
    var first = 0
    for (partition, count) in zip(partitions, counts) {
        let epoch = ledger.open(partition)
        let ticket = ledger.admit(
            partition, epoch: epoch, firstOffset: 0, lastOffset: Int64(count), count: count)
        if let ticket {
            batch.runs.append(
                PartitionRun(
                    ticket: ticket, count: count, first: first, lastOffset: Int64(count)))
        }
        first += count
    }
    batch.sortByRun(counts)
    return batch
}

enum Outcome {
    case scored([UInt8])
    case passed
    case dead(RecordError)
}

extension KafkaSink {
    /// Writes all runs of the batch, one after the other.
    func writeAll(_ batch: Batch) -> WriteProgress { write(batch, positions: 0..<batch.count) }

    /// Polls until that many records are answered, or 30 seconds have passed.
    func answers(_ count: Int) -> [Delivery] {
        var deliveries: [Delivery] = []
        let end = ContinuousClock.now + .seconds(30)
        while deliveries.reduce(0, { $0 + $1.count }) < count, ContinuousClock.now < end {
            poll(into: &deliveries, timeoutMs: 50)
        }
        return deliveries
    }
}

/// Collects log lines.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var log: Log {
        Log { event in
            let fields = event.fields.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
            self.lines.withLock { $0.append("\(event.level) \(event.message) \(fields)") }
        }
    }

    var all: [String] { lines.withLock { $0 } }

    /// Waits until that many lines contain the text; false after 30 seconds.
    func wait(for text: String, times: Int = 1) -> Bool {
        let end = ContinuousClock.now + .seconds(30)
        while all.count(where: { $0.contains(text) }) < times {
            if ContinuousClock.now > end { return false }
            usleep(10_000)
        }
        return true
    }
}
