import Foundation

/// One text file of the project.
struct SourceFile: Sendable {
    /// Relative to the top of the project.
    let path: String
    let text: String
    let lines: [Substring]
    /// The same lines with comments and the text of string literals blanked; for Swift and C.
    let code: [Substring]

    init(path: String, text: String) {
        self.path = path
        self.text = text
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        code =
            CodeText.strip(text).split(separator: "\n", omittingEmptySubsequences: false)
    }

    var fileExtension: String { path.split(separator: ".").last.map(String.init) ?? "" }
    var isSwift: Bool { fileExtension == "swift" }
    var isC: Bool { ["c", "h", "cpp", "hpp"].contains(fileExtension) }
    var isBash: Bool { text.hasPrefix("#!/usr/bin/env bash") }
    /// `Sources/MODULE/...`; nil elsewhere.
    var module: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }
}

/// A broken rule and where.
struct Violation: CustomStringConvertible, Equatable {
    let path: String
    /// From 1; 0 for the file as a whole.
    let line: Int
    let what: String

    init(_ file: SourceFile, _ line: Int, _ what: String) {
        path = file.path
        self.line = line
        self.what = what
    }

    var description: String { "\(path):\(line): \(what)" }
}

/// The project's own files, found from this file's place.
enum SourceTree {
    static let root: URL = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Names at the top, the ones that git ignores left out.
    static func topLevel() throws -> [String] {
        let ignored = [".build", ".engines", ".venv", ".git"]
        return try FileManager.default.contentsOfDirectory(atPath: root.path)
            .filter { name in
                !ignored.contains { name == $0 || name.hasPrefix($0 + "-") || name == $0 + ".new" }
                    && !name.hasSuffix(".swp")
            }
    }

    /// All text files below these folders and with these names, sorted by path.
    static func files(_ entries: [String]) throws -> [SourceFile] {
        var files: [SourceFile] = []
        for entry in entries {
            let url = root.appendingPathComponent(entry)
            guard FileManager.default.fileExists(atPath: url.path) else { continue }
            // Empty for a file.
            let inside = (try? FileManager.default.subpathsOfDirectory(atPath: url.path)) ?? []
            let paths = inside.isEmpty ? [entry] : inside.map { "\(entry)/\($0)" }
            for path in paths.sorted() where !path.contains("/__pycache__/") {
                let file = root.appendingPathComponent(path)
                guard let data = try? Data(contentsOf: file), !data.contains(0),
                    let text = String(data: data, encoding: .utf8)
                else { continue }
                files.append(SourceFile(path: path, text: text))
            }
        }
        return files
    }

    static let sources: [SourceFile] = load(["Sources"])
    static let tests: [SourceFile] = load(["Tests"])
    static let scripts: [SourceFile] = load(["scripts", ".ci"])
    /// Everything that is read by people or machines, fixtures left out.
    static let all: [SourceFile] = load(
        allowedTopLevel.filter { $0 != "LICENSE" }.sorted()
    ).filter { !$0.path.hasPrefix("Tests/Fixtures/") }

    private static func load(_ entries: [String]) -> [SourceFile] {
        (try? files(entries)) ?? []
    }

    /// What the top of the project may hold.
    static let allowedTopLevel: Set<String> = [
        ".ci", ".gitignore", ".swift-format", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
        "Package.swift", "README.md", "Sources", "Tests", "docker", "docs", "pipelines", "schemas",
        "scripts",
    ]
}
