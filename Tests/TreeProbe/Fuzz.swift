import Glibc
import MillraceCore
import MillraceTestKit

/// Loads damaged copies of model files, and scores with those that load.
///
/// Before a mutant is loaded it lies in a file of its own in /dev/shm, its number in another one
/// beside it: they are still there when it has ended the process.
struct Fuzz {
    /// Counts and extremes of a run.
    private struct Tally {
        var loaded = 0
        var scored = 0
        var refused: [String: Int] = [:]
        var slowest = (seconds: 0.0, number: UInt64(0))
        var largest = (bytes: 0, number: UInt64(0))
        var findings = 0
    }

    static let secondsLimit = 2.0
    static let memoryLimit = 1 << 30
    /// A mutant that takes more of the processor ends the process.
    static let secondsMax = 60

    private let engines: [any Engine]
    private let seed: UInt64
    private let mutantPath: String
    private let numberPath: String
    private var mutator: Mutator
    private var tally = Tally()
    private var texts = FuzzTexts()

    /// - Parameter folder: files that no engine loads are left out.
    init(folder: String, seed: UInt64, engines: [any Engine]) throws(Failure) {
        self.engines = engines
        self.seed = seed
        mutantPath = "/dev/shm/millrace-fuzz-\(getpid())"
        numberPath = mutantPath + ".number"
        var files: [[UInt8]] = []
        var left = 0
        for name in try Self.names(folder) {
            let path = folder + "/" + name
            guard let bytes = Self.bytes(path) else { throw Failure("\(path) cannot be read") }
            guard Self.loads(path, bytes, engines) else {
                left += 1
                continue
            }
            files.append(bytes)
            if let bare = Self.withoutSizes(bytes) { files += [bare, bare] }
        }
        guard !files.isEmpty else { throw Failure("\(folder) has no model that loads") }
        print("\(files.count) files, \(left) left out")
        mutator = Mutator(files)
    }

    /// Runs the mutants of these numbers and prints what came of them.
    mutating func run(_ numbers: Range<UInt64>) throws(Failure) {
        for number in numbers { try run(number) }
        _ = unsafe unlink(mutantPath)
        _ = unsafe unlink(numberPath)
        let refused = tally.refused.sorted { $0.value > $1.value }
            .map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        print(
            "\(numbers.count) mutants from \(numbers.lowerBound) on, seed \(seed): "
                + "\(tally.loaded) loaded, \(tally.scored) of them scored; refused: \(refused); "
                + "slowest \(Self.rounded(tally.slowest.seconds)) s (\(tally.slowest.number)), "
                + "largest \(tally.largest.bytes >> 20) MiB (\(tally.largest.number)), "
                + "\(tally.findings) findings")
    }

    private mutating func run(_ number: UInt64) throws(Failure) {
        let bytes = mutator.mutant(number, seed: seed)
        guard Self.write(bytes, to: mutantPath),
            Self.write(Array("\(number)".utf8), to: numberPath)
        else { throw Failure("cannot write \(mutantPath)") }
        Self.limitSeconds()
        let memory = Self.peakBytes()
        let start = Self.threadSeconds()
        load(bytes, number)
        let seconds = Self.threadSeconds() - start
        let grown = Self.peakBytes() - memory
        if seconds > tally.slowest.seconds { tally.slowest = (seconds, number) }
        if grown > tally.largest.bytes { tally.largest = (grown, number) }
        guard seconds > Self.secondsLimit || grown > Self.memoryLimit else { return }
        tally.findings += 1
        print(
            "mutant \(number), seed \(seed), \(bytes.count) bytes: \(Self.rounded(seconds)) s, "
                + "\(grown >> 20) MiB")
        fflush(nil)
    }

    private mutating func load(_ bytes: [UInt8], _ number: UInt64) {
        let head = Array(bytes.prefix(4096))
        guard let engine = engines.first(where: { $0.recognizes(head: head, path: mutantPath) })
        else { return count("by no engine") }
        do throws(ModelError) {
            let model = try engine.load(path: mutantPath)
            tally.loaded += 1
            try score(model, number)
        } catch {
            count(error.kind.rawValue)
            if error.message.utf8.count > 2000 || error.message.contains("\n") {
                tally.findings += 1
                print("mutant \(number), seed \(seed): a message that is no line: \(error)")
                fflush(nil)
            }
        }
    }

    private mutating func count(_ kind: String) { tally.refused[kind, default: 0] += 1 }

