internal import CRdkafka

/// Why OpenSSL refuses a broker's certificate. librdkafka's own text for any reason is that the
/// authority may not be known.
enum CertificateFault {
    /// For one of OpenSSL's X509_V_ERR_ numbers.
    static func text(_ code: Int32) -> String {
        switch code {
        case 9: "the broker's certificate is not valid yet"
        case 10: "the broker's certificate has expired"
        case 2, 18, 19, 20, 21:
            "the broker's certificate is of an authority that is not in ssl.ca.location"
        case 23: "the broker's certificate is revoked"
        case 62, 64:
            "the broker's certificate is for another host than the one that it is reached by"
        default: "the broker's certificate is refused: OpenSSL's verify error \(code)"
        }
    }

    /// In place of what follows these words in an error of librdkafka.
    static let mark = "certificate verify failed"

    /// Has the client note why it refuses a certificate.
    static func watch(in conf: borrowing ClientConf) {
        unsafe conf.withRaw { raw in
            _ = unsafe rd_kafka_conf_set_ssl_cert_verify_cb(raw, noteCertificate)
        }
    }
}

/// In a thread of librdkafka, for each certificate of a chain. It decides nothing: what OpenSSL has
/// found an error in stays refused (0), all else is taken (1).
private func noteCertificate(
    client: OpaquePointer?, broker: UnsafePointer<CChar>?, brokerId: Int32,
    error: UnsafeMutablePointer<Int32>?, depth: Int32, certificate: UnsafePointer<CChar>?,
    size: Int, text: UnsafeMutablePointer<CChar>?, room: Int, opaque: UnsafeMutableRawPointer?
) -> Int32 {
    guard let error = unsafe error else { return 0 }
    let code = unsafe error.pointee
    guard code != 0 else { return 1 }
    let fault = CertificateFault.text(code)
    unsafe ClientContext.of(opaque)?.noteFault(fault)
    guard let text = unsafe text, room > 0 else { return 0 }
    let bytes = fault.utf8.prefix(room - 1)
    for (index, byte) in bytes.enumerated() { unsafe text[index] = CChar(bitPattern: byte) }
    unsafe text[bytes.count] = 0
    return 0
}
