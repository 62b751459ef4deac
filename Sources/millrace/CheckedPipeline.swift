internal import MillraceConfig
internal import MillraceCore
internal import MillraceKafka

/// A pipeline file that has passed every check that needs no broker, with its model loaded.
struct CheckedPipeline: Sendable {
    let file: PipelineFile
    let model: any Model
    let engineName: String
    /// See `ModelFile.version(ofSHA256:)`.
    let modelVersion: String
    let features: FeaturePlan
    let append: AppendPlan

    /// The value of the header `millrace-model`.
    var modelHeader: String { "\(file.model.name)@\(modelVersion)" }

    /// Checks the file at `path`: its text, its Kafka properties (by librdkafka itself), its model
    /// and the mapping between them. All complaints at once; the pipeline is nil where one of them
    /// is an error.
    static func check(
        path: String, environment: [String: String], log: Log
    ) -> (pipeline: CheckedPipeline?, complaints: [Complaint]) {
        let read = PipelineReader.read(path: path, environment: environment)
        guard let file = read.file else { return (nil, read.complaints) }
        var complaints = read.complaints + kafkaComplaints(file)
        var pipeline: CheckedPipeline?
        do {
            let digest = try ModelFile.sha256(of: file.model.file)
            if let pin = file.model.sha256, digest != pin.value {
                complaints.append(file.complaint(at: pin.place, wrongDigest(digest, pin.value)))
            } else {
                let watchdog = LoadWatchdog(file.model)
                defer { watchdog.end() }
                pipeline = try load(file, digest: digest, &complaints, log: log)
            }
        } catch {
            complaints.append(file.complaint(at: place(of: error, in: file), error.message))
        }
        complaints.sort { ($0.line, $0.column) < ($1.line, $1.column) }
        let hasErrors = complaints.contains { $0.severity == .error }
        return (hasErrors ? nil : pipeline, complaints)
    }

    /// Nil where there are complaints about the mapping.
    private static func load(
        _ file: PipelineFile, digest: String, _ complaints: inout [Complaint], log: Log
    ) throws(ModelError) -> CheckedPipeline? {
        let loaded = try LoadedModel(
            path: file.model.file, engines: Registry.engines(file.engines, log: log),
            choice: file.model.engine.value, log: log)
        let model = loaded.model
        // The engine has opened the file anew.
        if file.model.sha256 != nil, try ModelFile.sha256(of: file.model.file) != digest {
            throw ModelError(
                .invalid, "model '\(file.model.file)' was changed while it was loaded; try again")
        }
        let resolved = MappingResolver.resolve(file, model.signature)
        complaints += resolved.complaints
        guard let plans = resolved.plans else { return nil }
        try tryLane(file, model, plans)
        return CheckedPipeline(
            file: file, model: model, engineName: loaded.engine,
            modelVersion: ModelFile.version(ofSHA256: digest),
            features: plans.features, append: plans.append)
    }

    private static func wrongDigest(_ digest: String, _ pinned: String) -> String {
        "the model file has the SHA-256 \(digest), and model.sha256 pins \(pinned); put the pinned "
            + "file there, or pin this one if you trust it"
    }

    private static func place(of error: ModelError, in file: PipelineFile) -> Place {
        switch error.kind {
        case .libraryMissing, .libraryTooOld, .symbolMissing:
            file.engines.onnxruntime?.place ?? file.model.filePlace
        case .declined: file.model.engine.place
        default: file.model.filePlace
        }
    }

    /// Makes a codec and a session once, so that what only they can refuse is refused at check
    /// time.
    private static func tryLane(
        _ file: PipelineFile, _ model: any Model,
        _ plans: (features: FeaturePlan, append: AppendPlan)
    ) throws(ModelError) {
        let rows = file.batch.maxRecords
        let features = try FeatureColumns(plans.features, capacityRows: rows)
        _ = try Registry.format(file.value).makeCodec(
            features: plans.features, append: plans.append, into: features, headers: NoHeaders())
        _ = try model.makeSession(
            outputs: plans.append.outputs, maxRows: rows)
    }

    private static func kafkaComplaints(_ file: PipelineFile) -> [Complaint] {
        KafkaSettings(file).validate().map { complaint in
            let scope = KafkaProperties.Scope(rawValue: complaint.scope.rawValue) ?? .common
            return file.complaint(
                at: file.kafka.place(of: complaint.name, scope: scope), complaint.message,
                severity: complaint.isError ? .error : .warning)
        }
    }
}

/// Stands for the source's headers where no record is read yet.
private final class NoHeaders: HeaderReader {
    func lastHeader(
        named name: [CChar], of handle: UnsafeMutableRawPointer
    ) -> UnsafeRawBufferPointer? { nil }
}

extension KafkaSettings {
    /// The Kafka side of a pipeline file.
    init(_ file: PipelineFile) {
        self.init(topic: file.source.topic, group: file.source.group)
        take(file.kafka)
        start = Start(rawValue: file.source.start.rawValue) ?? .earliest
        sinkTopic = file.sink.topic
        partitioning = Partitioning(rawValue: file.sink.partitioning.rawValue) ?? .preserve
        deadLetterTopic = file.deadLetter?.topic
        memoryBytes = file.memory
        commitIntervalMs = Int(file.commitIntervalNs / 1_000_000)
        if file.delivery == .exactlyOnce {
            transactionalId = "\(file.name)-\(file.instance ?? InstanceName.own)"
            isInstanceNamed = file.instance != nil
        }
    }

    /// The properties of both clients.
    mutating func take(_ kafka: KafkaProperties) {
        func properties(_ scope: KafkaProperties.Scope) -> Properties {
            kafka.properties.filter { $0.scope == scope }
                .map { (name: $0.name, value: $0.value.revealed) }
        }
        common = properties(.common)
        consumer = properties(.consumer)
        producer = properties(.producer)
    }
}
