internal import MillraceCore

/// Reads test files of pipelines: all complaints of a file at once.
package enum PipelineTestReader {
    /// What became of one file.
    package struct Outcome: Sendable {
        /// Nil where a complaint is an error.
        package let tests: PipelineTests?
        /// By place.
        package let complaints: [Complaint]
    }

    /// Reads the file at `path`.
    package static func read(path: String) -> Outcome {
        do throws(FileBytes.Failure) {
            let contents = try FileBytes.read(path, limit: YAMLReader.sizeLimit)
            return read(bytes: contents.bytes, path: path)
        } catch {
            let complaint = Complaint(file: path, message: "cannot read it: \(error.reason)")
            return Outcome(tests: nil, complaints: [complaint])
        }
    }

    /// Reads a text as if it stood in a file at `path`.
    package static func read(bytes: [UInt8], path: String) -> Outcome {
        var complaints = Complaints(file: path)
        var tests: PipelineTests?
        if let root = YAMLReader.read(bytes, into: &complaints) {
            var reading = TestReading(path: path, complaints: complaints)
            tests = reading.readFile(root)
            complaints = reading.complaints
        }
        return Outcome(
            tests: complaints.hasErrors ? nil : tests, complaints: complaints.sorted)
    }
}

/// The state of reading one test file.
private struct TestReading {
    let path: String
    var complaints: Complaints

    private static let fileKeys = ["pipeline", "tolerance", "cases"]
    private static let caseKeys = ["name", "in", "out", "dead", "tolerance"]
    private static let deadKeys = ["class", "message"]

    mutating func readFile(_ root: Node) -> PipelineTests? {
        guard let entries = mapping(root, "a test file", keys: Self.fileKeys) else { return nil }
        let pipeline = readPipeline(entries["pipeline"])
        let tolerance = readTolerance(entries["tolerance"]) ?? PipelineTests.usualTolerance
        guard let list = entries["cases"] else {
            complaints.add(root.place, "missing required key 'cases', a list of cases")
            return nil
        }
        guard case .sequence(let items) = list.value.content, !items.isEmpty else {
            complaints.add(
                list.value.place,
                "cases must be a list of cases, but is \(Self.kind(list.value))")
            return nil
        }
        let cases = items.compactMap { readCase($0, tolerance: tolerance) }
        guard let pipeline else { return nil }
        return PipelineTests(path: path, pipeline: pipeline, cases: cases)
    }

    private mutating func readPipeline(_ entry: Node.Entry?) -> String? {
        guard let entry else {
            if let path = PipelineTests.pipelinePath(of: path) { return path }
            complaints.add(
                .start,
                "missing required key 'pipeline'; only NAME_test.yaml tests NAME.yaml without it")
            return nil
        }
        guard let text = text(entry, "a path") else { return nil }
        return PathText.resolve(text, in: PathText.folder(of: path))
    }

    private mutating func readTolerance(_ entry: Node.Entry?) -> Double? {
        guard let entry else { return nil }
        if case .scalar(let scalar) = entry.value.content, scalar.isPlain,
            let number = Quantities.number(scalar.text), number >= 0
        {
            return number
        }
        complaints.add(
            entry.value.place, "tolerance must be a number of at least 0, without quotes")
        return nil
    }

    private mutating func readCase(_ node: Node, tolerance: Double) -> PipelineTests.Case? {
        guard let entries = mapping(node, "a case", keys: Self.caseKeys) else { return nil }
        guard let nameEntry = entries["name"] else {
            complaints.add(node.place, "missing required key 'name' in a case")
            return nil
        }
        let name = text(nameEntry, "text")
        guard let input = entries["in"] else {
            complaints.add(node.place, "missing required key 'in', the record, in a case")
            return nil
        }
        let records = readRecords(input.value)
        let outputs = entries["out"].map { readOutputs($0.value) }
        let deadLetters = entries["dead"].map { readDeadLetters($0.value) }
        if outputs == nil, deadLetters == nil {
            complaints.add(node.place, "a case needs 'out' or 'dead': what becomes of the record")
        }
        let ownTolerance = readTolerance(entries["tolerance"])
        guard let name, let records else { return nil }
        return PipelineTests.Case(
            name: name, place: node.place, records: records, outputs: outputs,
            deadLetters: deadLetters, tolerance: ownTolerance ?? tolerance)
    }

    private mutating func readRecords(_ node: Node) -> [[UInt8]]? {
        var records: [[UInt8]] = []
        for item in Self.list(node) {
            switch item.content {
            case .scalar(let scalar) where !scalar.isPlain: records.append(Array(scalar.text.utf8))
            case .mapping:
                guard let value = value(item) else { return nil }
                records.append(Array(value.text.utf8))
            case .refused: return nil
            case .scalar, .sequence:
                complaints.add(
                    item.place,
                    "in must be a mapping, or the record's text in quotes, but is"
                        + " \(Self.kind(item))")
                return nil
            }
        }
        return records
    }

