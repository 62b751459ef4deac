package import MillraceCore

/// A pipeline file, read and checked by itself: what a model's signature, librdkafka or a broker
/// say about it comes later, and the places for such complaints are kept.
///
/// Each property is the setting of that path, within the range that `Settings` declares, defaults
/// filled in; durations are nanoseconds, sizes bytes.
package struct PipelineFile: Sendable {
    /// The path as the user gave it; complaints name it.
    package let path: String
    package let name: String
    package let source: Source
    package let kafka: KafkaProperties
    package let value: Value
    package let model: Model
    package let engines: Engines
    package let append: Append
    /// `deadLetter` only where there is a dead-letter topic.
    package let onError: ErrorPolicy
    package let batch: Batch
    /// Inference threads; 0 means one fewer than there are cores, at least 1.
    package let lanes: Int
    package let sink: Sink
    package let deadLetter: DeadLetter?
    package let delivery: DeliveryPromise
    /// The worker's own name; nil: it gets one that nobody else has.
    package let instance: String?
    package let commitIntervalNs: Int64
    package let memory: Int
    package let shutdownTimeoutNs: Int64
    package let inferenceTimeoutNs: Int64
    /// Resolved against the pipeline file's folder.
    package let crashJournal: String?
    /// Nil opens no port.
    package let http: HTTP?

    /// The section `source`.
    package struct Source: Sendable {
        package let topic: String
        package let topicPlace: Place
        package let group: String
        package let start: StartPolicy
    }

    /// The section `value`.
    package struct Value: Sendable {
        package let format: ValueFormat
        package let maxBytes: Int
    }

    /// The section `model`.
    package struct Model: Sendable {
        /// Relative paths are resolved against the pipeline file's folder.
        package let file: String
        package let filePlace: Place
        /// What the file must have, in lower case.
        package let sha256: Located<String>?
        package let loadTimeoutNs: Int64
        package let name: String
        /// At the file's place where it is not set.
        package let engine: Located<EngineChoice>
        /// Nil where the file has none: each model input is the field of its own name.
        package let inputs: [InputMapping]?
        /// The place of `inputs`, or of `model` without it: for complaints about the whole.
        package let inputsPlace: Place
        /// For all fields without a policy of their own.
        package let missing: Located<MissingPolicy>?
    }

    /// The section `engines`.
    package struct Engines: Sendable {
        /// The ONNX Runtime library to load; nil for the usual one.
        package let onnxruntime: Located<String>?
        package let intraOpThreads: Int

        /// For a model without a pipeline: the usual library, one thread.
        package static let usual = Engines(onnxruntime: nil, intraOpThreads: 1)
    }

    /// `append`, `on_conflict` and `append_under`.
    package struct Append: Sendable {
        package let place: Place
        package let fields: AppendMapping
        package let onConflict: ConflictPolicy
        /// The object's name for `nest`; nil otherwise.
        package let under: String?
    }

    /// The section `batch`.
    package struct Batch: Sendable {
        package let maxRecords: Int
        package let maxWaitNs: Int64
        /// Bytes of values; nil for no limit of its own.
        package let maxBytes: Int?
    }

    /// The section `sink`.
    package struct Sink: Sendable {
        package let topic: String
        package let topicPlace: Place
        package let partitioning: Partitioning
        /// Whether enriched records tell the model's version in a header.
        package let hasModelHeader: Bool
    }

    /// The section `dead_letter`.
    package struct DeadLetter: Sendable {
        package let topic: String
        package let topicPlace: Place
        /// 0 to 1.
        package let maxRatio: Double
    }

    /// The section `http`.
    package struct HTTP: Sendable {
        package let listen: ListenAddress
        /// Nil where everybody who can reach the server may ask.
        package let token: Secret?
        package let samples: Int
        package let hide: [FieldPointer]
    }

    /// A complaint about this file, for checks that need more than the file.
    package func complaint(
        at place: Place, _ message: String, severity: Complaint.Severity = .error
    ) -> Complaint {
        Complaint(
            file: path, place: place, severity: severity, message: kafka.redacting(message))
    }
}

/// A value and where it stands.
package struct Located<Value: Sendable>: Sendable {
    package let value: Value
    package let place: Place
}

extension Located: Equatable where Value: Equatable {}

/// One entry of `model.inputs`.
package struct InputMapping: Sendable, Equatable {
    /// What stands behind the input's name.
    package enum Form: Sendable, Equatable {
        /// One field: a scalar, or an array where the input takes several features.
        case single(FieldMapping)
        /// Several fields that make one row of the tensor.
        case list([FieldMapping])
    }

    /// The model input's name.
    package let name: String
    package let place: Place
    package let form: Form
}

/// One field of the record, as `model.inputs` names it.
package struct FieldMapping: Sendable, Equatable {
    package let source: FeatureSource
    package let place: Place
    /// Nil: what `model.missing` says.
    package let missing: Located<MissingPolicy>?
    package let parsesText: Bool
}

/// The `append` section.
package enum AppendMapping: Sendable, Equatable {
    /// Every output under its own name.
    case all
    case fields([AppendEntry])
}

/// One prediction field, as `append` names it.
package struct AppendEntry: Sendable, Equatable {
    /// Which elements of the output are taken.
    package enum Selector: Sendable, Equatable {
        /// The whole output.
        case whole
        /// `output[x]`: an index or a label, which the signature decides.
        case bare(String)
        /// `output["x"]`: a label.
        case quoted(String)
    }

    /// The prediction field's name.
    package let name: String
    package let place: Place
    package let output: String
    package let selector: Selector
    package let outputPlace: Place
}
