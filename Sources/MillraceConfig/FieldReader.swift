internal import MillraceCore

// `model.inputs` and `model.missing`.
extension Reading {
    /// All of `model.inputs`; nil where the file has none or after complaints.
    mutating func readInputs() -> Located<[InputMapping]>? {
        guard let entry = entry(of: Settings.modelInputs.declaration) else { return nil }
        guard case .mapping(let entries) = entry.value.content, !entries.isEmpty else {
            complaints.add(
                entry.value.place,
                "model.inputs must be \(Settings.modelInputs.declaration.kind.expectation), but is "
                    + (isMapping(entry.value)
                        ? "empty; leave it out to map by name"
                        : entry.value.kindName))
            return nil
        }
        let mappings = entries.compactMap { readInput($0) }
        return Located(value: mappings, place: entry.keyPlace)
    }

    private func isMapping(_ node: Node) -> Bool {
        if case .mapping = node.content { true } else { false }
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
        let missing = readMissing(Settings.fieldMissing, shown: "\(shown): missing")
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
        if let pointer = FieldPointer(word) { return .field(pointer) }
        var message =
            "\(Shown.text(text.source)) is not a JSON Pointer, which is '/' and a name for each"
            + " level, with '~' written ~0 and '/' within a name ~1"
        if !text.hasReferences, !word.isEmpty, FieldPointer("/" + word) != nil {
            message += "; did you mean \(Shown.text("/" + word))?"
        }
        complaints.add(text.place, message)
        return nil
    }

    /// A `missing` policy; nil where there is none or after a complaint.
    mutating func readMissing(
        _ setting: Setting<Node>, shown: String
    ) -> Located<MissingPolicy>? {
        guard let entry = entry(of: setting.declaration) else { return nil }
        let place = entry.value.place
        guard case .scalar(let scalar) = entry.value.content, !scalar.isNull else {
            complaints.add(
                place,
                "\(shown) must be \(setting.declaration.kind.expectation), but is "
                    + entry.value.kindName)
            return nil
        }
        guard let text = expand(scalar, at: place) else { return nil }
        guard text.isPlain else { return Located(value: .text(text.text), place: place) }
        switch text.text {
        case "error": return Located(value: .error, place: place)
        case "nan": return Located(value: .nan, place: place)
        default:
            if let number = Quantities.number(text.text) {
                return Located(value: .number(number), place: place)
            }
            complaints.add(
                place,
                "\(shown) must be \(setting.declaration.kind.expectation), but is "
                    + Shown.text(text.source))
            return nil
        }
    }
}
