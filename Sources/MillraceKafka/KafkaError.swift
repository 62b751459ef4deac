internal import CRdkafka
package import MillraceCore

/// An error that librdkafka reports, by its own name.
package struct KafkaError: Error, Sendable, Equatable, CustomStringConvertible {
    /// librdkafka's name of the code, e.g. `_QUEUE_FULL` or `UNKNOWN_TOPIC_OR_PART`.
    package let code: String
    /// One line, lower case at its beginning, no secrets.
    package let message: String
    /// The client instance is of no more use; a new one must be made.
    package let isFatal: Bool
    /// The same call may succeed later without a change of the configuration.
    package let isRetriable: Bool

    package init(code: String, message: String, isFatal: Bool, isRetriable: Bool) {
        self.code = code
        self.message = message
        self.isFatal = isFatal
        self.isRetriable = isRetriable
    }

    /// Reads the code; `message` replaces librdkafka's description of it.
    init(_ raw: rd_kafka_resp_err_t, _ message: String? = nil, isFatal: Bool = false) {
        let fatal = isFatal || raw == RD_KAFKA_RESP_ERR__FATAL || raw == RD_KAFKA_RESP_ERR__FENCED
        self.code = unsafe String(cString: rd_kafka_err2name(raw))
        self.message = unsafe message ?? oneLine(String(cString: rd_kafka_err2str(raw)))
        self.isFatal = fatal
        self.isRetriable = !fatal && !Self.lasting.contains(raw.rawValue)
    }

    /// Takes over and frees an error object.
    init(consuming error: OpaquePointer) {
        let raw = unsafe rd_kafka_error_code(error)
        let text = unsafe oneLine(String(cString: rd_kafka_error_string(error)))
        self.init(raw, text, isFatal: unsafe rd_kafka_error_is_fatal(error) != 0)
        unsafe rd_kafka_error_destroy(error)
    }

    /// The same for those who know only the core.
    package var serviceError: ServiceError {
        ServiceError(code: code, message: message, isFatal: isFatal, isRetriable: isRetriable)
    }

    package var description: String { "\(message) (\(code))" }

    /// Errors that stay until somebody changes a configuration, an access rule or the program.
    private static let lasting: Set<Int32> = [
        RD_KAFKA_RESP_ERR__INVALID_ARG.rawValue,
        RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED.rawValue,
        RD_KAFKA_RESP_ERR__UNKNOWN_PROTOCOL.rawValue,
        RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE.rawValue,
        RD_KAFKA_RESP_ERR__AUTHENTICATION.rawValue,
        RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET.rawValue,
        RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION.rawValue,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE.rawValue,
        RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION.rawValue,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED.rawValue,
        RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED.rawValue,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED.rawValue,
        RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL.rawValue,
        RD_KAFKA_RESP_ERR_INVALID_GROUP_ID.rawValue,
        RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT.rawValue,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM.rawValue,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION.rawValue,
        RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED.rawValue,
        RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID.rawValue,
    ]

    /// The broker or the client refuses this very record whatever we do; replaying would fail for
    /// ever. Everything else is the service's trouble, not the record's.
    static func isRecordsFault(_ raw: rd_kafka_resp_err_t) -> Bool {
        switch raw {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_MSG,
            RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
            RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
            RD_KAFKA_RESP_ERR__BAD_MSG:
            true
        default:
            false
        }
    }
}

/// Text of librdkafka as our errors want it: no line breaks, no capital first letter of a plain
/// word.
func oneLine(_ text: String) -> String {
    let flat = text.split(whereSeparator: { $0.isNewline }).joined(separator: " ")
    guard let first = flat.first, first.isUppercase,
        flat.dropFirst().first?.isLowercase == true
    else { return flat }
    return first.lowercased() + flat.dropFirst()
}

/// Lends a buffer for the text that a function of librdkafka writes, and reads it.
func readText<R>(
    _ body: (UnsafeMutablePointer<CChar>?, Int) -> R
) -> (result: R, text: String) {
    var buffer = [CChar](repeating: 0, count: 512)
    let result = unsafe buffer.withUnsafeMutableBufferPointer {
        unsafe body($0.baseAddress, $0.count)
    }
    let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return (result, oneLine(String(decoding: bytes, as: UTF8.self)))
}
