internal import Glibc

/// A TCP client that sends what it is told, however wrong, and reads until the server closes. Every
/// wait ends after 30 s, so that a server that hangs fails a test instead of stopping it.
final class RawClient {
    private let descriptor: Int32

    /// Connects to 127.0.0.1; nil when the server does not listen.
    init?(port: UInt16) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe connect(
                descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), size)
        }
        guard status == 0 else {
            _ = Glibc.close(descriptor)
            return nil
        }
    }

    deinit { _ = Glibc.close(descriptor) }

    /// Sends all of `text`; false when the server has closed.
    @discardableResult func send(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        var sent = 0
        while sent < bytes.count {
            let rest = Array(bytes[sent...])
            let count = unsafe Glibc.send(
                descriptor, rest, rest.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Everything up to the end of the connection; nil when that does not come within 30 s.
    func readToEnd() -> String? {
        var all: [UInt8] = []
        while true {
            switch read(atMost: 4096) {
            case .bytes(let bytes): all += bytes
            case .end: return String(decoding: all, as: UTF8.self)
            case .timeout: return nil
            }
        }
    }

    /// Reads until what came ends with `suffix`, which the connection may outlive.
    func read(until suffix: String) -> String? {
        var all: [UInt8] = []
        while !all.reversed().starts(with: suffix.utf8.reversed()) {
            guard case .bytes(let bytes) = read(atMost: 1) else { return nil }
            all += bytes
        }
        return String(decoding: all, as: UTF8.self)
    }

    /// How many bytes came; nil at the end.
    func readSome(atMost limit: Int) -> Int? {
        guard case .bytes(let bytes) = read(atMost: limit) else { return nil }
        return bytes.count
    }

    private enum Outcome {
        case bytes([UInt8])
        case end
        case timeout
    }

    private func read(atMost limit: Int) -> Outcome {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = unsafe recv(descriptor, &buffer, limit, 0)
        if count > 0 { return .bytes(Array(buffer[..<count])) }
        return count < 0 && errno == EAGAIN ? .timeout : .end
    }
}

/// One request on a connection of its own; nil when the server refuses or hangs.
func exchange(_ request: String, port: UInt16) -> String? {
    guard let client = RawClient(port: port) else { return nil }
    client.send(request)
    return client.readToEnd()
}

/// A whole request, closed after the answer.
func request(_ method: String, _ path: String, _ headers: String...) -> String {
    let all = ["Host: localhost", "Connection: close"] + headers
    return "\(method) \(path) HTTP/1.1\r\n\(all.joined(separator: "\r\n"))\r\n\r\n"
}
