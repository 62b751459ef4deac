import MillraceCore

/// One input record and what the world knows about it.
struct InputRecord {
    enum Kind {
        case good
        case tombstone
        /// No decimal number.
        case malformed
        /// The engine refuses each call that has it.
        case poison
        /// With its prediction it is too large to be enqueued.
        case tooLarge
        /// The broker refuses each request that has it.
        case refused
        /// Malformed, and the broker refuses its dead letter until that carries less.
        case letterRefused
    }

    let partition: Int32
    let offset: Int64
    let kind: Kind
    let key: [UInt8]
    /// Nil for a tombstone.
    let value: [UInt8]?
    /// The value with its prediction; nil where there can be none.
    let scored: [UInt8]?
    /// The engine has refused it alone: it may become a dead letter.
    var isRefusedByEngine = false
    /// It was handed to a producer as a dead letter: the output may go on without it.
    var isHandedAsLetter = false
    /// A request that had it was not taken: later ones may be written before it comes again.
    var isRefusedInFlight = false
    /// When it was handed to a producer last; -1 before.
    var handedAt = -1
    /// How often it is in the output and in the dead letters.
    var outputs = 0
    var letters = 0

    /// It is out, wherever.
    var isOut: Bool { outputs + letters > 0 }

    /// - Parameter padding: so many zeros stand before the number.
    init(partition: Int32, offset: Int64, kind: Kind, padding: Int) {
        self.partition = partition
        self.offset = offset
        self.kind = kind
        key = Array("k\(partition)-\(offset)".utf8)
        let number = Self.number(partition, offset)
        let digits = String(repeating: "0", count: padding) + "\(number)"
        switch kind {
        case .tombstone: (value, scored) = (nil, nil)
        case .malformed, .letterRefused: (value, scored) = (Array("x\(digits)".utf8), nil)
        case .good, .poison, .tooLarge, .refused:
            value = Array(digits.utf8)
            scored = Array("\(digits)=\(number * 2)".utf8)
        }
    }

    /// The value's number, which tells which record it is.
    static func number(_ partition: Int32, _ offset: Int64) -> Int64 {
        (Int64(partition) + 1) * 100_000 + offset
    }

    /// Whether it may go to the dead letters.
    var deservesLetter: Bool {
        switch kind {
        case .good: isRefusedByEngine
        case .tombstone: false
        case .malformed, .poison, .tooLarge, .refused, .letterRefused: true
        }
    }
}

/// One partition of the input with what has come out of it.
struct InputPartition {
    var records: [InputRecord] = []
    /// Offset of the next record to be appended.
    var end: Int64 = 0
    /// The group's offset.
    var committed: Int64?
    /// Index of the first record that is not out.
    private(set) var firstMissing = 0

    /// Index of the first record at or after the offset.
    func index(from offset: Int64) -> Int {
        var (low, high) = (0, records.count)
        while low < high {
            let middle = (low + high) / 2
            if records[middle].offset < offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Index of the record with that offset.
    func index(of offset: Int64) -> Int? {
        let index = index(from: offset)
        return index < records.count && records[index].offset == offset ? index : nil
    }

    /// No offset beyond this one may be committed.
    var frontier: Int64 { firstMissing < records.count ? records[firstMissing].offset : end }

    /// Notes that something has come out.
    mutating func advance() {
        while firstMissing < records.count, records[firstMissing].isOut { firstMissing += 1 }
    }
}
