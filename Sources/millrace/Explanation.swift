internal import MillraceConfig
internal import MillraceCore

/// What a checked pipeline will do, in sentences: one paragraph a step of a record's way. Every
/// figure is the one that the worker uses.
struct Explanation {
    private let pipeline: CheckedPipeline
    private var file: PipelineFile { pipeline.file }

    init(_ pipeline: CheckedPipeline) { self.pipeline = pipeline }

    var text: String {
        [reads, maps, scores, appends, writes, badRecords, offsets, memory, instances, endpoints]
            .joined(separator: "\n\n")
    }

    private var reads: String {
        let start =
            switch file.source.start {
            case .earliest: "the oldest record that the topic still has"
            case .latest: "the records that come after it has joined"
            case .error: "nowhere: it stops with an error"
            }
        return "\(file.name) reads topic \(file.source.topic) as a member of the consumer group"
            + " \(file.source.group): from where the group stands, or, for a partition where it"
            + " stands nowhere yet, from \(start)."
    }

    private var maps: String {
        var sentences = [
            "Each record's value is one JSON object of at most"
                + " \(Quantities.sizeText(Int64(file.value.maxBytes))). From it the model's inputs"
                + " are read:"
        ]
        for (index, column) in pipeline.features.columns.enumerated() {
            let slots = pipeline.features.slots.filter { $0.column == index }
            let sources = slots.map { slot in
                slot.source.description + (slot.isArray ? " (\(slot.count) numbers)" : "")
                    + missing(slot.missing)
            }
            sentences.append("  \(column.name) = \(sources.joined(separator: ", "))")
        }
        sentences.append(
            "A field that is absent or null makes the record a bad one, except where it is said"
                + " what it counts as. A null value (tombstone) passes through unscored.")
        return sentences.joined(separator: "\n")
    }

    private func missing(_ policy: MissingPolicy) -> String {
        switch policy {
        case .error: ""
        case .nan: " (missing: NaN)"
        case .number(let number): " (missing: \(number))"
        case .text(let text): " (missing: \"\(text)\")"
        }
    }

    private var scores: String {
        let lanes =
            file.lanes > 0
            ? counted(file.lanes, "lane") : "one lane fewer than the machine has processors"
        let wait =
            file.batch.maxWaitNs > 0
            ? "waits up to \(Quantities.durationText(file.batch.maxWaitNs)) to fill a batch"
            : "takes what is there and never waits for more"
        // Other engines work on the lane's own.
        let isSetting = pipeline.engineName == EngineChoice.onnxruntime.rawValue
        let threads = isSetting ? file.engines.intraOpThreads : 1
        return "The model \(pipeline.modelHeader) runs in this process, on"
            + " \(pipeline.engineName) \(pipeline.model.engineVersion), in \(lanes) of"
            + " \(counted(threads, "thread")) each. A call scores up to"
            + " \(counted(file.batch.maxRecords, "record")); a free lane \(wait)."
    }

    private var appends: String {
        let names = pipeline.append.fields.map(\.name).joined(separator: ", ")
        let conflict =
            switch file.append.onConflict {
            case .error: "A record that has such a field already is a bad one."
            case .keep: "A record that has such a field already keeps its own."
            case .nest:
                "They stand under \(file.append.under ?? "one object"); a record that has that"
                    + " field already is a bad one."
            }
        return "In front of the object's closing brace it writes: \(names). All other bytes stay"
            + " as they are. \(conflict)"
    }

    private var writes: String {
        let place =
            switch file.sink.partitioning {
            case .preserve:
                "under the partition number it came from, so that \(file.sink.topic) needs as many"
                    + " partitions as \(file.source.topic) and keeps each partition's order"
            case .key:
                "under the partition that its key gives (murmur2, as Java's clients place it),"
                    + " which keeps the order of each key"
            }
        let header = file.sink.hasModelHeader ? " One header, millrace-model, is added." : ""
        return "It writes each record to topic \(file.sink.topic), with its key, headers and"
            + " timestamp, \(place).\(header)"
    }

    private var badRecords: String {
        let fate =
            switch file.onError {
            case .deadLetter:
                "goes to topic \(file.deadLetter?.topic ?? ""), as it came, with headers that say"
                    + " why and where from; its neighbours are scored. If more than"
                    + " \(percent(file.deadLetter?.maxRatio ?? 1)) of the last thousand are bad, or"
                    + " the model refuses everything, the worker holds and tries again instead of"
                    + " draining the topic into the dead letters."
            case .stop: "stops the worker with exit code 65; nothing behind it is lost."
            case .pass: "is written as it came, without predictions."
            }
        return "A bad record (not JSON, no number where one is needed, refused by the model, too"
            + " large for the output) \(fate)"
    }

    private var offsets: String {
        let commit = Quantities.durationText(file.commitIntervalNs)
        let stop = Quantities.durationText(file.shutdownTimeoutNs)
        if file.delivery == .exactlyOnce {
            return "Outputs, dead letters and offsets are committed together in transactions, every"
                + " \(commit), when partitions are given back and at the end: readers of committed"
                + " records (isolation.level=read_committed) see each output once. After a crash"
                + " the records since the last commit are written again; nobody sees the first"
                + " ones. SIGTERM finishes what is open, within \(stop)."
        }
        return "An offset moves only when the output, or the dead letter, of every record before"
            + " it is acknowledged by all in-sync replicas; offsets are committed every \(commit),"
            + " when partitions are given back and at the end. After a crash the records since the"
            + " last commit are written twice; none is lost. SIGTERM finishes what is open, within"
            + " \(stop)."
    }

    private var memory: String {
        let size = Quantities.sizeText(Int64(file.memory))
        return "Records that are read and not yet acknowledged take at most \(size), librdkafka's"
            + " queues included; when that is full, reading waits. Give the process that, 80 MB,"
            + " and the model's size for each lane."
    }

    private var instances: String {
        "To go faster, start more instances: up to as many as \(file.source.topic) has partitions"
            + " are given work, the others stand by. `millrace check --connect` says how many that"
            + " is."
    }

    private var endpoints: String {
        guard let http = file.http?.listen else {
            return
                "It opens no port (`http.listen` is not set), so there is no readiness to ask for."
        }
        return "http://\(http)/ shows it live; /readyz says whether it works and what is missing,"
            + " /metrics how much."
    }

    private func counted(_ count: Int, _ what: String) -> String {
        "\(count) \(what)" + (count == 1 ? "" : "s")
    }

    private func percent(_ share: Double) -> String {
        "\(Int((share * 100).rounded())) %"
    }
}
