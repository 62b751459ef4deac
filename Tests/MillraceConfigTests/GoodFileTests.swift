import MillraceConfig
import MillraceCore
import Testing

@Suite struct GoodFileTests {
    @Test func theExampleIsAccepted() throws {
        let folder = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let outcome = PipelineReader.read(path: "\(folder)/pipelines/fraud.yaml", environment: [:])
        #expect(short(outcome.complaints) == [])
        let file = try #require(outcome.file)
        #expect(file.name == "fraud")
        #expect(file.model.file == "\(folder)/pipelines/models/fraud.onnx")
        #expect(file.model.name == "fraud")
        #expect(file.onError == .deadLetter)
        let signature = Signature(
            inputs: [ModelInput(name: "features", type: .float32, rowShape: [8])],
            outputs: [
                ModelOutput(name: "label", type: .int64, rowShape: []),
                ModelOutput(name: "probabilities", type: .float32, rowShape: [2]),
            ])
        let resolved = MappingResolver.resolve(file, signature)
        #expect(short(resolved.complaints) == [])
        #expect(resolved.plans?.features.slots.count == 8)
    }

    @Test func defaultsStandWhereTheFileSaysNothing() throws {
        let file = try #require(read(PipelineText().text).file)
        #expect(file.source.group == "g")
        #expect(file.source.start == .earliest)
        #expect(file.value.format == .json)
        #expect(file.value.maxBytes == 8 << 20)
        #expect(file.model.name == "m")
        #expect(file.model.sha256 == nil)
        #expect(file.model.loadTimeoutNs == 60_000_000_000)
        #expect(file.model.engine.value == .auto)
        #expect(file.model.engine.place == file.model.filePlace)
        #expect(file.model.inputs == nil)
        #expect(file.model.inputsPlace == Place(line: 4, column: 1))
        #expect(file.model.missing == nil)
        #expect(file.engines.onnxruntime == nil)
        #expect(file.engines.intraOpThreads == 1)
        #expect(file.append.fields == .all)
        #expect(file.append.onConflict == .error)
        #expect(file.append.under == nil)
        #expect(file.onError == .stop)
        #expect(file.batch.maxRecords == 512)
        #expect(file.batch.maxWaitNs == 0)
        #expect(file.batch.maxBytes == nil)
        #expect(file.lanes == 0)
        #expect(file.sink.partitioning == .preserve)
        #expect(file.deadLetter == nil)
        #expect(file.delivery == .atLeastOnce)
        #expect(file.commitIntervalNs == 1_000_000_000)
        #expect(file.memory == 128 << 20)
        #expect(file.shutdownTimeoutNs == 30_000_000_000)
        #expect(file.inferenceTimeoutNs == 60_000_000_000)
        #expect(file.crashJournal == nil)
        #expect(file.http == nil)
    }

