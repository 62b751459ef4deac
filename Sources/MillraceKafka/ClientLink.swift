internal import CRdkafka
package import MillraceCore
internal import Synchronization

/// What a thread beside the record path may do with a client: ask whether its connections work, and
/// give it another login. Any thread; it may outlive the client, of which it then knows nothing.
@safe package final class ClientLink: @unchecked Sendable {
    // Sound: `client` and `login` are touched under the lock only, and librdkafka is thread-safe.

    private let lock = Mutex(())
    private var client: OpaquePointer?
    private var login: Login?
    private let context: ClientContext

    /// How long one question holds up whoever frees the client.
    private static let askMs: Int32 = 1_000

    /// `login` is what the client was made with.
    init(_ client: OpaquePointer, context: ClientContext, login: Login?) {
        unsafe self.client = client
        self.context = context
        self.login = login
    }

    /// Before the client is freed: nobody uses it any more when this returns.
    func cut() { lock.withLock { _ in unsafe client = nil } }

    /// Whether a connection has failed since a broker answered last. Asks nobody.
    package var isDoubtful: Bool { context.connectionError != nil }

    /// Nil while brokers answer the client, as far as it knows; else why none does. Asks them where
    /// a connection has failed, which takes up to a second.
    package func trouble() -> ServiceError? {
        lock.withLock { _ in
            guard let client = unsafe client, let noted = context.connectionError else {
                return nil
            }
            var metadata: UnsafePointer<rd_kafka_metadata>?
            let error = unsafe rd_kafka_metadata(client, 0, nil, &metadata, Self.askMs)
            if let found = unsafe metadata { unsafe rd_kafka_metadata_destroy(found) }
            guard error != RD_KAFKA_RESP_ERR_NO_ERROR else {
                context.forget(noted)
                return nil
            }
            return KafkaError.silence("", noted).serviceError
        }
    }

    /// Gives the client the login for its next connections; those that are open stay. False where
    /// it has it already.
    package func use(_ fresh: Login) throws(ServiceError) -> Bool {
        let refused = lock.withLock { _ -> (KafkaError?)? in
            guard let client = unsafe client, login != fresh else { return nil }
            let error = unsafe rd_kafka_sasl_set_credentials(client, fresh.user, fresh.password)
            login = fresh
            return .some(unsafe error.map { unsafe KafkaError(consuming: $0) })
        }
        guard let refused else { return false }
        if let refused { throw refused.serviceError }
        return true
    }
}

/// Name and password of SASL PLAIN and SCRAM, which a client can change while it runs.
package struct Login: Sendable, Equatable {
    let user: String
    let password: String
}

extension KafkaSettings {
    /// What the consumer logs in with; nil where it does so otherwise, or not at all.
    package var consumerLogin: Login? { login(of: .consumer) }

    /// As `consumerLogin`.
    package var producerLogin: Login? { login(of: .producer) }

    func login(of kind: ClientKind) -> Login? { Login(properties(of: kind)) }
}

extension Login {
    /// Of a client's properties.
    init?(_ properties: KafkaSettings.Properties) {
        func last(_ name: String) -> String? { properties.last { $0.name == name }?.value }
        guard let user = last("sasl.username"), let password = last("sasl.password") else {
            return nil
        }
        self.init(user: user, password: password)
    }
}

/// Errors of clients that are made for a few questions; in the thread that polls.
func noteConnectionError(
    client: OpaquePointer?, code: Int32, reason: UnsafePointer<CChar>?,
    opaque: UnsafeMutableRawPointer?
) {
    let text = unsafe reason.map { unsafe oneLine(String(cString: $0)) }
    let error = KafkaError(rd_kafka_resp_err_t(rawValue: code), text)
    unsafe ClientContext.of(opaque)?.noteConnection(error)
}

extension KafkaError {
    /// Whether it is about the way to a broker, and so says why none answers.
    var isConnections: Bool { isLogins || ["_TRANSPORT", "_RESOLVE", "_TIMED_OUT"].contains(code) }

    /// Whether brokers and client refuse each other: waiting a little does not help.
    var isLogins: Bool {
        ["_AUTHENTICATION", "_SSL"].contains(code) || message.contains("SSL routines")
    }

    /// With the fault in place of librdkafka's guess where it is about a refused certificate.
    func naming(_ fault: String?) -> KafkaError {
        guard let fault, let range = message.firstRange(of: CertificateFault.mark) else {
            return self
        }
        return KafkaError(
            code: code, message: message[..<range.upperBound] + ": " + fault, isFatal: isFatal,
            isRetriable: isRetriable)
    }

    /// No broker answers, which may change. `about` is empty, or `for ...` with a space before.
    static func silence(_ about: String, _ reason: KafkaError) -> KafkaError {
        KafkaError(
            code: reason.code,
            message: "no broker answers\(about): \(withoutTiming(reason.message))", isFatal: false,
            isRetriable: true)
    }

    /// Without librdkafka's `(after 5ms in state CONNECT, 3 identical error(s) suppressed)`, which
    /// makes another text of the same error each time.
    static func withoutTiming(_ text: String) -> String {
        guard text.hasSuffix(")"), let start = text.ranges(of: " (after ").last else { return text }
        return String(text[..<start.lowerBound])
    }
}
