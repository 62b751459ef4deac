internal import MillraceCore

/// Reads pipeline files: all complaints of a file at once.
package enum PipelineReader {
    /// Of libyaml.
    package static var libraryVersion: String { YAMLEvents.libraryVersion }

    /// What became of one file.
    package struct Outcome: Sendable {
        /// Nil where a complaint is an error.
        package let file: PipelineFile?
        /// By place; warnings too.
        package let complaints: [Complaint]
    }

    /// Reads the file at `path`. `environment` is what `${NAME}` refers to.
    package static func read(path: String, environment: [String: String]) -> Outcome {
        do throws(FileBytes.Failure) {
            let contents = try FileBytes.read(path, limit: YAMLReader.sizeLimit)
            return read(bytes: contents.bytes, path: path, environment: environment)
        } catch {
            let complaint = Complaint(file: path, message: "cannot read it: \(error.reason)")
            return Outcome(file: nil, complaints: [complaint])
        }
    }

    /// Reads a text as if it stood in a file at `path`.
    package static func read(
        bytes: [UInt8], path: String, environment: [String: String]
    ) -> Outcome {
        var reading = Reading(path: path, environment: environment)
        var file: PipelineFile?
        if let root = YAMLReader.read(bytes, into: &reading.complaints) {
            reading.openRoot(root)
            file = reading.readPipeline(path: path)
        }
        return Outcome(
            file: reading.complaints.hasErrors ? nil : file,
            complaints: reading.complaints.sorted)
    }
}

extension Reading {
    fileprivate mutating func readPipeline(path: String) -> PipelineFile? {
        let name = read(Settings.name)
        let memory = read(Settings.memory)
        let source = readSource(name: name)
        let kafka = readKafkaSection()
        let value = readValue(memory: memory)
        let model = readModel()
        let engines = readEngines()
        let append = readAppend()
        let deadLetter = readDeadLetter()
        let onError = readOnError(hasDeadLetter: deadLetter != nil)
        let batch = readBatch(memory: memory)
        let lanes = read(Settings.lanes)
        let sink = readSink()
        let delivery = read(Settings.delivery)
        let instance = read(Settings.instance)
        let commitIntervalNs = readCommitInterval(delivery)
        let shutdownTimeoutNs = read(Settings.shutdownTimeout)
        let inferenceTimeoutNs = read(Settings.inferenceTimeout)
        let crashJournal = read(Settings.crashJournal)
        let http = readHTTP()
        checkTopics(source: source, sink: sink, deadLetter: deadLetter)
        guard let name, let source, let kafka, let value, let model, let engines, let append,
            let onError, let batch, let lanes, let sink, let delivery, let commitIntervalNs,
            let memory, let shutdownTimeoutNs, let inferenceTimeoutNs
        else { return nil }
        return PipelineFile(
            path: path, name: name, source: source, kafka: kafka, value: value, model: model,
            engines: engines, append: append, onError: onError, batch: batch, lanes: Int(lanes),
            sink: sink, deadLetter: deadLetter, delivery: delivery, instance: instance,
            commitIntervalNs: commitIntervalNs, memory: Int(memory),
            shutdownTimeoutNs: shutdownTimeoutNs, inferenceTimeoutNs: inferenceTimeoutNs,
            crashJournal: crashJournal.map { PathText.resolve($0, in: folder) }, http: http)
    }

    private mutating func readSource(name: String?) -> PipelineFile.Source? {
        open(Settings.source)
        let topic = located(Settings.sourceTopic)
        let isGroupWritten = section("source")?.entries["group"] != nil
        let group = read(Settings.sourceGroup) ?? (isGroupWritten ? nil : name)
        let start = read(Settings.sourceStart)
        guard let topic, let group, let start else { return nil }
        return PipelineFile.Source(
            topic: topic.value, topicPlace: topic.place, group: group, start: start)
    }

    private mutating func readKafkaSection() -> KafkaProperties? {
        open(Settings.kafka, acceptsAnyKey: true)
        // Complains where it is missing; the value itself comes with the other properties.
        _ = entry(of: Settings.bootstrapServers.declaration)
        return section("kafka") == nil ? nil : readKafka()
    }

    private mutating func readValue(memory: Int64?) -> PipelineFile.Value? {
        open(Settings.value)
        let format = read(Settings.valueFormat)
        let maxBytes = located(Settings.valueMaxBytes)
        check(maxBytes, of: Settings.valueMaxBytes, within: memory)
        guard let format, let maxBytes else { return nil }
        return PipelineFile.Value(format: format, maxBytes: Int(maxBytes.value))
    }

    private mutating func readModel() -> PipelineFile.Model? {
        open(Settings.model)
        let file = located(Settings.modelFile)
        let sha256 = located(Settings.modelSHA256)
        let name = read(Settings.modelName)
        let loadTimeout = read(Settings.modelLoadTimeout)
        let isEngineWritten = section("model")?.entries["engine"] != nil
        let engine = located(Settings.modelEngine)
        let inputs = readInputs()
        let missing = readMissing(Settings.modelMissing)
        guard let file, let engine, let loadTimeout, let place = section("model")?.place else {
            return nil
        }
        return PipelineFile.Model(
            file: PathText.resolve(file.value, in: folder), filePlace: file.place,
            sha256: sha256.map { Located(value: $0.value.lowercased(), place: $0.place) },
            loadTimeoutNs: loadTimeout, name: name ?? PathText.stem(of: file.value),
            engine: isEngineWritten ? engine : Located(value: engine.value, place: file.place),
            inputs: inputs?.value,
            inputsPlace: inputs?.place ?? place, missing: missing)
    }

