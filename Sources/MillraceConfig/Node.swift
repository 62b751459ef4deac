/// One YAML node with its place: what libyaml's events say, before any setting is known.
struct Node: Sendable {
    enum Content: Sendable {
        case scalar(Scalar)
        case sequence([Node])
        case mapping([Entry])
        /// The reader has complained about it already (an alias): later checks stay silent.
        case refused
    }

    struct Scalar: Sendable {
        let text: String
        /// Written without quotes and not as a block: may be a number, a boolean or nothing.
        let isPlain: Bool

        /// Whether nothing is written, or YAML's word for nothing.
        var isNull: Bool { isPlain && (text.isEmpty || text == "~" || text == "null") }
    }

    struct Entry: Sendable {
        let key: String
        let keyPlace: Place
        let value: Node
    }

    let place: Place
    let content: Content

    /// What it is, for "but is ...". Never shows contents.
    var kindName: String {
        switch content {
        case .scalar(let scalar): scalar.isNull ? "empty" : "text"
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .refused: "refused"
        }
    }
}
