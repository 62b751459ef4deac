internal import Glibc
package import MillraceCore

/// Where a server listens: `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464`, or `:9464`, which is
/// loopback too. Other names are refused: which address they mean would be decided elsewhere.
package struct ListenAddress: Sendable, Equatable {
    /// An IPv4 or IPv6 literal, without brackets.
    package let host: String
    /// 0: the system takes a free one.
    package let port: UInt16

    /// Takes `text` apart. Fails when it is not of the form above; whether the literal is one is
    /// found out by listening.
    package init(parsing text: String) throws(ServiceError) {
        guard let colon = text.lastIndex(of: ":"),
            let port = Self.port(text[text.index(after: colon)...])
        else { throw Self.malformed(text) }
        var host = text[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]"), host.contains(":") else { throw Self.malformed(text) }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw Self.malformed(text)
        }
        self.host = host.isEmpty || host.lowercased() == "localhost" ? "127.0.0.1" : String(host)
        self.port = port
    }

    /// The host with `port`, in the form that `init(parsing:)` takes.
    package func display(port: UInt16) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    private static func port(_ text: Substring) -> UInt16? {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return text.utf8.allSatisfy(digits.contains) ? UInt16(text) : nil
    }

    private static func malformed(_ text: String) -> ServiceError {
        ServiceError(
            code: "",
            message: "cannot listen on '\(text)': write address:port, for instance "
                + "127.0.0.1:9464, [::1]:9464 or localhost:0",
            isFatal: true, isRetriable: false)
    }
}

/// A bound, listening, non-blocking TCP socket. Closes it unless `release` gave it away.
struct ListenSocket: ~Copyable {
    private let descriptor: Int32
    /// The port in use, also when 0 was asked for.
    let port: UInt16

    /// Fails with the address and the reason: not a literal, in use, not ours, no rights.
    init(_ listenAddress: ListenAddress) throws(ServiceError) {
        let host = listenAddress.host
        let shown = listenAddress.display(port: listenAddress.port)
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        defer { if let found = unsafe found { unsafe freeaddrinfo(found) } }
        let status = unsafe getaddrinfo(host, String(listenAddress.port), &hints, &found)
        guard status == 0, let info = unsafe found else {
            throw ServiceError(
                code: "",
                message: "cannot listen on \(shown): '\(host)' is not an IPv4 or IPv6 address",
                isFatal: true, isRetriable: false)
        }
        let family = unsafe info.pointee.ai_family
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw Self.systemError(shown, errno) }
        var yes: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        // Without it a restart within a minute finds the old process' connections in the way.
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, size)
        if family == AF_INET6 {
            unsafe setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes, size)
        }
        guard unsafe bind(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0,
            listen(descriptor, 64) == 0,
            let port = Self.boundPort(of: descriptor)
        else {
            let reason = errno
            _ = Glibc.close(descriptor)
            throw Self.systemError(shown, reason)
        }
        self.descriptor = descriptor
        self.port = port
    }

    deinit { _ = Glibc.close(descriptor) }

    /// Gives the descriptor to a new owner, who closes it.
    consuming func release() -> Int32 {
        let given = descriptor
        discard self
        return given
    }

    private static func boundPort(of descriptor: Int32) -> UInt16? {
        // sin_port and sin6_port lie at the same place, in network order.
        var storage = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let status = unsafe withUnsafeMutableBytes(of: &storage) { bytes in
            unsafe getsockname(
                descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size)
        }
        return status == 0 ? UInt16(bigEndian: storage.sin6_port) : nil
    }

    private static func systemError(_ address: String, _ number: Int32) -> ServiceError {
        let text = unsafe strerror(number).map { unsafe String(cString: $0) } ?? ""
        let (code, advice) =
            switch number {
            case EADDRINUSE:
                ("EADDRINUSE", "; another process has it: choose another port, or 0 for a free one")
            case EADDRNOTAVAIL: ("EADDRNOTAVAIL", "; choose an address of this machine")
            case EACCES: ("EACCES", "; choose a port of 1024 or above")
            default: ("errno \(number)", "")
            }
        return ServiceError(
            code: code, message: "cannot listen on \(address): \(text.lowercased())\(advice)",
            isFatal: true, isRetriable: number == EADDRINUSE)
    }
}
