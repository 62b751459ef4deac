import Glibc
import Synchronization
import Testing

@testable import millrace

/// What a watchdog has barked.
private final class Barks: Sendable {
    let said = Mutex<[(ExitCode, String)]>([])

    /// Waits for the first one, at most 10 s.
    func first() -> (code: ExitCode, message: String)? {
        for _ in 0..<1000 {
            if let bark = said.withLock({ $0.first }) { return bark }
            usleep(10_000)
        }
        return nil
    }

    func watchdog(timeoutMs: Int64, bytes: Int = .max) -> LoadWatchdog {
        LoadWatchdog(.init(timeoutNs: timeoutMs * 1_000_000, bytes: bytes), path: "m.onnx") {
            code, message in self.said.withLock { $0.append((code, message)) }
        }
    }
}

@Suite struct LoadWatchdogTests {
    @Test func aLoadThatTakesTooLongEndsTheProcess() throws {
        let barks = Barks()
        let watchdog = barks.watchdog(timeoutMs: 50)
        let bark = try #require(barks.first())
        watchdog.end()
        #expect(bark.code == .tryAgain)
        #expect(bark.message.contains("'m.onnx' took longer than 50ms"))
    }

    @Test func aLoadThatTakesTooMuchMemoryEndsTheProcess() throws {
        let barks = Barks()
        let watchdog = barks.watchdog(timeoutMs: 60_000, bytes: 64 << 20)
        var bytes = [UInt8](repeating: 1, count: 160 << 20)
        let bark = try #require(barks.first())
        bytes[bytes.count - 1] = 2
        watchdog.end()
        #expect(bark.code == .badData)
        #expect(bark.message.contains("of the 64 MiB that were free"))
    }

    @Test func aLoadThatEndsIsLeftAlone() {
        let barks = Barks()
        barks.watchdog(timeoutMs: 150).end()
        usleep(300_000)
        #expect(barks.said.withLock { $0.isEmpty })
    }
}
