internal import MillraceCore

/// What a setting's value may be. Parser, complaints, documentation and schema all read this.
package enum SettingKind: Sendable, Equatable {
    /// Any text.
    case text
    /// Text that the rule accepts.
    case name(NameRule)
    /// A path, relative to the folder of the pipeline file.
    case path
    case integer(ClosedRange<Int64>)
    case number(ClosedRange<Double>)
    case boolean
    /// Nanoseconds, written with a unit.
    case duration(ClosedRange<Int64>)
    /// Bytes, written with or without a unit.
    case byteSize(ClosedRange<Int64>)
    case choice([String])
    /// A mapping of settings that are declared under this path.
    case section
    /// A form of its own.
    case form(FormRule)

    /// Whether quoted text is refused: the types that YAML itself writes without quotes.
    var isPlain: Bool {
        switch self {
        case .integer, .number, .boolean: true
        default: false
        }
    }

    /// Completes "must be ...".
    var expectation: String {
        switch self {
        case .text: "text"
        case .name(let rule): rule.expectation
        case .path: "a path"
        case .integer(let range):
            "an integer from \(range.lowerBound) to \(range.upperBound), without quotes"
        case .number(let range):
            "a number from \(range.lowerBound) to \(range.upperBound), without quotes"
        case .boolean: "true or false, without quotes"
        case .duration(let range):
            "a duration from \(Quantities.durationText(range.lowerBound)) to"
                + " \(Quantities.durationText(range.upperBound)), as 500ms, 2s or 1m"
        case .byteSize(let range):
            "a size from \(Quantities.sizeText(range.lowerBound)) to"
                + " \(Quantities.sizeText(range.upperBound)), as 64KB or 256MiB"
        case .choice(let names): names.count == 1 ? names[0] : "one of " + Shown.names(names)
        case .section: "a mapping"
        case .form(let rule): rule.expectation
        }
    }
}

/// Values that have a reader, and so a schema, of their own.
package enum FormRule: Sendable, Equatable, CaseIterable {
    case properties, inputs, pointer, pointers, missing, append, secretFile

    var expectation: String {
        switch self {
        case .properties: "a mapping of librdkafka properties"
        case .inputs: "a mapping of model inputs to fields"
        case .pointer: "a JSON Pointer, $key, $header.NAME or $timestamp"
        case .pointers: "a list of JSON Pointers, as [/card, /user/email]"
        case .missing: "error, nan, a number without quotes, or text in quotes"
        case .append: "all or a mapping of prediction fields to model outputs"
        case .secretFile: "{file: path}"
        }
    }
}

/// Names that other systems restrict.
package enum NameRule: String, Sendable, Equatable {
    case pipeline, topic, label, listenAddress, sha256

    var expectation: String {
        switch self {
        case .pipeline: "1 to 100 of the characters a-z, 0-9, '.', '_' and '-'"
        case .topic: "a topic name: 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'"
        case .label: "a name of 1 to 255 bytes without control characters"
        case .listenAddress: "host:port, as 127.0.0.1:9464"
        case .sha256: "64 hexadecimal digits, as sha256sum prints them"
        }
    }

    /// `accepts` as a regular expression of JSON Schema; for a name of more bytes than characters
    /// it accepts more.
    var pattern: String {
        switch self {
        case .pipeline: "^[a-z0-9._-]{1,100}$"
        case .topic: #"^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$"#
        case .label: #"^[^\u0000-\u001f\u007f]{1,255}$"#
        case .listenAddress:
            #"^([0-9A-Za-z.%-]*|\[[0-9A-Za-z.%-]*:[0-9A-Za-z.:%-]*\]):"#
                + "(0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}"
                + "|655[0-2][0-9]|6553[0-5])$"
        case .sha256: "^[0-9A-Fa-f]{64}$"
        }
    }

    func accepts(_ text: String) -> Bool {
        let bytes = text.utf8
        switch self {
        case .pipeline:
            return (1...100).contains(bytes.count)
                && bytes.allSatisfy { Self.isNameByte($0, upperCase: false) }
        case .topic:
            // A name that starts with '^' would be a regular expression to librdkafka.
            return (1...249).contains(bytes.count) && text != "." && text != ".."
                && bytes.allSatisfy { Self.isNameByte($0, upperCase: true) }
        case .label:
            return (1...255).contains(bytes.count) && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        case .listenAddress: return ListenAddress(text) != nil
        case .sha256:
            return bytes.count == 64
                && text.unicodeScalars.allSatisfy { $0.properties.isASCIIHexDigit }
        }
    }

    private static func isNameByte(_ byte: UInt8, upperCase: Bool) -> Bool {
        switch byte {
        case 0x61...0x7A, 0x30...0x39, 0x2E, 0x5F, 0x2D: true
        case 0x41...0x5A: upperCase
        default: false
        }
    }
}

/// One setting as the documentation and the schema see it.
package struct SettingDeclaration: Sendable {
    /// Path of the section it is in; empty at top level. A `*` stands for a name that the user
    /// chooses.
    package let section: String
    package let key: String
    package let kind: SettingKind
    /// Must be there whenever its section is there.
    package let isRequired: Bool
    /// The default as one would write it; nil where there is none.
    package let defaultText: String?
    /// Prints as `[redacted]`, in complaints too.
    package let isSecret: Bool
    /// One or two sentences of Markdown.
    package let doc: String

    /// Section and key as one writes them in text, `batch.max_records`.
    package var path: String { section.isEmpty ? key : "\(section).\(key)" }
}

