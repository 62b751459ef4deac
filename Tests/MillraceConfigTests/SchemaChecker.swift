import Foundation

@testable import MillraceConfig

/// The schema as Python's `jsonschema` sees it: another implementation than ours.
enum SchemaChecker {
    private static let python = "\(SettingsPageTests.root)/.venv/bin/python"

    static let isThere: Bool = (try? run("import jsonschema", [])) == ""

    struct Failure: Error {
        let text: String
    }

    /// Whether the schema accepts each document; throws where it is no valid schema.
    static func accepts(_ documents: [JSONDocument]) throws -> [Bool] {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("millrace-schema-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let schema = folder.appendingPathComponent("schema.json").path
        let list = folder.appendingPathComponent("documents.json").path
        try PipelineSchema.text.write(toFile: schema, atomically: true, encoding: .utf8)
        try JSONDocument.list(documents).written()
            .write(toFile: list, atomically: true, encoding: .utf8)
        let script = """
            import json, sys
            from jsonschema import Draft202012Validator as Validator
            schema, documents = (json.load(open(path)) for path in sys.argv[1:])
            Validator.check_schema(schema)
            for document in documents:
                print(Validator(schema).is_valid(document))
            """
        return try run(script, [schema, list]).split(separator: "\n").map { $0 == "True" }
    }

    private static func run(_ script: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = ["-c", script] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let text = String(decoding: bytes, as: UTF8.self)
        guard process.terminationStatus == 0 else { throw Failure(text: text) }
        return text
    }
}

extension JSONDocument {
    /// The value that an editor's YAML 1.2 reader sees; nil where a part is refused by ours.
    init?(_ node: Node) {
        switch node.content {
        case .refused: return nil
        case .scalar(let scalar): self = Self.scalar(scalar)
        case .sequence(let items):
            let values = items.compactMap { JSONDocument($0) }
            guard values.count == items.count else { return nil }
            self = .list(values)
        case .mapping(let entries):
            let values = entries.compactMap { entry in
                JSONDocument(entry.value).map { (entry.key, $0) }
            }
            guard values.count == entries.count else { return nil }
            self = .object(values)
        }
    }

    private static func scalar(_ scalar: Node.Scalar) -> JSONDocument {
        guard scalar.isPlain else { return .text(scalar.text) }
        if scalar.isNull { return .list([]) }  // no setting takes nothing, and none an empty list
        if scalar.text == "true" || scalar.text == "false" {
            return .boolean(scalar.text == "true")
        }
        let isNumber = scalar.text.utf8.allSatisfy { "+-.0123456789eE".utf8.contains($0) }
        if isNumber, let integer = Int64(scalar.text) { return .integer(integer) }
        if isNumber, let number = Double(scalar.text) { return .number(number) }
        return .text(scalar.text)
    }
}
