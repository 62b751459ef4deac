package import MillraceCore

/// Decides which log events are shown when the same one comes again and again. Events are the same
/// when level and message are; a window of 10 s begins with the first one. Debug events always
/// pass: who asks for them wants them all.
package struct RepeatLimiter: Sendable {
    /// How many equal events pass in one window.
    package static let limit = 10
    /// Length of a window in nanoseconds.
    package static let windowNs: Int64 = 10_000_000_000
    /// Messages are constants of the code, some dozens; the limit holds if one of them is not.
    private static let maxMessages = 256

    /// Events of one kind that were not shown.
    package struct Suppressed: Sendable, Equatable {
        /// Level of the events.
        package let level: Log.Level
        /// Message of the events.
        package let message: String
        /// How many were held back.
        package let count: UInt64

        /// `count` events of this level and message.
        package init(level: Log.Level, message: String, count: UInt64) {
            self.level = level
            self.message = message
            self.count = count
        }
    }

    private struct Key: Hashable {
        let level: Log.Level
        let message: String
    }

    private struct Window {
        let endNs: Int64
        var passed: Int
        var suppressed: UInt64
    }

    private var windows: [Key: Window] = [:]
    /// No window ends before this.
    private var nextEndNs = Int64.max

    /// No window is open.
    package init() {}

    /// Whether an event is shown at `nowNs`, a time that never goes back. Call `takeEnded` first.
    package mutating func admit(_ level: Log.Level, _ message: String, nowNs: Int64) -> Bool {
        guard level > .debug else { return true }
        let key = Key(level: level, message: message)
        if var window = windows[key] {
            let passes = window.passed < Self.limit
            if passes { window.passed += 1 } else { window.suppressed &+= 1 }
            windows[key] = window
            return passes
        }
        guard windows.count < Self.maxMessages else { return true }
        let endNs = nowNs &+ Self.windowNs
        windows[key] = Window(endNs: endNs, passed: 1, suppressed: 0)
        nextEndNs = min(nextEndNs, endNs)
        return true
    }

    /// Forgets the windows that have ended at `nowNs` and returns what they held back, the most
    /// severe first. `Int64.max` ends all.
    package mutating func takeEnded(nowNs: Int64) -> [Suppressed] {
        guard nowNs >= nextEndNs, !windows.isEmpty else { return [] }
        let ended = windows.filter { $0.value.endNs <= nowNs }
        for key in ended.keys { windows[key] = nil }
        nextEndNs = windows.values.map(\.endNs).min() ?? .max
        return ended.filter { $0.value.suppressed > 0 }
            .map { key, window in
                Suppressed(level: key.level, message: key.message, count: window.suppressed)
            }
            .sorted { ($1.level, $0.message) < ($0.level, $1.message) }
    }
}
