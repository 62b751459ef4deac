internal import Glibc

/// Tells systemd how the service is: sd_notify(3), one datagram a message to the socket that
/// $NOTIFY_SOCKET names. Without systemd's library, which is one function's worth.
package struct ServiceManager: Sendable {
    /// The socket's name; one of Linux' abstract names begins with a zero byte.
    private let name: [UInt8]
    /// Without a message `WATCHDOG=1` for so long systemd ends the service; nil: it never does.
    package let watchdogNs: Int64?

    /// Longer names do not fit into an address.
    private static let longestName = 107

    /// Nil where no service manager listens, or the variables make no sense.
    package init?(environment: [String: String]) {
        var name = Array((environment["NOTIFY_SOCKET"] ?? "").utf8)
        guard (2...Self.longestName).contains(name.count) else { return nil }
        switch name[0] {
        case UInt8(ascii: "/"): break
        case UInt8(ascii: "@"): name[0] = 0
        default: return nil
        }
        self.name = name
        let isForUs = environment["WATCHDOG_PID"].map { $0 == String(getpid()) } ?? true
        let limitUs = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        watchdogNs =
            isForUs && limitUs > 0 && limitUs < Int64.max / 1_000 ? limitUs * 1_000 : nil
    }

    /// Sends assignments like `READY=1`, one a line. False where that failed, which changes
    /// nothing. Any thread but those of the record path: it may wait for the manager.
    @discardableResult package func tell(_ message: String) -> Bool {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { _ = Glibc.close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { path in
            // The rest is zeroes, which end the name.
            unsafe path.copyBytes(from: name)
        }
        let end = name[0] == 0 ? 0 : 1
        let size = MemoryLayout<sa_family_t>.size + name.count + end
        let text = Array(message.utf8)
        let sent = unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe sendto(
                descriptor, text, text.count, Int32(MSG_NOSIGNAL),
                bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(size))
        }
        return sent == text.count
    }

    /// The message that shows `text` in `systemctl status`: one line, without control characters.
    package static func status(_ text: String) -> String {
        "STATUS=" + LogText.withoutControls(text)
    }
}