    /// A whole block and some rows, then a single one.
    private mutating func score(_ model: any Model, _ number: UInt64) throws(ModelError) {
        let signature = model.signature
        let width = signature.inputs.reduce(0) { $0 + ($1.width ?? 0) }
        let rows = signature.fixedBatch ?? (width > 2000 ? 3 : 70)
        guard let features = FeatureColumns(zerosFor: signature.inputs, rows: rows) else {
            return count("with inputs that have no size")
        }
        var random = SeededRandom(seed: number)
        for column in features.columns { texts.fill(column, &random) }
        let session = try model.makeSession(
            outputs: signature.outputs.map { $0.name }, maxRows: rows)
        try session.predict(features, rows: 0..<rows)
        for column in session.predictions.columns {
            var results = Results()
            results.append(column, rows: rows)
        }
        if rows > 1, signature.fixedBatch == nil {
            try session.predict(features, rows: rows - 1..<rows)
        }
        tally.scored += 1
    }

    // MARK: - Files

    private static func names(_ folder: String) throws(Failure) -> [String] {
        guard let listing = unsafe opendir(folder) else {
            throw Failure("\(folder) cannot be read")
        }
        defer { unsafe closedir(listing) }
        var names: [String] = []
        while let entry = unsafe readdir(listing) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { room in
                unsafe String(decoding: room.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func bytes(_ path: String) -> [UInt8]? {
        guard let file = unsafe fopen(path, "rb") else { return nil }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = unsafe fread(&piece, 1, piece.count, file), count > 0 {
            bytes += piece[..<count]
        }
        return bytes
    }

    private static func write(_ bytes: [UInt8], to path: String) -> Bool {
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        return unsafe Glibc.write(file, bytes, bytes.count) == bytes.count
    }

    private static func loads(_ path: String, _ bytes: [UInt8], _ engines: [any Engine]) -> Bool {
        let head = Array(bytes.prefix(4096))
        guard let engine = engines.first(where: { $0.recognizes(head: head, path: path) }) else {
            return false
        }
        do throws(ModelError) {
            _ = try engine.load(path: path)
            return true
        } catch { return false }
    }

    /// A LightGBM file without the line that gives most changes away.
    private static func withoutSizes(_ bytes: [UInt8]) -> [UInt8]? {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let others = lines.filter { !$0.starts(with: "tree_sizes=".utf8) }
        guard others.count < lines.count, bytes.starts(with: "tree".utf8) else { return nil }
        return Array(others.joined(separator: [UInt8(ascii: "\n")]))
    }

    // MARK: - Costs

    static func size(_ path: String) -> Int {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status.st_size : 0
    }

    static func rounded(_ seconds: Double) -> Double { (seconds * 100).rounded() / 100 }

    private static func limitSeconds() {
        var limit = itimerval()
        limit.it_value.tv_sec = secondsMax
        _ = unsafe setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &limit, nil)
    }

    private static func threadSeconds() -> Double {
        var now = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
        return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
    }

    static func peakBytes() -> Int {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss << 10
    }
}

/// Values for all inputs; keeps the texts where they are.
@safe final class FuzzTexts {
    private let room: UnsafeMutableBufferPointer<UInt8>

    init() {
        unsafe room = .allocate(capacity: 64)
        _ = unsafe room.initialize(from: Array("a10.5red green,x\u{e9}-1 2 NaN".utf8) + [0, 0, 0])
    }

    deinit { unsafe room.deallocate() }

    /// The first row stays 0 and empty, the second gets what is not there; the others anything.
    func fill(_ column: FeatureColumn, _ random: inout SeededRandom) {
        let size = column.type.byteCount
        let all = column.capacityRows * column.width
        for element in column.width..<max(all, column.width) {
            let place = element * size
            let isMissing = element < 2 * column.width
            switch column.type {
            case .float32:
                let number = Float(isMissing ? .nan : Self.number(&random))
                unsafe column.storage.storeBytes(of: number, toByteOffset: place, as: Float.self)
            case .float64:
                let number = isMissing ? .nan : Self.number(&random)
                unsafe column.storage.storeBytes(of: number, toByteOffset: place, as: Double.self)
            case .string:
                guard !isMissing, let base = unsafe room.baseAddress else { continue }
                let start = Int.random(in: 0..<20, using: &random)
                let text = unsafe TextSlice(
                    start: UnsafePointer(base + start),
                    count: Int.random(in: 0...5, using: &random))
                unsafe column.storage.storeBytes(of: text, toByteOffset: place, as: TextSlice.self)
            case .bool: unsafe column.storage[place] = UInt8(random.next() & 1)
            default:
                let isSmall = Bool.random(using: &random)
                var word = isSmall ? random.next() % 12 : random.next()
                unsafe withUnsafeBytes(of: &word) { word in
                    for index in 0..<size {
                        unsafe column.storage[place + index] = word[index]
                    }
                }
            }
        }
    }

    private static func number(_ random: inout SeededRandom) -> Double {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: Double(Int.random(in: -3...40, using: &random))
        case 1:
            [.infinity, -.infinity, .nan, -0.0, 1e-45, 1e300, -1e300, 0x1p63].randomElement(
                using: &random) ?? 0
        case 2: Double(bitPattern: random.next())
        default: Double.random(in: -3...3, using: &random)
        }
    }
}
