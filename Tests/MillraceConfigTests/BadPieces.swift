import Testing

/// One wrong piece in an otherwise good file, and every complaint about it.
struct BadPiece: Sendable, CustomTestStringConvertible {
    let piece: PieceKey
    let text: String
    let complaints: [String]

    init(_ piece: PieceKey, _ text: String, _ complaints: [String]) {
        self.piece = piece
        self.text = text
        self.complaints = complaints
    }

    var testDescription: String { text }

    /// The whole file with the wrong piece in it.
    var whole: String {
        PipelineText.with { pieces in
            switch piece {
            case .whole: pieces = PipelineText(whole: text)
            case .name: pieces.name = text
            case .source: pieces.source = text
            case .kafka: pieces.kafka = text
            case .model: pieces.model = text
            case .append: pieces.append = text
            case .sink: pieces.sink = text
            case .rest: pieces.rest = text
            }
        }
    }

    static let all = yaml + names + sources + kafka + models + appends + running
}

/// The pieces of `PipelineText`; `whole` stands for the whole file.
enum PieceKey { case whole, name, source, kafka, model, append, sink, rest }

extension BadPiece {
    static let yaml: [BadPiece] = [
        BadPiece(
            .whole, "",
            [
                "1:1: the file is empty"
            ]),
        BadPiece(
            .whole, "# only a comment",
            [
                "1:1: the file is empty"
            ]),
        BadPiece(
            .whole, "just text",
            [
                "1:1: a pipeline file must be a mapping, but is text"
            ]),
        BadPiece(
            .whole, "- a\n- b",
            [
                "1:1: a pipeline file must be a mapping, but is a list"
            ]),
        BadPiece(
            .append, "append: {score: probabilities[1]}",
            [
                "5:30: not valid YAML: did not find expected ',' or '}' while parsing a"
                    + " flow mapping; inside { } or [ ] put quotes around a value that holds {"
                    + " } [ ] or ,"
            ]),
        BadPiece(
            .rest, "batch: {max_records: ${N}}",
            [
                "7:23: not valid YAML: did not find expected ',' or '}' while parsing a"
                    + " flow mapping; inside { } or [ ] put quotes around a value that holds {"
                    + " } [ ] or ,"
            ]),
        BadPiece(
            .rest, "batch: &b {max_records: 5}",
            [
                "7:8: anchors are not allowed; write the value out where it is used"
            ]),
        BadPiece(
            .rest, "batch: *b",
            [
                "7:8: aliases are not allowed; write the value out"
            ]),
        BadPiece(
            .rest, "batch: !!map {}",
            [
                "7:8: tags are not allowed; leave the '!' part out"
            ]),
        BadPiece(
            .rest, "lanes: 1\nlanes: 2",
            [
                "8:1: key 'lanes' is here twice"
            ]),
        BadPiece(
            .rest, "---\nname: x",
            [
                "7:1: a second document; put each pipeline into a file of its own"
            ]),
        BadPiece(
            .rest, "[1]: 2",
            [
                "7:1: a key must be text"
            ]),
        BadPiece(
            .rest, ": 2",
            [
                "7:1: not valid YAML: did not find expected key while parsing a block"
                    + " mapping"
            ]),
        BadPiece(
            .rest, #"lanes: "a\0b""#,
            [
                "7:8: text must not hold a NUL character"
            ]),
        BadPiece(
            .rest, "  lanes: 3",
            [
                "7:3: not valid YAML: did not find expected key while parsing a block"
                    + " mapping"
            ]),
        BadPiece(
            .rest, "lanes: 'open",
            [
                "7:13: not valid YAML: found unexpected end of stream while scanning a"
                    + " quoted scalar"
            ]),
        BadPiece(
            .rest, "\tlanes: 3",
            [
                "7:1: not valid YAML: found character that cannot start any token while"
                    + " scanning for the next token"
            ]),
        BadPiece(
            .whole, "nmae: x\nkafka: {acks: all}\nbatch: {max_records: x, foo: 1}",
            [
                "1:1: unknown key 'nmae'; did you mean 'name'?",
                "1:1: missing required key 'name'",
                "1:1: missing required key 'source', with 'topic'",
                "1:1: missing required key 'model', with 'file'",
                "1:1: missing required key 'append'",
                "1:1: missing required key 'sink', with 'topic'",
                "2:1: missing required key 'bootstrap.servers' in kafka",
                "3:22: batch.max_records must be an integer from 1 to 65536, without"
                    + " quotes, but is 'x'",
                "3:25: unknown key 'foo' in batch; known keys are max_records, max_wait,"
                    + " max_bytes",
            ]),
        BadPiece(
            .append, "append: {score: *x}",
            [
                "5:17: aliases are not allowed; write the value out"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: /a, x: /b}}",
            [
                "4:39: key 'x' is here twice"
            ]),
    ]

    static let names: [BadPiece] = [
        BadPiece(
            .name, "name: [a]",
            [
                "1:7: name must be 1 to 100 of the characters a-z, 0-9, '.', '_' and '-', but is"
                    + " a list"
            ]),
        BadPiece(
            .name, "",
            [
                "2:1: missing required key 'name'"
            ]),
        BadPiece(
            .name, "name: Fraud",
            [
                "1:7: name must be 1 to 100 of the characters a-z, 0-9, '.', '_' and"
                    + " '-', but is 'Fraud'"
            ]),
        BadPiece(
            .name, "name:",
            [
                "1:6: name must be 1 to 100 of the characters a-z, 0-9, '.', '_' and"
                    + " '-', but is empty"
            ]),
        BadPiece(
            .name, #"name: """#,
            [
                "1:7: name must be 1 to 100 of the characters a-z, 0-9, '.', '_' and"
                    + " '-', but is ''"
            ]),
        BadPiece(
            .name, "nme: fraud",
            [
                "1:1: unknown key 'nme'; did you mean 'name'?",
                "1:1: missing required key 'name'",
            ]),
    ]

    static let sources: [BadPiece] = [
        BadPiece(
            .source, "source:",
            [
                "2:8: source must be a mapping, but is empty"
            ]),
        BadPiece(
            .source, "source: in",
            [
                "2:9: source must be a mapping, but is text"
            ]),
        BadPiece(
            .source, "source: {group: g}",
            [
                "2:1: missing required key 'topic' in source"
            ]),
        BadPiece(
            .source, "source: {topic: ^in.*}",
            [
                "2:17: source.topic must be a topic name: 1 to 249 of the characters"
                    + " a-z, A-Z, 0-9, '.', '_' and '-', but is '^in.*'"
            ]),
        BadPiece(
            .source, "source: {topic: in, start: newest}",
            [
                "2:28: source.start must be one of earliest, latest, error, but is"
                    + " 'newest'"
            ]),
        BadPiece(
            .source, "source: {topic: in, start: earlest}",
            [
                "2:28: source.start must be one of earliest, latest, error, but is"
                    + " 'earlest'; did you mean 'earliest'?"
            ]),
        BadPiece(
            .source, #"source: {topic: in, group: ""}"#,
            [
                "2:28: source.group must be a name of 1 to 255 bytes without control"
                    + " characters, but is ''"
            ]),
        BadPiece(
            .source, "",
            [
                "1:1: missing required key 'source', with 'topic'"
            ]),
        BadPiece(
            .source, "source: {topic: .., }",
            [
                "2:17: source.topic must be a topic name: 1 to 249 of the characters"
                    + " a-z, A-Z, 0-9, '.', '_' and '-', but is '..'"
            ]),
        BadPiece(
            .source, "source: {topic: in, offset: 3}",
            [
                "2:21: unknown key 'offset' in source; known keys are topic, group, start"
            ]),
    ]

    static let kafka: [BadPiece] = [
        BadPiece(
            .kafka, "",
            [
                "1:1: missing required key 'kafka', with 'bootstrap.servers'"
            ]),
        BadPiece(
            .kafka, "kafka: {acks: all}",
            [
                "3:1: missing required key 'bootstrap.servers' in kafka"
            ]),
        BadPiece(
            .kafka, "kafka: {bootstrap.servers: }",
            [
                #"3:28: kafka property 'bootstrap.servers' has no value; write "" for"#
                    + " empty text"
            ]),
        BadPiece(
            .kafka, "kafka: {bootstrap.servers: [a, b]}",
            [
                "3:28: kafka property 'bootstrap.servers' must be one value, but is a"
                    + " list; separate its parts with commas"
            ]),
        BadPiece(
            .kafka, "kafka: {bootstrap.servers: a, sasl: {password: geheim}}",
            [
                "3:37: kafka property 'sasl' must be one value or {file: path}, but is a"
                    + " mapping; names are written in full, as 'sasl.password'"
            ]),
        BadPiece(
            .kafka, "kafka: {bootstrap.servers: a, sasl.password:geheim}",
            [
                "3:31: 'sasl.password...' is not a property's name; write 'name: value'"
                    + " with a space after ':'"
            ]),
        BadPiece(
            .kafka, "kafka: {bootstrap.servers: a, consumer: 5}",
            [
                "3:41: kafka.consumer must be a mapping of librdkafka properties, but is"
                    + " text"
            ]),
        BadPiece(
            .kafka, "kafka: {bootstrap.servers: a, sasl.password: {file: nowhere/secret}}",
            [
                "3:53: cannot read 'nowhere/secret' for 'sasl.password': no such file"
            ]),
        BadPiece(
            .kafka, "kafka: {bootstrap.servers: a, ssl.ca.location: {file: /}}",
            [
                "3:55: cannot read '/' for 'ssl.ca.location': it is a folder"
            ]),
        BadPiece(
            .kafka, #"kafka: {bootstrap.servers: ""}"#,
            [
                "3:28: bootstrap.servers is empty; write host:port"
            ]),
        BadPiece(
            .kafka, "kafka: {bootstrap.servers: a, sasl.password hunter2}",
            [
                "3:31: 'sasl.password...' is not a property's name; write 'name: value'"
                    + " with a space after ':'"
            ]),
    ]
}
