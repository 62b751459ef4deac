import Glibc
import MillraceOps
import Testing

struct ServiceManagerTests {
    @Test(arguments: [
        "", "/", "relative", "@", "unix:/x", "/" + String(repeating: "x", count: 107),
    ])
    func noSocketNoManager(name: String) {
        #expect(ServiceManager(environment: ["NOTIFY_SOCKET": name]) == nil)
    }

    @Test func withoutAListenerNothingHappens() throws {
        let manager = try #require(
            ServiceManager(environment: ["NOTIFY_SOCKET": "@millrace-nobody-\(getpid())"]))
        #expect(!manager.tell("READY=1"))
    }

    @Test(
        arguments: [
            ("3000000", String(getpid()), 3_000_000_000), ("3000000", nil, 3_000_000_000),
            ("3000000", "1", nil), ("0", nil, nil), ("-1", nil, nil), ("x", nil, nil),
            ("9223372036854775807", nil, nil),
        ] as [(String, String?, Int64?)])
    func theWatchdogsLimit(limit: String, process: String?, ns: Int64?) throws {
        var environment = ["NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": limit]
        environment["WATCHDOG_PID"] = process
        #expect(try #require(ServiceManager(environment: environment)).watchdogNs == ns)
    }

    /// An abstract name and one in the file system.
    @Test(arguments: ["@millrace-test-\(getpid())", "/tmp/millrace-test-\(getpid()).socket"])
    func messagesArrive(name: String) throws {
        let socket = try #require(Listener(name))
        let manager = try #require(ServiceManager(environment: ["NOTIFY_SOCKET": name]))
        #expect(manager.tell("READY=1"))
        #expect(manager.tell(ServiceManager.status("no broker\nanswers")))
        #expect(socket.receive() == "READY=1")
        #expect(socket.receive() == #"STATUS=no broker\nanswers"#)
    }
}

/// The manager's side.
private final class Listener {
    private let descriptor: Int32
    private let path: String

    init?(_ name: String) {
        path = name
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        let isAbstract = bytes[0] == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let size = socklen_t(2 + bytes.count + (isAbstract ? 0 : 1))
        let status = unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe bind(
                descriptor, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), size)
        }
        guard status == 0 else { return nil }
    }

    deinit {
        _ = close(descriptor)
        if path.hasPrefix("/") { _ = unsafe unlink(path) }
    }

    func receive() -> String {
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}
