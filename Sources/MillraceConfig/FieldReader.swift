internal import MillraceCore

// `model.inputs` and `model.missing`.
extension Reading {
    /// All of `model.inputs`; nil where the file has none or after complaints.
    mutating func readInputs() -> Located<[InputMapping]>? {
        guard let entry = entry(of: Settings.modelInputs.declaration) else { return nil }
        guard case .mapping(let entries) = entry.value.content else {
            complain(entry.value, Settings.modelInputs.declaration)
            return nil
        }
        if entries.isEmpty {
            complaints.add(
                entry.value.place, "model.inputs is empty; leave it out to map inputs by name")
        }
        let mappings = entries.compactMap { readInput($0) }
        return Located(value: mappings, place: entry.keyPlace)
    }

    private mutating func readInput(_ entry: Node.Entry) -> InputMapping? {
        let shown = "model.inputs.\(Shown.bare(entry.key))"
        guard case .sequence(let items) = entry.value.content else {
            guard let field = readField(entry.value, shown: shown) else { return nil }
            return InputMapping(name: entry.key, place: entry.keyPlace, form: .single(field))
        }
        guard !items.isEmpty else {
            complaints.add(entry.value.place, "\(shown) is an empty list; name its fields")
            return nil
        }
        let fields = items.compactMap { readField($0, shown: shown) }
        guard fields.count == items.count else { return nil }
        return InputMapping(name: entry.key, place: entry.keyPlace, form: .list(fields))
    }

    private mutating func readField(_ node: Node, shown: String) -> FieldMapping? {
        switch node.content {
        case .refused: return nil
        case .scalar(let scalar) where !scalar.isNull:
            guard let text = expand(scalar, at: node.place), let source = featureSource(text)
            else { return nil }
            return FieldMapping(
                source: source, place: node.place, missing: nil, parsesText: false)
        case .mapping(let entries):
            return readFieldOptions(entries, place: node.place, shown: shown)
        case .scalar, .sequence:
            complaints.add(
                node.place,
                "\(shown) must be a field, as /amount, or a mapping, as {field: /amount}, but is "
                    + node.kindName)
            return nil
        }
    }

    private mutating func readFieldOptions(
        _ entries: [Node.Entry], place: Place, shown: String
    ) -> FieldMapping? {
        open(Settings.fieldOptions, entries: entries, place: place, shown: shown)
        let text = entry(of: Settings.fieldPointer.declaration).flatMap {
            self.text(of: $0, Settings.fieldPointer.declaration)
        }
        let source = text.flatMap { featureSource($0) }
        let missing = readMissing(Settings.fieldMissing)
        let parsesText = read(Settings.fieldParse)
        guard let text, let source, let parsesText else { return nil }
        return FieldMapping(
            source: source, place: text.place, missing: missing, parsesText: parsesText)
    }

    private mutating func featureSource(_ text: Text) -> FeatureSource? {
        let word = text.text
        if word.hasPrefix("$") {
            if word == "$key" { return .key }
            if word == "$timestamp" { return .timestamp }
            let header = word.dropFirst("$header.".count)
            if word.hasPrefix("$header."), !header.isEmpty { return .header(String(header)) }
            complaints.add(
                text.place,
                "\(Shown.text(text.source)) is not $key, $timestamp or $header.NAME"
                    + Suggestion.question(for: word, among: ["$key", "$timestamp", "$header.NAME"]))
            return nil
        }
        return fieldPointer(text).map { .field($0) }
    }

    /// The JSON Pointer of that text; nil after a complaint.
    private mutating func fieldPointer(_ text: Text) -> FieldPointer? {
        let word = text.text
        if let pointer = FieldPointer(word) { return pointer }
        var message =
            "\(Shown.text(text.source)) is not a JSON Pointer, which is '/' and a name for each"
            + " level, with '~' written ~0 and '/' within a name ~1"
        if !text.hasReferences, !word.isEmpty, FieldPointer("/" + word) != nil {
            message += "; did you mean \(Shown.text("/" + word))?"
        }
        complaints.add(text.place, message)
        return nil
    }

    /// A list of JSON Pointers; empty where the file has none, nil after a complaint.
    mutating func readPointers(_ setting: Setting<Node>) -> [FieldPointer]? {
        guard let entry = entry(of: setting.declaration) else { return [] }
        guard case .sequence(let items) = entry.value.content else {
            complain(entry.value, setting.declaration)
            return nil
        }
        let pointers = items.compactMap { item -> FieldPointer? in
            guard case .scalar(let scalar) = item.content, !scalar.isNull else {
                complain(item, setting.declaration)
                return nil
            }
            return expand(scalar, at: item.place).flatMap { fieldPointer($0) }
        }
        return pointers.count == items.count ? pointers : nil
    }

    /// A `missing` policy; nil where there is none or after a complaint.
    mutating func readMissing(_ setting: Setting<Node>) -> Located<MissingPolicy>? {
        guard let entry = entry(of: setting.declaration),
            let text = text(of: entry, setting.declaration)
        else { return nil }
        let policy: MissingPolicy
        switch text.text {
        case _ where !text.isPlain: policy = .text(text.text)
        case "error": policy = .error
        case "nan": policy = .nan
        default:
            guard let number = Quantities.number(text.text) else {
                complain(text, setting.declaration)
                return nil
            }
            policy = .number(number)
        }
        return Located(value: policy, place: text.place)
    }
}
