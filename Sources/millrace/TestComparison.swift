internal import MillraceConfig
internal import MillraceCore
internal import MillraceLines

/// What differs between what a test expects and what came out, in words.
enum TestComparison {
    /// One line for each difference; none where the test has passed.
    static func differences(_ test: PipelineTests.Case, _ results: [LineResult]) -> [String] {
        let outputs = results.filter { $0.error == nil }
        let dead = results.filter { $0.error != nil }
        let hasSeveral = test.records.count > 1
        var found: [String] = []
        found += compareDead(test, dead, first: results.first?.number ?? 0)
        guard let expected = test.outputs else { return found }
        if expected.count != outputs.count {
            found.append("expected \(records(expected.count)) to come out, got \(outputs.count)")
        }
        for (index, (expectation, output)) in zip(expected, outputs).enumerated() {
            let prefix = hasSeveral ? "out[\(index)]" : ""
            guard let value = JSONValue.parse(output.value ?? []) else {
                found.append("\(prefix): what came out cannot be compared, it is not JSON")
                continue
            }
            compare(expectation, value, at: prefix, test.tolerance, &found)
        }
        return found
    }

    private static func records(_ count: Int) -> String {
        count == 1 ? "1 record" : "\(count) records"
    }

    private static func compareDead(
        _ test: PipelineTests.Case, _ dead: [LineResult], first: Int
    ) -> [String] {
        let expected = test.deadLetters ?? []
        var found: [String] = []
        for (expectation, letter) in zip(expected, dead) {
            guard let error = letter.error else { continue }
            let got = "\(error.kind.rawValue): \(error.message)"
            if let reason = expectation.reason, reason != error.kind.rawValue {
                found.append("expected a dead letter of class \(reason), got \(got)")
            } else if let part = expectation.message, !error.message.contains(part) {
                found.append("expected a dead letter with '\(part)' in its message, got \(got)")
            }
        }
        for letter in dead.dropFirst(expected.count) {
            guard let error = letter.error else { continue }
            let which = test.records.count > 1 ? " of in[\(letter.number - first)]" : ""
            found.append("unexpected dead letter\(which): \(error.kind.rawValue): \(error.message)")
        }
        for expectation in expected.dropFirst(dead.count) {
            found.append(
                "expected a dead letter (\(expectation.reason ?? "any class")), but there is none")
        }
        return found
    }

    private static func compare(
        _ expectation: PipelineTests.Expectation, _ value: JSONValue, at path: String,
        _ tolerance: Double, _ found: inout [String]
    ) {
        switch expectation {
        case .whole(let expected): compare(expected, value, at: path, tolerance, &found)
        case .fields(let fields):
            guard case .object(let actual) = value else {
                found.append("\(shown(path)): expected an object, got \(value.text)")
                return
            }
            for field in fields {
                let place = path + "/" + field.name
                // Of a field that is there twice the last counts, as to most readers.
                guard let got = actual.last(where: { $0.name == field.name }) else {
                    found.append("\(place): expected \(field.value.text), but it is not there")
                    continue
                }
                compare(field.value, got.value, at: place, tolerance, &found)
            }
        }
    }

    private static func compare(
        _ expected: JSONValue, _ actual: JSONValue, at path: String, _ tolerance: Double,
        _ found: inout [String]
    ) {
        switch (expected, actual) {
        case (.number(let wanted), .number(let got)):
            guard !isNear(wanted, got, tolerance) else { return }
            found.append("\(shown(path)): expected \(wanted), got \(got) (tolerance \(tolerance))")
        case (.array(let wanted), .array(let got)) where wanted.count == got.count:
            for (index, pair) in zip(wanted, got).enumerated() {
                compare(pair.0, pair.1, at: "\(path)/\(index)", tolerance, &found)
            }
        case (.object(let wanted), .object(let got)):
            compare(.fields(wanted), actual, at: path, tolerance, &found)
            let names = Set(wanted.map(\.name))
            for field in got where !names.contains(field.name) {
                found.append("\(path)/\(field.name): not expected, got \(field.value.text)")
            }
        default:
            guard expected != actual else { return }
            found.append("\(shown(path)): expected \(expected.text), got \(actual.text)")
        }
    }

    private static func shown(_ path: String) -> String { path.isEmpty ? "the record" : path }

    /// Whether two numbers are the same within the tolerance: absolutely up to 1, beyond it as a
    /// share of the expected one. The same text always is.
    private static func isNear(_ expected: String, _ actual: String, _ tolerance: Double) -> Bool {
        if expected == actual { return true }
        guard let expected = Double(expected), let actual = Double(actual) else { return false }
        return abs(expected - actual) <= tolerance * max(1, abs(expected))
    }
}
