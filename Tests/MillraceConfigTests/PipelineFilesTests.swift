import FoundationEssentials
import MillraceConfig
import Testing

@Suite struct PipelineFilesTests {
    /// A folder that is gone after the test.
    private func withFolder(_ files: [String], _ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "millrace-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for file in files {
            let url = folder.appending(path: file)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data().write(to: url)
        }
        try body(folder.path)
    }

    @Test func foldersAreSearched() throws {
        let names = [
            "b.yaml", "a.yml", "sub/deep/c.yaml", "a_test.yaml", "b_test.yml", "notes.txt",
            ".hidden.yaml", ".git/x.yaml", "yaml", "d.yaml.bak",
        ]
        try withFolder(names) { folder in
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/loop", withDestinationPath: folder)
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/z.yaml", withDestinationPath: folder + "/b.yaml")
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/dangling.yaml", withDestinationPath: folder + "/nothing")
            let (files, complaints) = PipelineFiles.expand([folder])
            #expect(complaints == [])
            #expect(
                files.map { $0.replacing(folder + "/", with: "") } == [
                    "a.yml", "b.yaml", "sub/deep/c.yaml", "z.yaml",
                ])
        }
    }

    @Test func filesAreTakenAsTheyAreAndOnce() throws {
        try withFolder(["a_test.yaml", "b.yaml"]) { folder in
            let paths = [folder + "/a_test.yaml", folder, folder + "/b.yaml"]
            let (files, complaints) = PipelineFiles.expand(paths)
            #expect(files == [folder + "/a_test.yaml", folder + "/b.yaml"])
            #expect(complaints == [])
        }
    }

    @Test func whatIsMissingOrEmptyIsAComplaint() throws {
        try withFolder(["notes.txt"]) { folder in
            let (files, complaints) = PipelineFiles.expand(["/nowhere/x.yaml", folder])
            #expect(files == [])
            #expect(
                complaints.map(\.description) == [
                    "/nowhere/x.yaml:1:1: error: cannot read it: no such file",
                    "\(folder):1:1: error: no .yaml file in this folder",
                ])
        }
    }

    @Test func verticalDepthIsLimited() throws {
        let deep = (0..<30).map { "d\($0)" }.joined(separator: "/") + "/x.yaml"
        try withFolder([deep, "top.yaml"]) { folder in
            #expect(PipelineFiles.expand([folder]).files == [folder + "/top.yaml"])
        }
    }
}