    private mutating func readEngines() -> PipelineFile.Engines? {
        open(Settings.engines)
        let library = located(Settings.onnxruntime).map {
            Located(value: PathText.resolve($0.value, in: folder), place: $0.place)
        }
        guard let threads = read(Settings.intraOpThreads) else { return nil }
        return PipelineFile.Engines(onnxruntime: library, intraOpThreads: Int(threads))
    }

    private mutating func readBatch(memory: Int64?) -> PipelineFile.Batch? {
        open(Settings.batch)
        let maxRecords = read(Settings.batchMaxRecords)
        let maxWaitNs = read(Settings.batchMaxWait)
        let maxBytes = located(Settings.batchMaxBytes)
        check(maxBytes, of: Settings.batchMaxBytes, within: memory)
        guard let maxRecords, let maxWaitNs else { return nil }
        return PipelineFile.Batch(
            maxRecords: Int(maxRecords), maxWaitNs: maxWaitNs,
            maxBytes: maxBytes.map { Int($0.value) })
    }

    private mutating func readSink() -> PipelineFile.Sink? {
        open(Settings.sink)
        let topic = located(Settings.sinkTopic)
        let partitioning = read(Settings.sinkPartitioning)
        let hasModelHeader = read(Settings.sinkModelHeader)
        guard let topic, let partitioning, let hasModelHeader else { return nil }
        return PipelineFile.Sink(
            topic: topic.value, topicPlace: topic.place, partitioning: partitioning,
            hasModelHeader: hasModelHeader)
    }

    private mutating func readDeadLetter() -> PipelineFile.DeadLetter? {
        open(Settings.deadLetter)
        let topic = located(Settings.deadLetterTopic)
        let maxRatio = read(Settings.deadLetterMaxRatio)
        guard let topic, let maxRatio else { return nil }
        return PipelineFile.DeadLetter(
            topic: topic.value, topicPlace: topic.place, maxRatio: maxRatio)
    }

    private mutating func readOnError(hasDeadLetter: Bool) -> ErrorPolicy? {
        guard section("")?.entries["on_error"] != nil else {
            return hasDeadLetter ? .deadLetter : .stop
        }
        guard let policy = located(Settings.onError) else { return nil }
        if policy.value == .deadLetter, section("")?.entries["dead_letter"] == nil {
            complaints.add(policy.place, "on_error: dead_letter needs dead_letter.topic")
        }
        return policy.value
    }

    private mutating func readCommitInterval(_ delivery: DeliveryPromise?) -> Int64? {
        let isWritten = section("")?.entries["commit_interval"] != nil
        return read(Settings.commitInterval) ?? (isWritten ? nil : delivery?.commitIntervalNs)
    }

    private mutating func readHTTP() -> PipelineFile.HTTP? {
        open(Settings.http)
        let listen = read(Settings.httpListen).flatMap { ListenAddress($0) }
        let token = readToken()
        let samples = read(Settings.httpSamples)
        let hide = readPointers(Settings.httpHide)
        guard let listen, let samples, let hide else { return nil }
        return PipelineFile.HTTP(
            listen: listen, token: token, samples: Int(samples), hide: hide)
    }

    private mutating func readToken() -> Secret? {
        guard let entry = entry(of: Settings.httpToken.declaration) else { return nil }
        if case .refused = entry.value.content { return nil }
        guard let file = Self.fileScalar(entry.value) else {
            complaints.add(
                entry.value.place,
                "http.token must be {file: path}, but is \(entry.value.kindName); the token itself"
                    + " does not belong into this file")
            return nil
        }
        guard let path = expand(file.scalar, at: file.place),
            let text = secretFile(path, property: "http.token")?.text
        else { return nil }
        guard (16...1024).contains(text.utf8.count), text.utf8.allSatisfy({ 0x21...0x7E ~= $0 })
        else {
            complaints.add(
                entry.value.place,
                "the file of http.token must hold 16 to 1024 characters of ASCII without spaces;"
                    + " openssl rand -hex 32 makes good ones")
            return nil
        }
        return Secret(text)
    }

    /// A topic that the worker reads and writes would feed itself.
    private mutating func checkTopics(
        source: PipelineFile.Source?, sink: PipelineFile.Sink?,
        deadLetter: PipelineFile.DeadLetter?
    ) {
        if let source, let sink, source.topic == sink.topic {
            complaints.add(sink.topicPlace, "sink.topic is the source's topic; write another one")
        }
        guard let deadLetter else { return }
        if deadLetter.topic == source?.topic {
            complaints.add(
                deadLetter.topicPlace, "dead_letter.topic is the source's topic; write another one")
        }
        if deadLetter.topic == sink?.topic {
            complaints.add(
                deadLetter.topicPlace, "dead_letter.topic is the sink's topic; write another one")
        }
    }

    /// One record must fit into the memory, and one batch as well.
    private mutating func check(
        _ size: Located<Int64>?, of setting: Setting<Int64>, within memory: Int64?
    ) {
        guard let size, let memory, size.value > memory else { return }
        complaints.add(
            size.place,
            "\(setting.declaration.path) is more than memory (\(Quantities.sizeText(memory)))")
    }
}
