extension BadPiece {
    static let models: [BadPiece] = [
        BadPiece(
            .model, "model: {file: m.onnx, sha256: c8e59759a49c}",
            [
                "4:31: model.sha256 must be 64 hexadecimal digits, as sha256sum prints them, but is"
                    + " 'c8e59759a49c'"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, load_timeout: 0}",
            [
                "4:37: model.load_timeout must be a duration from 1s to 1h, as 500ms, 2s or 1m,"
                    + " but is '0'"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: amount}}",
            [
                "4:35: 'amount' is not a JSON Pointer, which is '/' and a name for each"
                    + " level, with '~' written ~0 and '/' within a name ~1; did you mean"
                    + " '/amount'?"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: $kye}}",
            [
                "4:35: '$kye' is not $key, $timestamp or $header.NAME; did you mean"
                    + " '$key'?"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: $header.}}",
            [
                "4:35: '$header.' is not $key, $timestamp or $header.NAME"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: /a~2}}",
            [
                "4:35: '/a~2' is not a JSON Pointer, which is '/' and a name for each"
                    + " level, with '~' written ~0 and '/' within a name ~1"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: []}}",
            [
                "4:35: model.inputs.x is an empty list; name its fields"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {}}",
            [
                "4:31: model.inputs is empty; leave it out to map inputs by name"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: [/a]}",
            [
                "4:31: model.inputs must be a mapping of model inputs to fields, but is"
                    + " a list"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: [[/a]]}}",
            [
                "4:36: model.inputs.x must be a field, as /amount, or a mapping, as"
                    + " {field: /amount}, but is a list"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: {field: /a, mising: 0}}}",
            [
                "4:47: unknown key 'mising' in model.inputs.x; did you mean 'missing'?"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: {missing: 0}}}",
            [
                "4:35: missing required key 'field' in model.inputs.x"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: {field: a, missing: none, parse: yes}}}",
            [
                "4:43: 'a' is not a JSON Pointer, which is '/' and a name for each"
                    + " level, with '~' written ~0 and '/' within a name ~1; did you mean '/a'?",
                "4:55: model.inputs.x.missing must be error, nan, a number without"
                    + " quotes, or text in quotes, but is 'none'",
                "4:68: model.inputs.x.parse must be true or false, without quotes, but"
                    + " is 'yes'",
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, inputs: {x: }}",
            [
                "4:35: model.inputs.x must be a field, as /amount, or a mapping, as"
                    + " {field: /amount}, but is empty"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, missing: NaN}",
            [
                "4:32: model.missing must be error, nan, a number without quotes, or"
                    + " text in quotes, but is 'NaN'"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, missing: [0]}",
            [
                "4:32: model.missing must be error, nan, a number without quotes, or"
                    + " text in quotes, but is a list"
            ]),
        BadPiece(
            .model, "model: {}",
            [
                "4:1: missing required key 'file' in model"
            ]),
        BadPiece(
            .model, "model: m.onnx",
            [
                "4:8: model must be a mapping, but is text"
            ]),
        BadPiece(
            .model, #"model: {file: ""}"#,
            [
                "4:15: model.file must be a path, but is ''"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, engine: tree}",
            [
                "4:31: model.engine must be one of auto, trees, onnxruntime, but is 'tree';"
                    + " did you mean 'trees'?"
            ]),
        BadPiece(
            .model, "model: {file: m.onnx, engine: [trees]}",
            [
                "4:31: model.engine must be one of auto, trees, onnxruntime, but is a list"
            ]),
        BadPiece(
            .model, #"model: {file: m.onnx, name: "a\nb"}"#,
            [
                "4:29: model.name must be a name of 1 to 255 bytes without control"
                    + #" characters, but is 'a\nb'"#
            ]),
    ]

    static let appends: [BadPiece] = [
        BadPiece(
            .append, "append: {}",
            [
                "5:9: append is empty; name at least one prediction field"
            ]),
        BadPiece(
            .append, "append: everything",
            [
                "5:9: append must be all or a mapping of prediction fields to model"
                    + " outputs, but is 'everything'"
            ]),
        BadPiece(
            .append, "append: [a]",
            [
                "5:9: append must be all or a mapping of prediction fields to model"
                    + " outputs, but is a list"
            ]),
        BadPiece(
            .append, "append: {score: [p]}",
            [
                "5:17: append.score must be a model output, but is a list"
            ]),
        BadPiece(
            .append, #"append: {score: "p[1"}"#,
            [
                "5:17: append.score must be output, output[1], output[label] or"
                    + #" output["a label"], but is 'p[1'"#
            ]),
        BadPiece(
            .append, #"append: {score: "p[]"}"#,
            [
                "5:17: append.score must be output, output[1], output[label] or"
                    + #" output["a label"], but is 'p[]'"#
            ]),
        BadPiece(
            .append, "append:",
            [
                "5:8: append must be all or a mapping of prediction fields to model"
                    + " outputs, but is empty"
            ]),
        BadPiece(
            .append, "on_conflict: nest",
            [
                "1:1: missing required key 'append'",
                "5:14: on_conflict: nest needs append_under, the object's name",
            ]),
        BadPiece(
            .append, "append: {score: }",
            [
                "5:17: append.score must be a model output, but is empty"
            ]),
    ]
}
