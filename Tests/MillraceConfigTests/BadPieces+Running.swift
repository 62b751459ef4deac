extension BadPiece {
    static let running: [BadPiece] = [
        BadPiece(
            .rest, "on_conflict: nest",
            [
                "7:14: on_conflict: nest needs append_under, the object's name"
            ]),
        BadPiece(
            .rest, "append_under: ml",
            [
                "7:15: append_under has a meaning only with on_conflict: nest"
            ]),
        BadPiece(
            .rest, "on_conflict: overwrite",
            [
                "7:14: on_conflict must be one of error, keep, nest, but is 'overwrite'"
            ]),
        BadPiece(
            .rest, "on_error: dead_letter",
            [
                "7:11: on_error: dead_letter needs dead_letter.topic"
            ]),
        BadPiece(
            .rest, "on_error: ignore",
            [
                "7:11: on_error must be one of dead_letter, stop, pass, but is 'ignore'"
            ]),
        BadPiece(
            .sink, "sink: {topic: in}",
            [
                "6:15: sink.topic is the source's topic; write another one"
            ]),
        BadPiece(
            .sink, "sink: {topic: out, partitioning: round}",
            [
                "6:34: sink.partitioning must be one of preserve, key, but is 'round'"
            ]),
        BadPiece(
            .sink, "sinc: {topic: out}",
            [
                "1:1: missing required key 'sink', with 'topic'",
                "6:1: unknown key 'sinc'; did you mean 'sink'?",
            ]),
        BadPiece(
            .rest, "dead_letter: {topic: in}",
            [
                "7:22: dead_letter.topic is the source's topic; write another one"
            ]),
        BadPiece(
            .rest, "dead_letter: {topic: out, max_ratio: 1.5}",
            [
                "7:38: dead_letter.max_ratio must be a number from 0.0 to 1.0, without"
                    + " quotes, but is '1.5'"
            ]),
        BadPiece(
            .rest, "dead_letter: {max_ratio: 0.1}",
            [
                "7:1: missing required key 'topic' in dead_letter"
            ]),
        BadPiece(
            .rest, "batch: {max_record: 5}",
            [
                "7:9: unknown key 'max_record' in batch; did you mean 'max_records'?"
            ]),
        BadPiece(
            .rest, "batch: {max_records: 0}",
            [
                "7:22: batch.max_records must be an integer from 1 to 65536, without"
                    + " quotes, but is '0'"
            ]),
        BadPiece(
            .rest, #"batch: {max_records: "12"}"#,
            [
                "7:22: batch.max_records must be an integer from 1 to 65536, without"
                    + " quotes, but is '12' in quotes"
            ]),
        BadPiece(
            .rest, "batch: {max_records: 010}",
            [
                "7:22: batch.max_records must be an integer from 1 to 65536, without"
                    + " quotes, but is '010'"
            ]),
        BadPiece(
            .rest, "batch: {max_wait: 5}",
            [
                "7:19: batch.max_wait must be a duration from 0 to 10s, as 500ms, 2s or"
                    + " 1m, but is '5'"
            ]),
        BadPiece(
            .rest, "batch: {max_wait: 11s}",
            [
                "7:19: batch.max_wait must be a duration from 0 to 10s, as 500ms, 2s or"
                    + " 1m, but is '11s'"
            ]),
        BadPiece(
            .rest, "batch: {max_wait: 99999999999999999999h}",
            [
                "7:19: batch.max_wait must be a duration from 0 to 10s, as 500ms, 2s or"
                    + " 1m, but is '99999999999999999999h'"
            ]),
        BadPiece(
            .rest, "batch: {max_bytes: 1GiB}",
            [
                "7:20: batch.max_bytes is more than memory (128MiB)"
            ]),
        BadPiece(
            .rest, "max_records: 5",
            [
                "7:1: unknown key 'max_records'; did you mean 'batch.max_records'?"
            ]),
        BadPiece(
            .rest, "acks.all: 5",
            [
                "7:1: unknown key 'acks.all'; librdkafka properties belong under 'kafka'"
            ]),
        BadPiece(
            .rest, "lanes: -1",
            [
                "7:8: lanes must be an integer from 0 to 256, without quotes, but is '-1'"
            ]),
        BadPiece(
            .rest, "lanes: 2.0",
            [
                "7:8: lanes must be an integer from 0 to 256, without quotes, but is"
                    + " '2.0'"
            ]),
        BadPiece(
            .rest, "delivery: exactly_onec",
            [
                "7:11: delivery must be one of at_least_once, exactly_once, but is 'exactly_onec';"
                    + " did you mean 'exactly_once'?"
            ]),
        BadPiece(
            .rest, "commit_interval: 0",
            [
                "7:18: commit_interval must be a duration from 10ms to 1h, as 500ms, 2s"
                    + " or 1m, but is '0'"
            ]),
        BadPiece(
            .rest, "memory: 16MiB",
            [
                "7:9: memory must be a size from 32MiB to 1TiB, as 64KB or 256MiB, but"
                    + " is '16MiB'"
            ]),
        BadPiece(
            .rest, "memory: 256M",
            [
                "7:9: memory must be a size from 32MiB to 1TiB, as 64KB or 256MiB, but"
                    + " is '256M'"
            ]),
        BadPiece(
            .rest, "memory: lots",
            [
                "7:9: memory must be a size from 32MiB to 1TiB, as 64KB or 256MiB, but"
                    + " is 'lots'"
            ]),
        BadPiece(
            .rest, "shutdown_timeout: soon",
            [
                "7:19: shutdown_timeout must be a duration from 1s to 1h, as 500ms, 2s"
                    + " or 1m, but is 'soon'"
            ]),
        BadPiece(
            .rest, "http: {listen: ':0', token: hunter2hunter2hunter2}",
            [
                "7:29: http.token must be {file: path}, but is text; the token itself does not"
                    + " belong into this file"
            ]),
        BadPiece(
            .rest, "http: {listen: ':0', token: {file: /dev/null}}",
            [
                "7:36: cannot read '/dev/null' for 'http.token': it is not a plain file"
            ]),
        BadPiece(
            .rest, "http: {listen: 9464}",
            [
                "7:16: http.listen must be host:port, as 127.0.0.1:9464, but is '9464'"
            ]),
        BadPiece(
            .rest, "http: {listen: 127.0.0.1:99999}",
            [
                "7:16: http.listen must be host:port, as 127.0.0.1:9464, but is"
                    + " '127.0.0.1:99999'"
            ]),
        BadPiece(
            .rest, "http: {}",
            [
                "7:1: missing required key 'listen' in http"
            ]),
        BadPiece(
            .rest, "http: {port: 80}",
            [
                "7:1: missing required key 'listen' in http",
                "7:8: unknown key 'port' in http; known keys are listen, token,"
                    + " samples, hide",
            ]),
        BadPiece(
            .rest, "http: {listen: ':0', samples: 51}",
            [
                "7:31: http.samples must be an integer from 0 to 50, without quotes, but is '51'"
            ]),
        BadPiece(
            .rest, "http: {listen: ':0', hide: /card}",
            [
                "7:28: http.hide must be a list of JSON Pointers, as [/card, /user/email], but is"
                    + " text"
            ]),
        BadPiece(
            .rest, "http: {listen: ':0', hide: [card, $key, {a: b}]}",
            [
                "7:29: 'card' is not a JSON Pointer, which is '/' and a name for each level, with"
                    + " '~' written ~0 and '/' within a name ~1; did you mean '/card'?",
                "7:35: '$key' is not a JSON Pointer, which is '/' and a name for each level, with"
                    + " '~' written ~0 and '/' within a name ~1; did you mean '/$key'?",
                "7:41: http.hide must be a list of JSON Pointers, as [/card, /user/email], but is"
                    + " a mapping",
            ]),
        BadPiece(
            .rest, "value: {format: avro}",
            [
                "7:17: value.format must be json, but is 'avro'"
            ]),
        BadPiece(
            .rest, "value: {max_bytes: 1}",
            [
                "7:20: value.max_bytes must be a size from 1KiB to 1GiB, as 64KB or"
                    + " 256MiB, but is '1'"
            ]),
        BadPiece(
            .rest, "engines: {tensorflow: x}",
            [
                "7:11: unknown key 'tensorflow' in engines; known keys are onnxruntime,"
                    + " intra_op_threads"
            ]),
        BadPiece(
            .rest, "engines: {intra_op_threads: 0}",
            [
                "7:29: engines.intra_op_threads must be an integer from 1 to 256,"
                    + " without quotes, but is '0'"
            ]),
        BadPiece(
            .rest, "lanes: ${LANES}",
            [
                "7:8: environment variable LANES is not set; set it or write"
                    + " ${LANES:-default}"
            ]),
        BadPiece(
            .rest, "lanes: ${WORD}",
            [
                "7:8: lanes must be an integer from 0 to 256, without quotes, but is"
                    + " '${WORD}'"
            ]),
        BadPiece(
            .rest, "lanes: ${1A}",
            [
                "7:8: '${...}' must be ${NAME} or ${NAME:-default} with a name of"
                    + " letters, digits and '_'"
            ]),
        BadPiece(
            .rest, "lanes: ${WORD",
            [
                "7:8: '${' without '}'; write '$${' for the characters '${'"
            ]),
        BadPiece(
            .rest, "sasl.password hunter2: 5",
            [
                "7:1: unknown key 'sasl.password...'; librdkafka properties belong under"
                    + " 'kafka'"
            ]),
        BadPiece(
            .rest, "sasl.password: hunter2",
            [
                "7:1: unknown key 'sasl.password'; librdkafka properties belong under"
                    + " 'kafka'"
            ]),
        BadPiece(
            .rest, #"batch: {max_records: "${EMPTY:-x}"}"#,
            [
                "7:22: batch.max_records must be an integer from 1 to 65536, without"
                    + " quotes, but is '${EMPTY:-x}'"
            ]),
        BadPiece(
            .rest, "append_under: \"\"\non_conflict: nest",
            [
                "7:15: append_under must be text, but is ''"
            ]),
        BadPiece(
            .rest, "dead_letter: dead",
            [
                "7:14: dead_letter must be a mapping, but is text"
            ]),
        BadPiece(
            .rest,
            "verylongkeyverylongkeyverylongkeyverylongkeyverylongkeyverylongkeyverylongkey: 5",
            [
                "7:1: unknown key"
                    + " 'verylongkeyverylongkeyverylongkeyverylongkeyverylongkeyveryl...';"
                    + " known keys are name, source, kafka, value, model, engines, append,"
                    + " on_conflict, append_under, on_error, batch, lanes, sink, dead_letter,"
                    + " delivery, instance, commit_interval, memory, shutdown_timeout,"
                    + " inference_timeout, crash_journal, http"
            ]),
        BadPiece(
            .rest, "batch: {max_records:5}",
            [
                "7:9: unknown key 'max_records...' in batch; put a space after ':'"
            ]),
    ]
}
