/// Takes log events. The command brings the one that writes to stderr; tests collect them.
package struct Log: Sendable {
    /// How much an event matters; ascending.
    package enum Level: Int, Sendable, Comparable, CaseIterable {
        case debug, info, warning, error

        package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    /// One event: a message that stays the same for the same thing, and what differs as fields.
    package struct Event: Sendable {
        package let level: Level
        package let message: String
        package let fields: [(name: String, value: String)]

        package init(
            level: Level, message: String, fields: [(name: String, value: String)] = []
        ) {
            self.level = level
            self.message = message
            self.fields = fields
        }
    }

    private let write: @Sendable (Event) -> Void

    package init(_ write: @escaping @Sendable (Event) -> Void) { self.write = write }

    /// Drops everything.
    package static let none = Log { _ in }

    /// Writes an event.
    package func callAsFunction(
        _ level: Level, _ message: String, _ fields: [(name: String, value: String)] = []
    ) {
        write(Event(level: level, message: message, fields: fields))
    }
}