    @Test func everySettingIsRead() throws {
        let outcome = PipelineReader.read(
            bytes: Array(GoodText.everySetting.utf8), path: "/etc/millrace/p.yaml", environment: [:]
        )
        #expect(short(outcome.complaints) == [])
        let file = try #require(outcome.file)
        #expect(file.source.group == "all-of.it_2")
        #expect(file.source.start == .error)
        #expect(
            file.kafka.properties(for: .consumer).map { "\($0.name)=\($0.value.revealed)" } == [
                "bootstrap.servers=a:1,b:2", "enable.ssl.certificate.verification=true",
                "sasl.password=p@ss $$ {x}", "fetch.min.bytes=010", "client.id=c",
            ])
        #expect(
            file.kafka.properties(for: .producer).map(\.description) == [
                "bootstrap.servers=a:1,b:2", "enable.ssl.certificate.verification=true",
                "sasl.password=[redacted]", "linger.ms=5", "client.id=",
            ])
        #expect(file.kafka.place(of: "client.id", scope: .consumer) == Place(line: 7, column: 36))
        #expect(file.kafka.place(of: "client.id", scope: .common) == Place(line: 9, column: 3))
        #expect(file.kafka.place(of: "sasl.password", scope: .producer).line == 6)
        #expect(file.kafka.place(of: "debug", scope: .consumer) == Place(line: 3, column: 1))
        #expect(file.value.maxBytes == 1_000_000)
        #expect(file.model.file == "/models/m.v2.onnx")
        #expect(file.model.name == "risk")
        #expect(
            file.model.sha256?.value == String(repeating: "0123456789abcdef", count: 4))
        #expect(file.model.loadTimeoutNs == 300_000_000_000)
        #expect(file.model.engine.value == .trees)
        #expect(file.model.engine.place != file.model.filePlace)
        #expect(file.model.missing?.value == .number(-1.5))
        let inputs = try #require(file.model.inputs)
        #expect(inputs.map(\.name) == ["x", "y", "z", "odd name"])
        guard case .list(let fields) = inputs[0].form, case .single(let header) = inputs[2].form
        else {
            Issue.record("\(inputs)")
            return
        }
        #expect(fields.map(\.source.description) == ["/a/b", "/c~1d", "$timestamp"])
        #expect(fields.map(\.parsesText) == [false, true, false])
        #expect(fields.map(\.missing?.value) == [nil, .nan, nil])
        #expect(header.source == .header("country"))
        #expect(header.missing?.value == .text("none"))
        #expect(file.engines.onnxruntime?.value == "/etc/millrace/lib/ort.so")
        #expect(file.engines.intraOpThreads == 4)
        guard case .fields(let entries) = file.append.fields else {
            Issue.record("append is all")
            return
        }
        #expect(entries.map(\.name) == ["score", "on_conflict", "a b", "c"])
        #expect(entries.map(\.output) == ["probabilities", "label", "out/put:0", "probabilities"])
        #expect(
            entries.map(\.selector) == [
                .bare("1"), .whole, .quoted("x \"y\""), .bare("yes no"),
            ])
        #expect(file.append.onConflict == .nest)
        #expect(file.append.under == "ml")
        #expect(file.onError == .pass)
        #expect(file.batch.maxRecords == 65536)
        #expect(file.batch.maxWaitNs == 5_000_000)
        #expect(file.batch.maxBytes == 1 << 20)
        #expect(file.lanes == 3)
        #expect(file.sink.partitioning == .key)
        #expect(file.deadLetter?.maxRatio == 1)
        #expect(file.commitIntervalNs == 250_000_000)
        #expect(file.memory == 1 << 30)
        #expect(file.shutdownTimeoutNs == 60_000_000_000)
        #expect(file.inferenceTimeoutNs == 90_000_000_000)
        #expect(file.crashJournal?.hasSuffix("/state/journal") == true)
        #expect(file.http?.listen.host == "::1")
        #expect(file.http?.listen.port == 0)
        #expect(file.http?.samples == 50)
        #expect(file.http?.hide.map(\.tokens) == [["card"], ["a/b", "0", "c"]])
    }

    @Test func samplesAreShownWithoutBeingAskedFor() throws {
        let text = PipelineText.with { $0.rest = "http: {listen: ':0'}" }
        let http = try #require(read(text).file?.http)
        #expect(http.samples == 5)
        #expect(http.hide == [])
    }

    @Test func theEnvironmentReachesEveryKindOfValue() throws {
        let environment = [
            "NAME": "n", "PORT": "9092", "DIR": "/d", "FIELD": "f", "OUT": "o", "LANES": "2",
            "MEMORY": "64MiB",
        ]
        let outcome = read(GoodText.environment, environment: environment)
        #expect(short(outcome.complaints) == [])
        let file = try #require(outcome.file)
        #expect(file.name == "n")
        #expect(file.kafka.properties.first?.value.revealed == "localhost:9092")
        #expect(file.model.file == "/d/m.onnx")
        #expect(file.lanes == 2)
        #expect(file.memory == 64 << 20)
        #expect(file.batch.maxRecords == 2)
        // All the missing variables at once, each with its place.
        #expect(
            complaints(GoodText.environment).map { $0.prefix { $0 != " " } } == [
                "1:7:", "3:28:", "4:15:", "4:52:", "5:13:", "7:8:", "8:9:", "9:22:",
            ])
    }

    @Test func onErrorFollowsTheDeadLetterTopic() {
        #expect(
            read(PipelineText.with { $0.rest = "dead_letter: {topic: d}" }).file?.onError
                == .deadLetter)
        let stop = PipelineText.with { $0.rest = "dead_letter: {topic: d}\non_error: stop" }
        #expect(read(stop).file?.onError == .stop)
    }
}
