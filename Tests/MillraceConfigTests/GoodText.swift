/// Good pipeline files of which more than one suite makes use.
enum GoodText {
    /// Has every setting, in unusual but right forms.
    static let everySetting = """
        name: all-of.it_2
        source: {topic: in, start: error}
        kafka:
          bootstrap.servers: a:1,b:2
          enable.ssl.certificate.verification: true
          sasl.password: "p@ss $$ {x}"
          consumer: {fetch.min.bytes: 010, client.id: c}
          producer: {linger.ms: 5, client.id: ""}
          client.id: common
        value: {format: json, max_bytes: 1MB}
        model:
          file: /models/m.v2.onnx
          sha256: 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
          name: risk
          load_timeout: 5m
          engine: trees
          missing: -1.5
          inputs:
            x: [/a/b, {field: /c~1d, missing: nan, parse: true}, $timestamp]
            y: /vector
            z: {field: $header.country, missing: "none"}
            "odd name": $key
        engines: {onnxruntime: lib/ort.so, intra_op_threads: 4}
        append:
          score: probabilities[1]
          on_conflict: label
          "a b": out/put:0["x \\"y\\""]
          c: probabilities[yes no]
        on_conflict: nest
        append_under: ml
        on_error: pass
        batch: {max_records: 65536, max_wait: 5ms, max_bytes: 1MiB}
        lanes: 3
        sink: {topic: out, partitioning: key}
        dead_letter: {topic: dead, max_ratio: 1}
        delivery: at_least_once
        commit_interval: 250ms
        memory: 1GiB
        shutdown_timeout: 1m
        inference_timeout: 90s
        crash_journal: state/journal
        http: {listen: '[::1]:0', samples: 50, hide: [/card, '/a~1b/0/c']}
        """

    /// Has references into the environment in every kind of value.
    static let environment = PipelineText.with {
        $0.name = "name: ${NAME}"
        $0.kafka = "kafka: {bootstrap.servers: '${HOST:-localhost}:${PORT}'}"
        $0.model = "model: {file: '${DIR}/m.onnx', inputs: {x: {field: '/${FIELD}'}}}"
        $0.append = "append: {p: '${OUT}[0]'}"
        $0.rest = "lanes: ${LANES}\nmemory: ${MEMORY}\nbatch: {max_records: \"${LANES}\"}"
    }
}
