internal import CYaml

/// One libyaml event as a Swift value.
enum YAMLEvent {
    case streamStart
    case streamEnd
    case documentStart(Place)
    case documentEnd
    case alias(Place)
    case scalar(Place, Node.Scalar, YAMLMarkup)
    case sequenceStart(Place, YAMLMarkup)
    case sequenceEnd
    case mappingStart(Place, YAMLMarkup)
    case mappingEnd
}

/// What a node carries beside its content.
struct YAMLMarkup {
    let hasAnchor: Bool
    let hasTag: Bool
}

/// What libyaml refuses, with its place.
struct YAMLSyntaxError: Error {
    let place: Place
    let message: String
}

/// The only user of libyaml: pulls its events one by one. The bytes must outlive it.
@safe struct YAMLEvents: ~Copyable {
    /// Of libyaml.
    static var libraryVersion: String { unsafe String(cString: yaml_get_version_string()) }

    private let parser: UnsafeMutablePointer<yaml_parser_t>

    /// Nil where libyaml has no memory.
    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        unsafe parser = .allocate(capacity: 1)
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            unsafe parser.deallocate()
            return nil
        }
        // Without this a byte-order mark would switch to UTF-16.
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
    }

    /// The next event. Not to be called after `.streamEnd` or an error.
    mutating func next() throws(YAMLSyntaxError) -> YAMLEvent {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw syntaxError() }
        defer { unsafe yaml_event_delete(&event) }
        let place = Place(unsafe event.start_mark)
        switch unsafe event.type {
        case YAML_STREAM_START_EVENT: return .streamStart
        case YAML_DOCUMENT_START_EVENT: return .documentStart(place)
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT: return .alias(place)
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            let text = unsafe String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length),
                as: UTF8.self)
            return .scalar(
                place,
                Node.Scalar(
                    text: text, isPlain: unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE),
                YAMLMarkup(
                    hasAnchor: unsafe scalar.anchor != nil, hasTag: unsafe scalar.tag != nil))
        case YAML_SEQUENCE_START_EVENT:
            let start = unsafe event.data.sequence_start
            return .sequenceStart(
                place,
                YAMLMarkup(hasAnchor: unsafe start.anchor != nil, hasTag: unsafe start.tag != nil))
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            let start = unsafe event.data.mapping_start
            return .mappingStart(
                place,
                YAMLMarkup(hasAnchor: unsafe start.anchor != nil, hasTag: unsafe start.tag != nil))
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        default: return .streamEnd
        }
    }

    private func syntaxError() -> YAMLSyntaxError {
        let raw = unsafe parser.pointee
        var message =
            unsafe raw.problem.map { unsafe String(cString: $0) } ?? "the text cannot be read"
        if let context = unsafe raw.context { message += unsafe " " + String(cString: context) }
        return YAMLSyntaxError(place: Place(unsafe raw.problem_mark), message: message)
    }
}

extension Place {
    fileprivate init(_ mark: yaml_mark_t) {
        self.init(line: Int(clamping: mark.line) &+ 1, column: Int(clamping: mark.column) &+ 1)
    }
}