    private mutating func readOutputs(_ node: Node) -> [PipelineTests.Expectation] {
        Self.list(node).compactMap { item in
            switch item.content {
            case .mapping:
                guard case .object(let fields) = value(item) else { return nil }
                return .fields(fields)
            case .scalar(let scalar) where !scalar.isNull:
                if let value = JSONValue.parse(scalar.text.utf8) { return .whole(value) }
                complaints.add(item.place, "out is not one value of JSON")
                return nil
            case .refused: return nil
            case .scalar, .sequence:
                complaints.add(
                    item.place,
                    "out must be a mapping of fields, or the whole record's text, but"
                        + " is \(Self.kind(item))")
                return nil
            }
        }
    }

    private mutating func readDeadLetters(_ node: Node) -> [PipelineTests.DeadLetter] {
        Self.list(node).compactMap { item in
            guard case .mapping = item.content else {
                guard case .scalar(let scalar) = item.content, !scalar.isNull else {
                    complaints.add(
                        item.place,
                        "dead must be a class, or a mapping with class and message,"
                            + " but is \(Self.kind(item))")
                    return nil
                }
                checkClass(scalar.text, at: item.place)
                return PipelineTests.DeadLetter(reason: scalar.text, message: nil)
            }
            guard let entries = mapping(item, "dead", keys: Self.deadKeys) else { return nil }
            let reason = entries["class"].flatMap { text($0, "a class") }
            if let reason, let entry = entries["class"] {
                checkClass(reason, at: entry.value.place)
            }
            let message = entries["message"].flatMap { text($0, "text") }
            return PipelineTests.DeadLetter(reason: reason, message: message)
        }
    }

    private mutating func checkClass(_ name: String, at place: Place) {
        let names = RecordError.Kind.allCases.map(\.rawValue)
        guard !names.contains(name) else { return }
        let question = Suggestion.question(for: name, among: names)
        complaints.add(
            place,
            "no class of dead letters is \(Shown.text(name))"
                + (question.isEmpty ? "; they are \(names.joined(separator: ", "))" : question))
    }

    // Pieces

    /// The node as a value of JSON: plain text that is a number, true, false or nothing is that.
    private mutating func value(_ node: Node) -> JSONValue? {
        switch node.content {
        case .scalar(let scalar):
            guard scalar.isPlain else { return .string(scalar.text) }
            if scalar.isNull { return .null }
            if scalar.text == "true" || scalar.text == "false" {
                return .bool(scalar.text == "true")
            }
            return JSONValue.isNumber(scalar.text) ? .number(scalar.text) : .string(scalar.text)
        case .sequence(let items):
            let values = items.compactMap { value($0) }
            return values.count == items.count ? .array(values) : nil
        case .mapping(let entries):
            let fields = entries.compactMap { entry in
                value(entry.value).map { JSONValue.Field(name: entry.key, value: $0) }
            }
            return fields.count == entries.count ? .object(fields) : nil
        case .refused: return nil
        }
    }

    /// The entries of a mapping that knows only these keys.
    private mutating func mapping(
        _ node: Node, _ what: String, keys: [String]
    ) -> [String: Node.Entry]? {
        guard case .mapping(let entries) = node.content else {
            if case .refused = node.content { return nil }
            complaints.add(node.place, "\(what) must be a mapping, but is \(node.kindName)")
            return nil
        }
        var known: [String: Node.Entry] = [:]
        for entry in entries {
            known[entry.key] = entry
            guard !keys.contains(entry.key) else { continue }
            let question = Suggestion.question(for: entry.key, among: keys)
            complaints.add(
                entry.keyPlace,
                "unknown key \(Shown.key(entry.key)) in \(what)"
                    + (question.isEmpty
                        ? "; known keys are \(keys.joined(separator: ", "))" : question))
        }
        return known
    }

    private mutating func text(_ entry: Node.Entry, _ what: String) -> String? {
        if case .scalar(let scalar) = entry.value.content, !scalar.isNull { return scalar.text }
        complaints.add(
            entry.value.place, "\(entry.key) must be \(what), but is \(entry.value.kindName)")
        return nil
    }

    /// The items of a list; another node is the only item.
    private static func list(_ node: Node) -> [Node] {
        if case .sequence(let items) = node.content { items } else { [node] }
    }

    private static func kind(_ node: Node) -> String {
        if case .sequence(let items) = node.content, items.isEmpty { return "an empty list" }
        if case .scalar(let scalar) = node.content, !scalar.isNull, scalar.isPlain {
            return "text without quotes"
        }
        return node.kindName
    }
}
