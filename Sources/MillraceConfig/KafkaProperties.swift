/// The librdkafka properties of a pipeline file, word for word, each with its place.
package struct KafkaProperties: Sendable {
    /// Which client a property is for.
    package enum Scope: String, Sendable, CaseIterable {
        /// Both; directly under `kafka`.
        case common
        case consumer, producer
    }

    package let properties: [KafkaProperty]
    /// The place of the key `kafka`.
    package let place: Place

    /// What a client of this scope gets: the common properties, then its own, which win. Each
    /// name once.
    package func properties(for scope: Scope) -> [KafkaProperty] {
        let own = properties.filter { $0.scope == scope }
        guard scope != .common else { return own }
        let ownNames = Set(own.map(\.name))
        return properties.filter { $0.scope == .common && !ownNames.contains($0.name) } + own
    }

    /// Where a client of this scope gets the property from; the place of `kafka` itself for one
    /// that the file does not set.
    package func place(of name: String, scope: Scope) -> Place {
        properties(for: scope).first { $0.name == name }?.namePlace ?? place
    }

    /// The text with every secret of the file replaced: for words of librdkafka and others that may
    /// repeat a value.
    package func redacting(_ text: String) -> String {
        // The longest first, so that a secret within another one leaves no rest.
        let secrets = properties.filter { $0.isSecret && !$0.isName && !$0.value.revealed.isEmpty }
            .map(\.value.revealed).sorted { $0.utf8.count > $1.utf8.count }
        return secrets.reduce(text) { $0.replacing($1, with: Secret.redacted) }
    }
}

/// One librdkafka property.
package struct KafkaProperty: Sendable, Equatable, CustomStringConvertible {
    package let scope: KafkaProperties.Scope
    package let name: String
    /// Every value travels as a secret; `isSecret` says which ones are.
    package internal(set) var value: Secret
    /// By its name, or because it was read from a file.
    package let isSecret: Bool
    package let namePlace: Place
    package let valuePlace: Place
    /// What the value is read from; nil where it stands in the pipeline file.
    package var file: String?

    /// Its value is a word such as `oidc`, which is no secret in a text of somebody else.
    var isName: Bool {
        file == nil
            && ["method", "grant.type", "scope", "client.id"].contains { name.hasSuffix($0) }
    }

    /// `name=value`, or `name=[redacted]`.
    package var description: String {
        "\(name)=\(isSecret ? Secret.redacted : value.revealed)"
    }
}
