/// Where a server listens, `host:port`: `127.0.0.1:9464`, `[::1]:9464`, `localhost:0`, or `:9464`,
/// which is loopback too. Whether the host is an address is found out by listening.
package struct ListenAddress: Sendable, Equatable, CustomStringConvertible {
    /// Without brackets.
    package let host: String
    /// 0: the system takes a free one.
    package let port: UInt16

    /// Nil for any other form.
    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]"), host.contains(":") else { return nil }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        let isHost = host.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x25: true
            default: false
            }
        }
        let digits = text[colon...].dropFirst()
        let isNumber = digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let hasLeadingZero = digits.count > 1 && digits.hasPrefix("0")
        guard isHost, isNumber, !hasLeadingZero, let port = UInt16(digits) else { return nil }
        self.host = host.isEmpty || host.lowercased() == "localhost" ? "127.0.0.1" : String(host)
        self.port = port
    }

    /// The form that `init` takes.
    package var description: String { display(port: port) }

    /// The host with another port, the one that the system has given.
    package func display(port: UInt16) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
