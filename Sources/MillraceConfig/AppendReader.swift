internal import MillraceCore

// `append`, `on_conflict` and `append_under`.
extension Reading {
    /// The whole of it; nil after complaints.
    mutating func readAppend() -> PipelineFile.Append? {
        let conflict = located(Settings.onConflict)
        let under = located(Settings.appendUnder)
        if let conflict {
            if conflict.value == .nest, under == nil,
                section("")?.entries[Settings.appendUnder.declaration.key] == nil
            {
                complaints.add(
                    conflict.place, "on_conflict: nest needs append_under, the object's name")
            }
            if conflict.value != .nest, let under {
                complaints.add(
                    under.place, "append_under has a meaning only with on_conflict: nest")
            }
        }
        guard let entry = entry(of: Settings.append.declaration),
            let fields = readAppendFields(entry), let conflict
        else { return nil }
        return PipelineFile.Append(
            place: entry.keyPlace, fields: fields, onConflict: conflict.value,
            under: conflict.value == .nest ? under?.value : nil)
    }

    private mutating func readAppendFields(_ entry: Node.Entry) -> AppendMapping? {
        switch entry.value.content {
        case .scalar(let scalar) where scalar.text == "all" && scalar.isPlain: return .all
        case .mapping(let entries) where !entries.isEmpty:
            let fields = entries.compactMap { readAppendEntry($0) }
            return fields.count == entries.count ? .fields(fields) : nil
        case .mapping:
            complaints.add(entry.value.place, "append is empty; name at least one prediction field")
        default:
            if let text = text(of: entry, Settings.append.declaration) {
                complain(text, Settings.append.declaration)
            }
        }
        return nil
    }

    private mutating func readAppendEntry(_ entry: Node.Entry) -> AppendEntry? {
        let place = entry.value.place
        let shown = "append.\(Shown.bare(entry.key))"
        switch entry.value.content {
        case .refused: return nil
        case .scalar(let scalar) where !scalar.isNull:
            guard let text = expand(scalar, at: place) else { return nil }
            guard let (output, selector) = Self.outputReference(text.text) else {
                complaints.add(
                    place,
                    "\(shown) must be output, output[1], output[label] or output[\"a label\"], but"
                        + " is \(Shown.text(text.source))")
                return nil
            }
            return AppendEntry(
                name: entry.key, place: entry.keyPlace, output: output, selector: selector,
                outputPlace: place)
        default:
            complaints.add(place, "\(shown) must be a model output, but is \(entry.value.kindName)")
            return nil
        }
    }

    /// `output`, `output[x]` or `output["x"]`; within quotes `\` takes the next character as it is.
    static func outputReference(_ text: String) -> (String, AppendEntry.Selector)? {
        guard let open = text.firstIndex(of: "[") else {
            return text.isEmpty || text.contains("]") ? nil : (text, .whole)
        }
        let output = String(text[..<open])
        guard !output.isEmpty, text.hasSuffix("]") else { return nil }
        let inner = text[open...].dropFirst().dropLast()
        guard inner.hasPrefix("\"") else {
            let isBare = !inner.isEmpty && !inner.contains { "[]\"".contains($0) }
            return isBare ? (output, .bare(String(inner))) : nil
        }
        var label = ""
        var isEscaped = false
        var rest = inner.dropFirst()
        while let character = rest.popFirst() {
            if isEscaped {
                label.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                return rest.isEmpty ? (output, .quoted(label)) : nil
            } else {
                label.append(character)
            }
        }
        return nil
    }
}
