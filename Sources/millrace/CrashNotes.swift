internal import MillraceCore

/// Offsets of one partition.
struct CrashRange: Equatable {
    let partition: Int32
    var first: Int64
    var last: Int64
}

/// A record that was scored alone. The timestamp tells it from one of a topic that was made anew.
struct CrashRecord: Hashable {
    let partition: Int32
    let offset: Int64
    let timestampMs: Int64
}

/// What one call of the model is about to score.
struct CrashNote {
    /// What stands in a slot while nothing is scored.
    static let none = "-\n"

    private var ranges: [CrashRange] = []
    private var record: CrashRecord?

    mutating func add(_ view: RecordView) {
        let (partition, offset) = unsafe (view.partition, view.offset)
        unsafe record = CrashRecord(
            partition: partition, offset: offset, timestampMs: view.timestampMs)
        for index in ranges.indices where ranges[index].partition == partition {
            ranges[index].first = min(ranges[index].first, offset)
            ranges[index].last = max(ranges[index].last, offset)
            return
        }
        ranges.append(CrashRange(partition: partition, first: offset, last: offset))
    }

    /// Partitions that find no room are left out: their records are not found after a crash.
    func text(isAlone: Bool) -> String {
        if isAlone, let record {
            return "alone \(record.partition) \(record.offset) \(record.timestampMs) 1\n"
        }
        var text = ""
        for range in ranges {
            let more = "range \(range.partition) \(range.first) \(range.last);"
            guard text.utf8.count + more.utf8.count < CrashNotes.slotBytes - 1 else { break }
            text += more
        }
        return text + "\n"
    }
}

/// The journal's file: a head with the topic and the suspects of earlier runs, then a slot for each
/// lane with what it scores.
enum CrashNotes {
    static let slotsStart = 64 << 10
    static let slotBytes = 4 << 10
    static let fileBytesMax = slotsStart + 256 * slotBytes
    private static let title = "millrace crash journal 1"

    struct Found {
        var ranges: [CrashRange] = []
        /// How often the process has ended with each record that was scored alone.
        var alone: [(record: CrashRecord, times: Int)] = []
    }

    static func head(topic: String) -> String { "\(title) \(topic)\n" }

    /// What the bytes say; nothing for another topic or for what is no journal. Any bytes are fine.
    static func parse(_ bytes: [UInt8], topic: String) -> Found {
        var found = Found()
        guard bytes.starts(with: head(topic: topic).utf8) else { return found }
        let head = bytes.prefix(slotsStart).prefix { $0 != 0 }
        for line in head.split(separator: UInt8(ascii: "\n")).dropFirst() { add(line, to: &found) }
        for start in stride(from: slotsStart, to: bytes.count, by: slotBytes) {
            let slot = bytes[start...].prefix(slotBytes).prefix { $0 != UInt8(ascii: "\n") }
            add(slot, to: &found)
        }
        return found
    }

    private static func add(_ line: some Collection<UInt8>, to found: inout Found) {
        for entry in String(decoding: line, as: UTF8.self).split(separator: ";") {
            let words = entry.split(separator: " ")
            let numbers = words.dropFirst().compactMap { Int64($0) }
            guard let partition = numbers.first.flatMap({ Int32(exactly: $0) }) else { continue }
            switch (words[0], numbers.count) {
            case ("range", 3):
                found.ranges.append(
                    CrashRange(partition: partition, first: numbers[1], last: numbers[2]))
            case ("alone", 4):
                let record = CrashRecord(
                    partition: partition, offset: numbers[1], timestampMs: numbers[2])
                let times = Int(clamping: max(0, min(numbers[3], 1000)))
                if let place = found.alone.firstIndex(where: { $0.record == record }) {
                    found.alone[place].times += times
                } else {
                    found.alone.append((record, times))
                }
            default: break
            }
        }
    }
}

/// Records that were being scored when earlier runs ended.
struct CrashSuspects: Sendable {
    private let ranges: [CrashRange]
    /// By record, how often the process has ended with it alone.
    private let alone: [CrashRecord: Int]
    /// Those that are scored no more.
    let condemned: Set<CrashRecord>

    /// Keeps the last ones where there are more than `limit` of a kind.
    init(_ found: CrashNotes.Found, limit: Int) {
        ranges = found.ranges.suffix(limit)
        var alone: [CrashRecord: Int] = [:]
        for (record, times) in found.alone.suffix(limit) { alone[record] = times }
        self.alone = alone
        condemned = Set(alone.filter { $0.value >= CrashJournal.crashesAlone }.keys)
    }

    var isEmpty: Bool { ranges.isEmpty && alone.isEmpty }
    /// Offsets of all ranges together.
    var count: Int64 {
        ranges.reduce(0) { $0 &+ ($1.last &- $1.first &+ 1) } &+ Int64(alone.count)
    }

    func crashes(of view: RecordView) -> Int {
        unsafe alone[
            CrashRecord(
                partition: view.partition, offset: view.offset, timestampMs: view.timestampMs)] ?? 0
    }

    /// Whether the record has to be scored alone.
    func hold(_ view: RecordView) -> Bool {
        guard !isEmpty else { return false }
        if unsafe crashes(of: view) > 0 { return true }
        let (partition, offset) = unsafe (view.partition, view.offset)
        return ranges.contains {
            $0.partition == partition && $0.first <= offset && offset <= $0.last
        }
    }

    /// As the head of the file.
    func text(topic: String) -> String {
        var text = CrashNotes.head(topic: topic)
        for range in ranges { text += "range \(range.partition) \(range.first) \(range.last)\n" }
        for (record, times) in alone {
            text += "alone \(record.partition) \(record.offset) \(record.timestampMs) \(times)\n"
        }
        return text
    }
}
