internal import MillraceCore

/// The settings as a JSON Schema (draft 2020-12), schemas/pipeline.schema.json, made from their
/// declarations: editors complete and check pipeline files by it.
///
/// It refuses nothing that `PipelineReader` accepts. It accepts more, as a schema sees values and
/// not how they are written (quotes, leading zeros), no other file and no environment, and cannot
/// compare two values.
package enum PipelineSchema {
    /// The whole document.
    package static var text: String {
        var entries: [(String, JSONDocument)] = [
            ("$schema", .text("https://json-schema.org/draft/2020-12/schema")),
            ("title", .text("Millrace pipeline")),
            ("description", .text("Made by `millrace docs --schema`.")),
        ]
        entries += object(of: "")
        entries.append(("allOf", .list(relations)))
        entries.append(("$defs", .object(definitions)))
        return JSONDocument.object(entries).written() + "\n"
    }

    // MARK: Objects and settings

    /// The keywords of the mapping of all settings in a section.
    private static func object(of section: String) -> [(String, JSONDocument)] {
        let settings = Settings.all.filter { $0.section == section }
        let required = settings.filter(\.isRequired).map { JSONDocument.text($0.key) }
        var entries: [(String, JSONDocument)] = [
            ("type", .text("object")),
            ("properties", .object(settings.map { ($0.key, schema(of: $0)) })),
        ]
        if !required.isEmpty { entries.append(("required", .list(required))) }
        if section == Settings.kafka.declaration.path {
            entries += propertyNames + [("additionalProperties", reference("kafkaProperty"))]
        } else {
            entries.append(("additionalProperties", .boolean(false)))
        }
        return entries
    }

    private static func schema(of setting: SettingDeclaration) -> JSONDocument {
        var entries: [(String, JSONDocument)] = [("description", .text(description(setting)))]
        entries += defaultValue(setting).map { [("default", $0)] } ?? []
        if setting.section == Settings.kafka.declaration.path, setting.kind == .text {
            let notEmpty = JSONDocument.object([("minLength", .integer(1))])
            entries.append(("allOf", .list([reference("kafkaProperty"), notEmpty])))
        } else {
            entries += keywords(setting)
        }
        return .object(entries)
    }

    private static func description(_ setting: SettingDeclaration) -> String {
        var text = setting.doc
        if setting.kind != .section { text += "\nTakes \(setting.kind.expectation)." }
        if let byDefault = setting.defaultText { text += "\nDefault: \(byDefault)." }
        return text
    }

    /// A default that is a value and not a description of one.
    private static func defaultValue(_ setting: SettingDeclaration) -> JSONDocument? {
        guard let text = setting.defaultText else { return nil }
        switch setting.kind {
        case .integer: return Int64(text).map { .integer($0) }
        case .number: return Double(text).map { .number($0) }
        case .boolean: return .boolean(text == "true")
        case .duration, .byteSize: return .text(text)
        case .choice(let names): return names.contains(text) ? .text(text) : nil
        default: return nil
        }
    }

    /// What the value of a setting may be.
    private static func keywords(_ setting: SettingDeclaration) -> [(String, JSONDocument)] {
        switch setting.kind {
        case .text, .path: return scalar + [("minLength", .integer(1))]
        case .name(let rule):
            // A port alone, which YAML takes for a number, is no address.
            let types = rule == .listenAddress ? [("type", .text("string"))] : scalar
            return orReference([types + [("pattern", .text(rule.pattern))]])
        case .integer(let range): return orReference([integer(range)])
        case .number(let range):
            return orReference([
                [
                    ("type", .text("number")), ("minimum", .number(range.lowerBound)),
                    ("maximum", .number(range.upperBound)),
                ]
            ])
        case .boolean: return orReference([[("type", .text("boolean"))]])
        case .duration(let range):
            let zero = [("enum", JSONDocument.list([.integer(0), .text("0")]))]
            return orReference(
                [quantity(Quantities.durationPatterns(range), setting)]
                    + (range.contains(0) ? [zero] : []))
        case .byteSize(let range):
            return orReference([
                quantity(Quantities.sizePatterns(range), setting), integer(range),
            ])
        case .choice(let names):
            return orReference([[("enum", .list(names.map { .text($0) }))]])
        case .section: return object(of: setting.path)
        case .form(let rule): return keywords(rule)
        }
    }

    /// Text of one of these patterns. They are long: editors show the words beside them instead.
    private static func quantity(
        _ patterns: [String], _ setting: SettingDeclaration
    ) -> [(String, JSONDocument)] {
        [
            ("type", .text("string")),
            ("pattern", .text("^(\(patterns.joined(separator: "|")))$")),
            ("patternErrorMessage", .text("must be \(setting.kind.expectation)")),
        ]
    }

    private static func integer(_ range: ClosedRange<Int64>) -> [(String, JSONDocument)] {
        [
            ("type", .text("integer")), ("minimum", .integer(range.lowerBound)),
            ("maximum", .integer(range.upperBound)),
        ]
    }

    /// What the reader takes as text: YAML makes numbers and booleans of some texts without quotes.
    private static var scalar: [(String, JSONDocument)] {
        [("type", .list([.text("string"), .text("number"), .text("boolean")]))]
    }

    private static func reference(_ name: String) -> JSONDocument {
        .object([("$ref", .text("#/$defs/\(name)"))])
    }

    /// One of these, or text with a reference into the environment, of which nothing is known.
    private static func orReference(
        _ forms: [[(String, JSONDocument)]]
    ) -> [(String, JSONDocument)] {
        [("anyOf", .list(forms.map { .object($0) } + [reference("environment")]))]
    }

    // MARK: Forms of their own

    private static func keywords(_ rule: FormRule) -> [(String, JSONDocument)] {
        switch rule {
        case .properties:
            [("type", .text("object"))] + propertyNames
                + [("additionalProperties", reference("kafkaProperty"))]
        case .inputs:
            [
                ("type", .text("object")), ("minProperties", .integer(1)),
                (
                    "additionalProperties",
                    .object([
                        (
                            "anyOf",
                            .list([
                                reference("field"),
                                .object([
                                    ("type", .text("array")), ("minItems", .integer(1)),
                                    ("items", reference("field")),
                                ]),
                            ])
                        )
                    ])
                ),
            ]
        case .pointer: [("$ref", .text("#/$defs/fieldPointer"))]
        case .pointers: [("type", .text("array")), ("items", reference("recordField"))]
        case .missing: [("type", .list([.text("string"), .text("number")]))]
        case .secretFile: [("$ref", .text("#/$defs/secretFile"))]
        case .append:
            [
                (
                    "anyOf",
                    .list([
                        .object([("const", .text("all"))]),
                        .object([
                            ("type", .text("object")), ("minProperties", .integer(1)),
                            ("additionalProperties", reference("modelOutput")),
                        ]),
                    ])
                )
            ]
        }
    }

    private static var propertyNames: [(String, JSONDocument)] {
        [("propertyNames", .object([("pattern", .text("^[A-Za-z0-9._-]+$"))]))]
    }

    private static var definitions: [(String, JSONDocument)] {
        let recordField = #"/([^~]|~[01])*"#
        let pointer = "^(\(recordField)" + #"|\$key|\$timestamp|\$header\.[\s\S]+)$"#
        let output = #"^([^\[\]]+|[^\[]+\[([^\[\]"]+|"([^"\\]|\\[\s\S])*")\])$"#
        return [
            (
                "environment",
                .object([("type", .text("string")), ("pattern", .text(#"\$\{"#))])
            ),
            (
                "kafkaProperty",
                .object([
                    (
                        "anyOf",
                        .list([.object(scalar), reference("secretFile")])
                    )
                ])
            ),
            (
                "secretFile",
                .object([
                    ("type", .text("object")),
                    ("properties", .object([("file", .object(scalar))])),
                    ("required", .list([.text("file")])),
                    ("additionalProperties", .boolean(false)),
                ])
            ),
            (
                "field",
                .object([
                    (
                        "anyOf",
                        .list([
                            reference("fieldPointer"), .object(object(of: Settings.fieldOptions)),
                        ])
                    )
                ])
            ),
            (
                "fieldPointer",
                .object(
                    orReference([[("type", .text("string")), ("pattern", .text(pointer))]]))
            ),
            (
                "recordField",
                .object(
                    orReference([
                        [("type", .text("string")), ("pattern", .text("^\(recordField)$"))]
                    ]))
            ),
            (
                "modelOutput",
                .object(orReference([scalar + [("pattern", .text(output))]]))
            ),
        ]
    }

    // MARK: Relations

    /// What one setting asks of another one.
    private static var relations: [JSONDocument] {
        [
            relation(
                Settings.onConflict.declaration, is: ConflictPolicy.nest.rawValue,
                needs: Settings.appendUnder.declaration),
            relation(
                Settings.onError.declaration, is: ErrorPolicy.deadLetter.rawValue,
                needs: Settings.deadLetter.declaration),
            .object([
                (
                    "dependentRequired",
                    .object([
                        (
                            Settings.appendUnder.declaration.path,
                            .list([.text(Settings.onConflict.declaration.path)])
                        )
                    ])
                )
            ]),
        ]
    }

    private static func relation(
        _ setting: SettingDeclaration, is value: String, needs other: SettingDeclaration
    ) -> JSONDocument {
        .object([
            (
                "if",
                .object([
                    (
                        "properties",
                        .object([(setting.path, .object([("const", .text(value))]))])
                    ),
                    ("required", .list([.text(setting.path)])),
                ])
            ),
            ("then", .object([("required", .list([.text(other.path)]))])),
        ])
    }
}
