internal import MillraceCore

/// Every setting of a pipeline file, declared once.
package enum Settings {
    /// In the order of the documentation. A key that is not here is unknown to the reader.
    package static let all: [SettingDeclaration] = [
        name.declaration,
        source.declaration, sourceTopic.declaration, sourceGroup.declaration,
        sourceStart.declaration,
        kafka.declaration, bootstrapServers.declaration, kafkaConsumer.declaration,
        kafkaProducer.declaration,
        value.declaration, valueFormat.declaration, valueMaxBytes.declaration,
        model.declaration, modelFile.declaration, modelSHA256.declaration, modelName.declaration,
        modelEngine.declaration, modelLoadTimeout.declaration,
        modelInputs.declaration, modelMissing.declaration, fieldPointer.declaration,
        fieldMissing.declaration,
        fieldParse.declaration,
        engines.declaration, onnxruntime.declaration, intraOpThreads.declaration,
        append.declaration, onConflict.declaration, appendUnder.declaration, onError.declaration,
        batch.declaration, batchMaxRecords.declaration, batchMaxWait.declaration,
        batchMaxBytes.declaration, lanes.declaration,
        sink.declaration, sinkTopic.declaration, sinkPartitioning.declaration,
        sinkModelHeader.declaration,
        deadLetter.declaration, deadLetterTopic.declaration, deadLetterMaxRatio.declaration,
        delivery.declaration, instance.declaration, commitInterval.declaration, memory.declaration,
        shutdownTimeout.declaration, inferenceTimeout.declaration, crashJournal.declaration,
        http.declaration, httpListen.declaration, httpToken.declaration,
        httpSamples.declaration, httpHide.declaration,
    ]

    private static let second: Int64 = 1_000_000_000
    private static let mebibyte: Int64 = 1 << 20

    static let name = Setting.text(
        "", "name", .name(.pipeline), isRequired: true,
        doc: "Name of the pipeline, in logs and metrics. Also the consumer group's default.")

    // source

    static let source = Setting.section(
        "", "source", isRequired: true, doc: "Where records come from.")
    static let sourceTopic = Setting.text(
        "source", "topic", .name(.topic), isRequired: true,
        doc: "The topic to read. It must exist; Millrace never creates topics.")
    static let sourceGroup = Setting.text(
        "source", "group", .name(.label), defaultText: "the pipeline's name",
        doc: "The consumer group. All instances with the same group share the partitions.")
    static let sourceStart = Setting<StartPolicy>.choice(
        "source", "start", defaultValue: .earliest,
        doc: "Where a partition starts that the group has no offset for; `error` stops instead.")

    // kafka

    static let kafka = Setting.section(
        "", "kafka", isRequired: true,
        doc: """
            librdkafka properties, word for word, for consumer and producer. A value of the form \
            `{file: path}` is read from that file.
            """)
    static let bootstrapServers = Setting.text(
        "kafka", "bootstrap.servers", isRequired: true,
        doc: "The brokers to ask first, as `host:port,host:port`.")
    static let kafkaConsumer = Setting.form(
        "kafka", "consumer", .form(.properties),
        doc: "librdkafka properties for the consumer only.")
    static let kafkaProducer = Setting.form(
        "kafka", "producer", .form(.properties),
        doc: "librdkafka properties for the producer only.")

    // value

    static let value = Setting.section("", "value", doc: "How the records' values are encoded.")
    static let valueFormat = Setting<ValueFormat>.choice(
        "value", "format", defaultValue: .json, doc: "The format of the values.")
    static let valueMaxBytes = Setting.byteSize(
        "value", "max_bytes", 1024...(1024 * mebibyte), defaultValue: 8 * mebibyte,
        doc: "A record with a larger value is a record error.")

    // model

    static let model = Setting.section(
        "", "model", isRequired: true, doc: "The model, and which field each of its inputs is.")
    static let modelFile = Setting.text(
        "model", "file", .path, isRequired: true,
        doc: "The model file. What kind it is, its content says.")
    static let modelSHA256 = Setting.text(
        "model", "sha256", .name(.sha256),
        doc: """
            The SHA-256 that the model file must have, as `sha256sum` prints it. Another file is \
            refused before an engine reads it; data beside the file is not covered.
            """)
    static let modelName = Setting.text(
        "model", "name", .name(.label), defaultText: "the file's name without its extension",
        doc: "The model's name in the header `millrace-model`, in logs and metrics.")
    static let modelEngine = Setting<EngineChoice>.choice(
        "model", "engine", defaultValue: .auto,
        doc: """
            What runs the model. `auto` takes Millrace's own `trees` where it computes all of the \
            model, else `onnxruntime`; the log and `millrace model` say which. Another choice is \
            an error where that engine cannot run the model.
            """)
    static let modelLoadTimeout = Setting.duration(
        "model", "load_timeout", second...(3600 * second), defaultNs: 60 * second,
        doc: """
            How long loading the model, its first calls included, may take. After that the process \
            ends with exit code 75: a load cannot be interrupted otherwise.
            """)
    static let modelInputs = Setting.form(
        "model", "inputs", .form(.inputs),
        defaultText: "each input is the top-level field of its own name",
        doc: """
            For each model input a field (`/amount`, `$key`, `$header.NAME`, `$timestamp`) or a \
            list of fields that make one tensor. A field is a JSON Pointer or a mapping with \
            options.
            """)
    static let missingForm = SettingKind.form(.missing)
    static let modelMissing = Setting.form(
        "model", "missing", missingForm, defaultText: "error",
        doc: """
            What an absent or null field becomes, for all fields: `error` makes the record a \
            record error, `nan` and numbers are for numeric inputs, quoted text for string inputs.
            """)

    /// The section of a field's options; the input's name stands where the `*` is.
    static let fieldOptions = "model.inputs.*"
    static let fieldPointer = Setting.text(
        fieldOptions, "field", .form(.pointer), isRequired: true,
        doc: "The field itself: `/amount`, or `/merchant/category` for one within another.")
    static let fieldMissing = Setting.form(
        fieldOptions, "missing", missingForm, defaultText: "`model.missing`",
        doc: "What this field becomes where it is absent or null.")
    static let fieldParse = Setting.boolean(
        fieldOptions, "parse", defaultValue: false,
        doc: "Reads text such as `\"12.5\"` as a number.")

    // engines

    static let engines = Setting.section("", "engines", doc: "What runs the models.")
    static let onnxruntime = Setting.text(
        "engines", "onnxruntime", .path, defaultText: "looked for beside the binary",
        doc: "Another ONNX Runtime shared library than the one that came along; an absolute path.")
    static let intraOpThreads = Setting.integer(
        "engines", "intra_op_threads", 1...256, defaultValue: 1,
        doc: "Threads that ONNX Runtime may use for one batch of a lane.")

    // append

    static let append = Setting.form(
        "", "append", .form(.append),
        isRequired: true,
        doc: """
            For each prediction field a model output: `output`, `output[1]` or `output[label]`. \
            `all` appends every output under its own name.
            """)
    static let onConflict = Setting<ConflictPolicy>.choice(
        "", "on_conflict", defaultValue: .error,
        doc: """
            Where the record has a field of that name already: `error` makes it a record error, \
            `keep` leaves the prediction out, `nest` puts all predictions under `append_under`.
            """)
    static let appendUnder = Setting.text(
        "", "append_under", doc: "The object that holds the predictions for `on_conflict: nest`.")
    static let onError = Setting<ErrorPolicy>.choice(
        "", "on_error", defaultText: "dead_letter where a dead_letter topic is given, else stop",
        doc: "What happens with a record that cannot be scored; `pass` writes it unscored.")

    // batch and lanes

    static let batch = Setting.section("", "batch", doc: "How records are put together.")
    static let batchMaxRecords = Setting.integer(
        "batch", "max_records", 1...65536, defaultValue: 512, doc: "Most records in a batch.")
    static let batchMaxWait = Setting.duration(
        "batch", "max_wait", 0...(10 * second), defaultNs: 0,
        doc: "How long a batch that is not full may wait for more records.")
    static let batchMaxBytes = Setting.byteSize(
        "batch", "max_bytes", 1024...(1024 * mebibyte),
        doc: "Most bytes of values in a batch; a single larger record still goes.")
    static let lanes = Setting.integer(
        "", "lanes", 0...256, defaultValue: 0,
        doc: "Inference threads; 0 means one fewer than usable processors, at least 1.")

    // sink and dead letters

    static let sink = Setting.section(
        "", "sink", isRequired: true, doc: "Where enriched records go.")
    static let sinkTopic = Setting.text(
        "sink", "topic", .name(.topic), isRequired: true,
        doc: "The topic to write. It must exist.")
    static let sinkPartitioning = Setting<Partitioning>.choice(
        "sink", "partitioning", defaultValue: .preserve,
        doc: """
            `preserve` writes to the partition number that the record came from, `key` \
            re-partitions by the key as Kafka's Java client does.
            """)
    static let sinkModelHeader = Setting.boolean(
        "sink", "model_header", defaultValue: true,
        doc: """
            Whether each enriched record gets the header `millrace-model: name@version`, the \
            version being the first 12 hexadecimal digits of the model file's SHA-256. It makes \
            records about 35 bytes longer.
            """)
    static let deadLetter = Setting.section(
        "", "dead_letter", doc: "Where records go that cannot be scored.")
    static let deadLetterTopic = Setting.text(
        "dead_letter", "topic", .name(.topic), isRequired: true,
        doc: "The topic for dead letters. It must exist.")
    static let deadLetterMaxRatio = Setting.number(
        "dead_letter", "max_ratio", 0...1, defaultValue: 0.5,
        doc: "The worker stops taking input where more than this part of the records is dead.")

    // running

    static let delivery = Setting<DeliveryPromise>.choice(
        "", "delivery", defaultValue: .atLeastOnce,
        doc: """
            The promise about records that are written twice after a crash. `exactly_once` writes \
            outputs, dead letters and offsets in transactions, for readers with \
            `isolation.level=read_committed`; [guarantees.md](guarantees.md) has its limits.
            """)
    static let instance = Setting.text(
        "", "instance", .name(.label), defaultText: "unique to the process",
        doc: """
            With `exactly_once`, a name of this worker's own that stays, as `${HOSTNAME}` in a \
            StatefulSet: coming back under it, the worker ends at once what it left open. The \
            transactional id is `NAME-INSTANCE`, with the pipeline's name.
            """)
    static let commitInterval = Setting.duration(
        "", "commit_interval", (second / 100)...(3600 * second),
        defaultText: "1s; 100ms with exactly_once",
        doc: """
            How often offsets, or transactions, are committed. With `exactly_once` at most half of \
            the producer's `transaction.timeout.ms` (10 s).
            """)
    static let memory = Setting.byteSize(
        "", "memory", (32 * mebibyte)...(1 << 40), defaultValue: 128 * mebibyte,
        doc: """
            The bound of everything taken in and not yet acknowledged, librdkafka's queues \
            included.
            """)
    static let shutdownTimeout = Setting.duration(
        "", "shutdown_timeout", second...(3600 * second), defaultNs: 30 * second,
        doc: "How long a shutdown may take to finish what was taken in.")
    static let inferenceTimeout = Setting.duration(
        "", "inference_timeout", second...(3600 * second), defaultNs: 60 * second,
        doc: """
            How long one call of the model may take. After that the process ends with exit code \
            75: an engine that hangs cannot be interrupted otherwise.
            """)
    static let crashJournal = Setting.text(
        "", "crash_journal", .path,
        doc: """
            A file in which the worker notes which records the model is scoring. Where the engine \
            brings the process down, the next run scores those alone; one that does it twice more \
            becomes a dead letter. One file a worker, which outlives it.
            """)
    static let http = Setting.section("", "http", doc: "Health, metrics and the live page.")
    static let httpListen = Setting.text(
        "http", "listen", .name(.listenAddress), isRequired: true,
        doc: """
            Address of `/`, `/livez`, `/readyz` and `/metrics`; without a host it is the loopback \
            address, port 0 takes a free one.
            """)
    static let httpToken = Setting.form(
        "http", "token", .form(.secretFile),
        doc: """
            A file, `{file: path}`, with the token that clients send as `Authorization: Bearer \
            TOKEN` or as the password of Basic: 16 to 1024 characters without spaces. To others \
            `/livez` and `/readyz` answer without reasons, and nothing else does.
            """)
    static let httpSamples = Setting.integer(
        "http", "samples", 0...50, defaultValue: 5,
        doc: """
            How many of the last enriched records the page shows, keys and headers left out; 0 \
            shows and keeps none.
            """)
    static let httpHide = Setting.form(
        "http", "hide", .form(.pointers),
        doc: """
            Fields whose values the page does not show, as `/card` or `/user/email`. A record that \
            cannot be read as a whole is then not shown at all.
            """)
}

/// `source.start`.
package enum StartPolicy: String, Sendable, CaseIterable {
    case earliest, latest, error
}

/// `value.format`.
package enum ValueFormat: String, Sendable, CaseIterable {
    case json
}

/// `model.engine`: the name of an engine, or all of them.
package enum EngineChoice: String, Sendable, CaseIterable {
    case auto, trees, onnxruntime
}

/// `on_error`.
package enum ErrorPolicy: String, Sendable, CaseIterable {
    case deadLetter = "dead_letter"
    case stop, pass
}

/// `sink.partitioning`.
package enum Partitioning: String, Sendable, CaseIterable {
    case preserve, key
}

/// `delivery`.
package enum DeliveryPromise: String, Sendable, CaseIterable {
    case atLeastOnce = "at_least_once"
    case exactlyOnce = "exactly_once"

    /// Of `commit_interval`, in nanoseconds. Readers of committed records wait so long at most;
    /// each commit costs three requests.
    var commitIntervalNs: Int64 { self == .atLeastOnce ? 1_000_000_000 : 100_000_000 }
}
