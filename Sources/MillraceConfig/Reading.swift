/// The state of reading one pipeline file: its complaints, its open sections, its surroundings.
struct Reading {
    /// A mapping that is being read; its keys are checked already.
    struct Section {
        let entries: [String: Node.Entry]
        /// The section's key, or the start of the file.
        let place: Place
        /// Its path in complaints; empty at top level.
        let shown: String
    }

    /// A scalar after the environment was read into it.
    struct Text {
        let text: String
        let isPlain: Bool
        let hasReferences: Bool
        /// As written, for complaints: what the environment gave is never shown.
        let source: String
        let place: Place

        /// Whether it may be a number or a boolean. In flow style a reference must be quoted, so
        /// quotes around references say nothing about the type.
        var mayBeTyped: Bool { isPlain || hasReferences }
    }

    enum Presence {
        case present(Section)
        /// Present, but not usable: was complained about.
        case broken
    }

    let folder: String
    let environment: [String: String]
    var complaints: Complaints
    private var sections: [String: Presence] = [:]

    init(path: String, environment: [String: String]) {
        self.folder = PathText.folder(of: path)
        self.environment = environment
        self.complaints = Complaints(file: path)
    }

    // Sections

    /// Opens the top level.
    mutating func openRoot(_ root: Node) {
        guard case .mapping(let entries) = root.content else {
            complaints.add(root.place, "a pipeline file must be a mapping, but is \(root.kindName)")
            sections[""] = .broken
            return
        }
        open("", entries: entries, place: root.place, shown: "")
    }

    /// Opens a section for the settings in it. Called before their `read`.
    mutating func open(_ setting: Setting<Node>, acceptsAnyKey: Bool = false) {
        guard let entry = entry(of: setting.declaration) else { return }
        let path = setting.declaration.path
        guard case .mapping(let entries) = entry.value.content else {
            complain(entry.value, setting.declaration)
            sections[path] = .broken
            return
        }
        open(
            path, entries: entries, place: entry.keyPlace, shown: path,
            acceptsAnyKey: acceptsAnyKey)
    }

    /// Opens a mapping that is not at a fixed place, as the section of that path.
    mutating func open(
        _ path: String, entries: [Node.Entry], place: Place, shown: String,
        acceptsAnyKey: Bool = false
    ) {
        var known: [String: Node.Entry] = [:]
        let keys = Settings.all.filter { $0.section == path }.map(\.key)
        for entry in entries {
            known[entry.key] = entry
            if !acceptsAnyKey, !keys.contains(entry.key) {
                complaints.add(entry.keyPlace, unknownKey(entry.key, shown: shown, keys: keys))
            }
        }
        sections[path] = .present(Section(entries: known, place: place, shown: shown))
    }

    /// The section, where it is present and usable.
    func section(_ path: String) -> Section? {
        if case .present(let section) = sections[path] { section } else { nil }
    }

    private func unknownKey(_ key: String, shown: String, keys: [String]) -> String {
        let start = "unknown key \(Shown.key(key))" + (shown.isEmpty ? "" : " in \(shown)")
        if key.contains(":") { return start + "; put a space after ':'" }
        if let nearest = Suggestion.nearest(to: key, among: keys) {
            return start + "; did you mean '\(nearest)'?"
        }
        let elsewhere = Settings.all.filter {
            $0.key == key && !$0.section.contains("*")
        }.map(\.path)
        if let path = elsewhere.first { return start + "; did you mean '\(path)'?" }
        if key.contains("."), !shown.hasPrefix("kafka") {
            return start + "; librdkafka properties belong under 'kafka'"
        }
        return start + "; known keys are \(keys.joined(separator: ", "))"
    }

    // Settings

    /// The entry of a setting. A missing one is complained about where it is required.
    mutating func entry(of declaration: SettingDeclaration) -> Node.Entry? {
        switch sections[declaration.section] {
        case .present(let section):
            if let entry = section.entries[declaration.key] {
                if case .refused = entry.value.content { return nil }
                return entry
            }
            if declaration.isRequired {
                complaints.add(section.place, missingKey(declaration))
            }
        case .broken, nil: break
        }
        return nil
    }

    private func missingKey(_ declaration: SettingDeclaration) -> String {
        var message = "missing required key '\(declaration.key)'"
        let shown = section(declaration.section)?.shown ?? ""
        if !shown.isEmpty { message += " in \(shown)" }
        let inner = Settings.all.filter { $0.section == declaration.path && $0.isRequired }
        if !inner.isEmpty {
            message += ", with \(inner.map { "'\($0.key)'" }.joined(separator: " and "))"
        }
        return message
    }

    /// The setting's path in complaints.
    func shownPath(_ declaration: SettingDeclaration) -> String {
        guard let shown = section(declaration.section)?.shown, !shown.isEmpty else {
            return declaration.path
        }
        return "\(shown).\(declaration.key)"
    }

    /// The value of a setting with its place; its default at the section's place; nil where there
    /// is neither, or after a complaint.
    mutating func located<Value>(_ setting: Setting<Value>) -> Located<Value>? {
        let declaration = setting.declaration
        guard let entry = entry(of: declaration) else {
            let place = section(declaration.section)?.place ?? .start
            return setting.defaultValue.map { Located(value: $0, place: place) }
        }
        guard let text = text(of: entry, declaration) else { return nil }
        guard text.mayBeTyped || !declaration.kind.isPlain, let value = setting.parse(text.text)
        else {
            complain(text, declaration)
            return nil
        }
        return Located(value: value, place: text.place)
    }

    /// The scalar of a setting's entry; nil after a complaint.
    mutating func text(of entry: Node.Entry, _ declaration: SettingDeclaration) -> Text? {
        guard case .scalar(let scalar) = entry.value.content, !scalar.isNull else {
            complain(entry.value, declaration)
            return nil
        }
        return expand(scalar, at: entry.value.place)
    }

    /// As `located`, without the place.
    mutating func read<Value>(_ setting: Setting<Value>) -> Value? { located(setting)?.value }

    /// A scalar with its environment references replaced; nil after a complaint.
    mutating func expand(_ scalar: Node.Scalar, at place: Place) -> Text? {
        let expansion = EnvironmentText.expand(scalar.text, environment: environment)
        for problem in expansion.problems { complaints.add(place, problem) }
        guard expansion.problems.isEmpty else { return nil }
        return Text(
            text: expansion.text, isPlain: scalar.isPlain, hasReferences: expansion.hasReferences,
            source: scalar.text, place: place)
    }

    // Complaints

    /// A node of the wrong kind.
    mutating func complain(_ node: Node, _ declaration: SettingDeclaration) {
        if case .refused = node.content { return }
        complaints.add(
            node.place,
            "\(shownPath(declaration)) must be \(declaration.kind.expectation), but is"
                + " \(node.kindName)")
    }

    /// A text that is not what the setting takes.
    mutating func complain(_ text: Text, _ declaration: SettingDeclaration) {
        var message = "\(shownPath(declaration)) must be \(declaration.kind.expectation), but is "
        message += declaration.isSecret ? Secret.redacted : Shown.text(text.source)
        if !text.mayBeTyped, declaration.kind.isPlain { message += " in quotes" }
        if case .choice(let names) = declaration.kind, !text.hasReferences {
            message += Suggestion.question(for: text.text, among: names)
        }
        complaints.add(text.place, message)
    }
}
