internal import Glibc
internal import MillraceConfig
internal import MillraceCore
internal import MillraceKafka
internal import MillraceWorker
internal import Synchronization

/// Beside the worker, on a thread of its own: tells why no broker answers a client, and gives the
/// clients a login that was changed in its files.
final class LoginWatch: Sendable {
    private let source: KafkaSource
    private let sink: KafkaSink
    private let redaction: Redaction
    private let log: Log
    private let state: Mutex<State>

    private struct State {
        var settings: KafkaSettings
        var properties: KafkaProperties
        var troubles: [String] = []
        var isOver = false
    }

    /// How often connections are looked at; files as well while one fails, otherwise each 10 s.
    private static let stepUs: UInt32 = 500_000
    private static let quietSteps = 20

    init(
        _ settings: KafkaSettings, _ properties: KafkaProperties, source: KafkaSource,
        sink: KafkaSink, redaction: Redaction, log: Log
    ) {
        self.source = source
        self.sink = sink
        self.redaction = redaction
        self.log = log
        state = Mutex(State(settings: settings, properties: properties))
    }

    /// Why records cannot come or go, a line each; empty where brokers answer. Any thread.
    var troubles: [String] { state.withLock { $0.troubles } }

    /// The settings with what the files hold now. Any thread.
    func currentSettings() -> KafkaSettings {
        let known = state.withLock { $0.properties }
        guard known.hasFiles else { return state.withLock { $0.settings } }
        let fresh = known.readAgain()
        redaction.add(fresh)
        return state.withLock { state in
            state.properties = fresh
            state.settings.take(fresh)
            return state.settings
        }
    }

    /// From now on, until `end`.
    func begin() {
        _ = WorkerThread(name: "login") { [self] in
            var steps = 0
            while !state.withLock({ $0.isOver }) {
                usleep(Self.stepUs)
                steps += 1
                let isDoubtful = source.link.isDoubtful || sink.link?.isDoubtful == true
                if isDoubtful || steps >= Self.quietSteps {
                    useFiles()
                    steps = 0
                }
                look()
            }
        }
    }

    /// The worker has ended.
    func end() { state.withLock { $0.isOver = true } }

    private func useFiles() {
        let settings = currentSettings()
        give(settings.consumerLogin, to: source.link, "consumer")
        give(settings.producerLogin, to: sink.link, "producer")
    }

    private func give(_ login: Login?, to link: ClientLink?, _ client: String) {
        guard let login, let link else { return }
        do throws(ServiceError) {
            guard try link.use(login) else { return }
            log(.info, "login changed", [("client", client)])
        } catch {
            log(.error, "login not changed: \(error)", [("client", client)])
        }
    }

    private func look() {
        let input = source.link.trouble().map { "input: \($0)" }
        let output = sink.link?.trouble().map { "output: \($0)" }
        let troubles = [input, output].compactMap { $0 }.map(redaction.redact)
        let before = state.withLock { state in
            defer { state.troubles = troubles }
            return state.troubles
        }
        for trouble in troubles where !before.contains(trouble) { log(.error, trouble) }
        if troubles.isEmpty, !before.isEmpty { log(.info, "brokers answer again") }
    }
}

/// Replaces every secret of a pipeline, former ones too, in words that come from libraries and
/// servers: one could repeat what it was sent. Any thread.
final class Redaction: Sendable {
    private let known: Mutex<[KafkaProperties]>

    init(_ properties: KafkaProperties) { known = Mutex([properties]) }

    /// Secrets that have come up since.
    func add(_ properties: KafkaProperties) {
        known.withLock { if $0.last?.properties != properties.properties { $0.append(properties) } }
    }

    /// The text without secrets.
    func redact(_ text: String) -> String {
        known.withLock { known in known.reduce(text) { $1.redacting($0) } }
    }

    /// A log that shows no secret.
    func over(_ log: Log) -> Log {
        Log { [self] event in
            log(
                event.level, redact(event.message),
                event.fields.map { (name: $0.name, value: redact($0.value)) })
        }
    }
}

extension ServiceError {
    func redacted(by redaction: Redaction) -> ServiceError {
        ServiceError(
            code: code, message: redaction.redact(message), isFatal: isFatal,
            isRetriable: isRetriable)
    }
}
