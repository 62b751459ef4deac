import Foundation
import Testing

/// docker/millrace.service, without a running systemd.
@Suite(.enabled(if: Tool.isThere("systemd-analyze"), "needs systemd-analyze"))
struct ServiceUnitTests {
    private static let unit = "docker/millrace.service"

    /// With a command that is there, as the real one need not be installed.
    @Test func systemdAcceptsTheUnit() throws {
        let text = try #require(SourceTree.all.first { $0.path == Self.unit }).text
        #expect(text.contains("/usr/local/bin/millrace run"))
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("millrace.service")
        try text.replacingOccurrences(of: "/usr/local/bin/millrace", with: "/bin/true")
            .write(to: file, atomically: true, encoding: .utf8)
        let verified = try Tool.run("systemd-analyze", ["verify", "--man=no", file.path])
        #expect(verified.status == 0, "\(verified.text)")
        #expect(verified.text == "")
    }

    /// The threshold is in tenths.
    @Test func theServiceIsLockedUp() throws {
        let judged = try Tool.run(
            "systemd-analyze",
            ["security", "--offline=true", "--no-pager", "--threshold=12", Self.unit])
        #expect(judged.status == 0, "\(judged.text)")
        #expect(judged.text.contains("Overall exposure level"))
    }
}