/// A declaration together with the way from text to a value: the one place that knows a setting's
/// type, default and range.
package struct Setting<Value: Sendable>: Sendable {
    package let declaration: SettingDeclaration
    /// The value where the file says nothing; nil for settings without a default.
    package let defaultValue: Value?
    /// Nil where the text is not what `declaration.kind` says.
    let parse: @Sendable (String) -> Value?
}

// The makers: one for each kind of value.
extension Setting {
    private init(
        _ section: String, _ key: String, _ kind: SettingKind, isRequired: Bool,
        defaultValue: Value?, defaultText: String?, doc: String,
        parse: @escaping @Sendable (String) -> Value?
    ) {
        declaration = SettingDeclaration(
            section: section, key: key, kind: kind, isRequired: isRequired,
            defaultText: defaultText,
            isSecret: (section.hasPrefix("kafka") || section == "http") && Secret.isName(key),
            doc: doc)
        self.defaultValue = defaultValue
        self.parse = parse
    }
}

extension Setting where Value == String {
    /// - Parameter defaultText: describes a default that is worked out from other settings.
    static func text(
        _ section: String, _ key: String, _ kind: SettingKind = .text, isRequired: Bool = false,
        defaultText: String? = nil, doc: String
    ) -> Self {
        Self(
            section, key, kind, isRequired: isRequired, defaultValue: nil,
            defaultText: defaultText, doc: doc
        ) { text in
            if case .name(let rule) = kind { return rule.accepts(text) ? text : nil }
            return text.isEmpty ? nil : text
        }
    }
}

extension Setting where Value == Int64 {
    static func integer(
        _ section: String, _ key: String, _ range: ClosedRange<Int64>, defaultValue: Int64? = nil,
        defaultText: String? = nil, doc: String
    ) -> Self {
        Self(
            section, key, .integer(range), isRequired: false, defaultValue: defaultValue,
            defaultText: defaultText ?? defaultValue.map { String($0) },
            doc: doc
        ) { Quantities.integer($0).flatMap { range.contains($0) ? $0 : nil } }
    }

    static func duration(
        _ section: String, _ key: String, _ rangeNs: ClosedRange<Int64>, defaultNs: Int64? = nil,
        defaultText: String? = nil, doc: String
    ) -> Self {
        Self(
            section, key, .duration(rangeNs), isRequired: false, defaultValue: defaultNs,
            defaultText: defaultText ?? defaultNs.map(Quantities.durationText), doc: doc
        ) { Quantities.durationNs($0).flatMap { rangeNs.contains($0) ? $0 : nil } }
    }

    static func byteSize(
        _ section: String, _ key: String, _ range: ClosedRange<Int64>, defaultValue: Int64? = nil,
        doc: String
    ) -> Self {
        Self(
            section, key, .byteSize(range), isRequired: false, defaultValue: defaultValue,
            defaultText: defaultValue.map(Quantities.sizeText), doc: doc
        ) { Quantities.bytes($0).flatMap { range.contains($0) ? $0 : nil } }
    }
}

extension Setting where Value == Double {
    static func number(
        _ section: String, _ key: String, _ range: ClosedRange<Double>, defaultValue: Double,
        doc: String
    ) -> Self {
        Self(
            section, key, .number(range), isRequired: false, defaultValue: defaultValue,
            defaultText: String(defaultValue), doc: doc
        ) { Quantities.number($0).flatMap { range.contains($0) ? $0 : nil } }
    }
}

extension Setting where Value == Bool {
    static func boolean(
        _ section: String, _ key: String, defaultValue: Bool, doc: String
    ) -> Self {
        Self(
            section, key, .boolean, isRequired: false, defaultValue: defaultValue,
            defaultText: String(defaultValue), doc: doc
        ) { $0 == "true" ? true : $0 == "false" ? false : nil }
    }
}

extension Setting where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    static func choice(
        _ section: String, _ key: String, defaultValue: Value? = nil, defaultText: String? = nil,
        isRequired: Bool = false, doc: String
    ) -> Self {
        Self(
            section, key, .choice(Value.allCases.map(\.rawValue)), isRequired: isRequired,
            defaultValue: defaultValue, defaultText: defaultText ?? defaultValue?.rawValue,
            doc: doc
        ) { Value(rawValue: $0) }
    }
}

extension Setting where Value == Node {
    /// A mapping of other settings.
    static func section(
        _ section: String, _ key: String, isRequired: Bool = false, doc: String
    ) -> Self {
        form(section, key, .section, isRequired: isRequired, doc: doc)
    }

    /// A value with a reader of its own.
    static func form(
        _ section: String, _ key: String, _ kind: SettingKind, isRequired: Bool = false,
        defaultText: String? = nil, doc: String
    ) -> Self {
        Self(
            section, key, kind, isRequired: isRequired, defaultValue: nil,
            defaultText: defaultText, doc: doc
        ) { _ in nil }
    }
}
