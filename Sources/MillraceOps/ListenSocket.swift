internal import Glibc
internal import MillraceCore

/// A bound, listening, non-blocking TCP socket. Closes it unless `release` gave it away.
struct ListenSocket: ~Copyable {
    private let descriptor: Int32
    /// The port in use, also when 0 was asked for.
    let port: UInt16
    /// Whether only this machine can reach it.
    let isLoopback: Bool

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
        isLoopback = unsafe Self.isLoopback(info.pointee)
    }

    private static func isLoopback(_ info: addrinfo) -> Bool {
        guard let address = unsafe info.ai_addr else { return false }
        let bytes = unsafe UnsafeRawBufferPointer(
            start: address, count: Int(info.ai_addrlen))
        // Where the address lies in sockaddr_in and sockaddr_in6.
        switch unsafe (info.ai_family, bytes.count) {
        case (AF_INET, 8...): return unsafe bytes[4] == 127
        case (AF_INET6, 24...):
            return unsafe bytes[8..<23].allSatisfy { $0 == 0 } && bytes[23] == 1
        default: return false
        }
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
