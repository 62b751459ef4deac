// The `kafka` section: properties pass through word for word.
extension Reading {
    /// All properties; nil where the section is missing or unusable.
    mutating func readKafka() -> KafkaProperties? {
        guard let entry = entry(of: Settings.kafka.declaration),
            case .mapping(let entries) = entry.value.content
        else { return nil }
        var properties: [KafkaProperty] = []
        for property in entries {
            guard let scope = KafkaProperties.Scope(rawValue: property.key), scope != .common
            else {
                readProperty(property, scope: .common, into: &properties)
                continue
            }
            switch property.value.content {
            case .refused: continue
            case .mapping(let scoped):
                for inner in scoped { readProperty(inner, scope: scope, into: &properties) }
            default:
                complaints.add(
                    property.value.place,
                    "kafka.\(scope.rawValue) must be a mapping of librdkafka properties, but is "
                        + property.value.kindName)
            }
        }
        return KafkaProperties(properties: properties, place: entry.keyPlace)
    }

    private mutating func readProperty(
        _ entry: Node.Entry, scope: KafkaProperties.Scope, into properties: inout [KafkaProperty]
    ) {
        let name = Shown.propertyPrefix(of: entry.key)
        guard name == entry.key else {
            // What follows the name may be a secret: `{sasl.password=hunter2}` is a key to YAML.
            complaints.add(
                entry.keyPlace,
                "'\(name)...' is not a property's name; write 'name: value' with a space after"
                    + " ':'")
            return
        }
        guard let value = propertyValue(entry) else { return }
        if name == Settings.bootstrapServers.declaration.key, value.text.isEmpty {
            complaints.add(entry.value.place, "bootstrap.servers is empty; write host:port")
        }
        properties.append(
            KafkaProperty(
                scope: scope, name: entry.key, value: Secret(value.text),
                isSecret: value.file != nil || Secret.isName(entry.key), namePlace: entry.keyPlace,
                valuePlace: entry.value.place, file: value.file))
    }

    private mutating func propertyValue(
        _ entry: Node.Entry
    ) -> (text: String, file: String?)? {
        let place = entry.value.place
        switch entry.value.content {
        case .refused: return nil
        case .scalar(let scalar) where !scalar.isNull:
            return expand(scalar, at: place).map { ($0.text, nil) }
        case .scalar:
            complaints.add(
                place, "kafka property '\(entry.key)' has no value; write \"\" for empty text")
        case .sequence:
            complaints.add(
                place,
                "kafka property '\(entry.key)' must be one value, but is a list; separate its parts"
                    + " with commas")
        case .mapping:
            guard let file = Self.fileScalar(entry.value) else {
                complaints.add(
                    place,
                    "kafka property '\(entry.key)' must be one value or {file: path}, but is"
                        + " a mapping; names are written in full, as 'sasl.password'")
                return nil
            }
            guard let path = expand(file.scalar, at: file.place) else { return nil }
            return secretFile(path, property: entry.key)
        }
        return nil
    }

    /// The path in `{file: path}`; nil where the value is something else.
    static func fileScalar(_ value: Node) -> (scalar: Node.Scalar, place: Place)? {
        guard case .mapping(let entries) = value.content, entries.count == 1,
            let file = entries.first, file.key == "file",
            case .scalar(let scalar) = file.value.content, !scalar.isNull
        else { return nil }
        return (scalar, file.value.place)
    }

    /// The trimmed text of the file, and its path.
    mutating func secretFile(_ path: Text, property: String) -> (text: String, file: String)? {
        let file = PathText.resolve(path.text, in: folder)
        let shown = Shown.text(path.source)
        do throws(FileBytes.Failure) {
            let read = try SecretFile.read(file)
            if read.isWorldReadable {
                complaints.add(
                    path.place,
                    "every user of this machine may read \(shown); take the right away with"
                        + " chmod o-r", severity: .warning)
            }
            return (read.text, file)
        } catch {
            complaints.add(
                path.place, "cannot read \(shown) for '\(property)': \(error.reason)")
            return nil
        }
    }
}
