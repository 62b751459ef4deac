internal import MillraceCore
internal import MillraceOps
internal import MillraceWorker

/// What the progress line of `run` and `score` tells, at one moment.
struct Progress: Sendable {
    let timeNs: Int64
    let recordsIn: UInt64
    /// Enriched, passed on and dead ones.
    let finished: UInt64
    let dead: UInt64
    /// Why no record is processed; nil where nothing hinders it.
    let hindrance: String?
    let goal: Goal

    /// What the run is heading for.
    enum Goal: Sendable {
        /// Goes on until it is stopped. The lag is in records; nil while it is not known.
        case service(lag: Int64?, inFlightBytes: Int, boundBytes: Int)
        /// Offsets that are not finished yet; nil while they are not known.
        case untilEnd(left: Int64?)
        /// Bytes of the input; nil where it has no known size.
        case lines(doneBytes: Int, totalBytes: Int?)
    }
}

extension Progress {
    /// What the worker shows of itself now.
    init(_ worker: Worker, _ snapshot: WorkerSnapshot, _ goal: Goal) {
        self.init(
            timeNs: WorkerClock.system.monotonicNs(), recordsIn: snapshot.counters.recordsIn,
            finished: snapshot.counters.finished, dead: snapshot.counters.deadTotal,
            hindrance: worker.health.missing.first, goal: goal)
    }
}

/// Makes the text of the progress line from looks at the worker, which come in the order of time.
struct ProgressText {
    /// Looks of the last seconds, the oldest first: rates are those between the first and the last.
    private var looks: [Progress] = []
    /// At `ProgressDisplay.intervalMs` these are 5 s: long enough for a steady number, short enough
    /// to show a change.
    private static let maxLooks = 21

    mutating func add(_ look: Progress) {
        if looks.count == Self.maxLooks { looks.removeFirst() }
        looks.append(look)
    }

    /// The line, at most `columns` long: parts that do not fit are left out from the end. Empty
    /// before the first look.
    func line(columns: Int) -> String {
        var line = ""
        for part in parts {
            let longer = line.isEmpty ? part : "\(line)  \(part)"
            guard longer.count <= columns else { break }
            line = longer
        }
        return line.isEmpty ? String((parts.first ?? "").prefix(columns)) : line
    }

    /// From the most to the least important.
    private var parts: [String] {
        guard let now = looks.last else { return [] }
        let out = perSecond { Double($0.finished) }
        let dead = "\(Compact.number(Double(now.dead))) dead"
        // As long as it is shown, so that it is what fits that is left out.
        let hindrance = now.hindrance.map { [LogText.withoutControls($0)] } ?? []
        switch now.goal {
        case .service(let lag, let inFlightBytes, let boundBytes):
            let lag = lag.map { ["lag \(Compact.number(Double($0)))"] } ?? []
            return hindrance + [
                "\(Compact.number(perSecond { Double($0.recordsIn) }))/s in",
                "\(Compact.number(out))/s out", dead,
            ] + lag + ["\(Compact.bytes(inFlightBytes)) of \(Compact.bytes(boundBytes)) in flight"]
        case .untilEnd(let left):
            let finished = Double(now.finished)
            guard let left else {
                return hindrance + ["\(Compact.number(finished)) records", rate(out), dead]
            }
            let all = finished + Double(left)
            return [Compact.percent(finished, of: all)] + hindrance + [
                "\(Compact.number(finished)) of \(Compact.number(all)) records", rate(out), dead,
            ] + timeLeft(Double(left), at: out)
        case .lines(let doneBytes, let totalBytes):
            let records = ["\(Compact.number(Double(now.finished))) records", rate(out), dead]
            guard let totalBytes else { return hindrance + records }
            let bytesPerSecond = perSecond { look in
                if case .lines(let doneBytes, _) = look.goal { Double(doneBytes) } else { 0 }
            }
            return [Compact.percent(Double(doneBytes), of: Double(totalBytes))] + hindrance
                + records + timeLeft(Double(totalBytes - doneBytes), at: bytesPerSecond)
        }
    }

    private func rate(_ perSecond: Double) -> String { "\(Compact.number(perSecond))/s" }

    private func perSecond(_ value: (Progress) -> Double) -> Double {
        guard let first = looks.first, let last = looks.last, last.timeNs > first.timeNs else {
            return 0
        }
        let seconds = Double(last.timeNs &- first.timeNs) / 1e9
        return max(0, value(last) - value(first)) / seconds
    }

    private func timeLeft(_ amount: Double, at perSecond: Double) -> [String] {
        guard amount > 0, perSecond > 0 else { return [] }
        return ["\(Compact.duration(seconds: amount / perSecond)) left"]
    }
}

/// Numbers for people, short.
enum Compact {
    /// Two digits or more, and a unit: `0`, `999`, `1.2 k`, `310 k`, `2.9 M`, `12 G`.
    static func number(_ value: Double) -> String { scaled(value, by: 1_000, ["", "k", "M", "G"]) }

    /// As `number`, in binary units.
    static func bytes(_ value: Int) -> String {
        scaled(Double(value), by: 1_024, ["B", "KiB", "MiB", "GiB"])
    }

    /// Whole percent, rounded down: 100 means all.
    static func percent(_ part: Double, of whole: Double) -> String {
        guard whole > 0 else { return "100 %" }
        return "\(Int(max(0, min(1, part / whole)) * 100)) %"
    }

    /// The two largest units: `5 s`, `2 min 10 s`, `1 h 5 min`, `3 d 4 h`.
    static func duration(seconds: Double) -> String {
        let longest = 99.0 * 86_400  // and it is no estimate any more
        guard seconds < longest else { return "more than 99 d" }
        let whole = Int(max(0, seconds).rounded(.up))
        let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)]
        let first = units.firstIndex { whole >= $0.1 } ?? units.count - 1
        let large = "\(whole / units[first].1) \(units[first].0)"
        guard first + 1 < units.count else { return large }
        let rest = whole % units[first].1 / units[first + 1].1
        return rest == 0 ? large : "\(large) \(rest) \(units[first + 1].0)"
    }

    private static func scaled(_ value: Double, by step: Double, _ units: [String]) -> String {
        guard value.isFinite else { return "-" }
        var (rest, unit) = (max(0, value), 0)
        // What rounds to a whole step is shown in the next unit.
        while rest >= step - 0.5, unit + 1 < units.count {
            rest /= step
            unit += 1
        }
        let digits = unit > 0 && rest < 9.95 ? 1 : 0
        let text = fixed(rest, digits)
        return units[unit].isEmpty ? text : "\(text) \(units[unit])"
    }

    /// The number with that many digits behind the point; `-` where it is out of all bounds.
    static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value * scale).rounded()
        guard scaled.isFinite, abs(scaled) < 1e15 else { return "-" }
        let whole = Int64(scaled)
        if digits == 0 { return String(whole) }
        let fraction = String(abs(whole) % Int64(scale))
        let zeros = String(repeating: "0", count: digits - fraction.count)
        return "\(whole / Int64(scale)).\(zeros)\(fraction)"
    }
}
