/// A position in a pipeline file, both numbers 1-based; columns count characters.
package struct Place: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let line: Int
    package let column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// The first character: for complaints about the file as a whole.
    package static let start = Place(line: 1, column: 1)

    package static func < (left: Place, right: Place) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }

    package var description: String { "\(line):\(column)" }
}

/// One thing that is wrong in a pipeline file, and what to write instead. Never holds a secret.
package struct Complaint: Error, Sendable, Hashable, CustomStringConvertible {
    /// Errors make a file unusable, warnings do not.
    package enum Severity: String, Sendable, Hashable {
        /// The file must not be used.
        case error
        /// The file works; the operator should know.
        case warning
    }

    /// The path as the user gave it.
    package let file: String
    package let line: Int
    package let column: Int
    package let severity: Severity
    /// One line, lower case.
    package let message: String

    package init(
        file: String, place: Place = .start, severity: Severity = .error, message: String
    ) {
        self.file = file
        self.line = place.line
        self.column = place.column
        self.severity = severity
        self.message = message
    }

    /// `fraud.yaml:12:9: error: ...`, the form that editors and CI logs link.
    package var description: String {
        "\(file):\(line):\(column): \(severity.rawValue): \(message)"
    }
}

/// Gathers the complaints of one file. Bounded: a hostile file cannot make the list grow.
struct Complaints {
    static let limit = 200

    let file: String
    private(set) var list: [Complaint] = []
    private(set) var hasErrors = false
    private var dropped = 0

    init(file: String) { self.file = file }

    mutating func add(_ place: Place, _ message: String, severity: Complaint.Severity = .error) {
        if severity == .error { hasErrors = true }
        guard list.count < Self.limit else {
            dropped += 1
            return
        }
        list.append(Complaint(file: file, place: place, severity: severity, message: message))
    }

    /// All of them by place; the ones past the limit are only counted.
    var sorted: [Complaint] {
        var all = list.enumerated().sorted { left, right in
            (left.element.line, left.element.column, left.offset)
                < (right.element.line, right.element.column, right.offset)
        }.map(\.element)
        if dropped > 0, let last = all.last {
            all.append(
                Complaint(
                    file: file, place: Place(line: last.line, column: last.column),
                    severity: hasErrors ? .error : .warning,
                    message: "and \(dropped) more complaints that are not shown"))
        }
        return all
    }
}
