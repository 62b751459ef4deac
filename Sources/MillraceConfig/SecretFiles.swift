/// The files that hold values of properties: read with the pipeline file, and again while it runs.
enum SecretFile {
    /// The trimmed text of the file; `isWorldReadable` as of `FileBytes.Contents`.
    static func read(
        _ path: String
    ) throws(FileBytes.Failure) -> (text: String, isWorldReadable: Bool) {
        let contents = try FileBytes.read(path, limit: 1 << 20)
        guard let text = String(validating: contents.bytes, as: UTF8.self),
            !contents.bytes.contains(0)
        else { throw FileBytes.Failure(reason: "it is not UTF-8 text") }
        return (trimmed(text), contents.isWorldReadable)
    }

    private static func trimmed(_ text: String) -> String {
        let start = text.drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}

extension KafkaProperties {
    /// Whether a value is read from a file.
    package var hasFiles: Bool { properties.contains { $0.file != nil } }

    /// The same with what the files hold now. A file that cannot be read, or is empty, as while it
    /// is being written anew, leaves its value as it was.
    package func readAgain() -> KafkaProperties {
        KafkaProperties(
            properties: properties.map { property in
                guard let file = property.file, let read = try? SecretFile.read(file),
                    !read.text.isEmpty
                else { return property }
                var fresh = property
                fresh.value = Secret(read.text)
                return fresh
            }, place: place)
    }
}
