/// What a Dockerfile takes from the build's context.
enum DockerText {
    /// Sources of its COPY lines, those that come from another stage left out.
    static func copied(_ file: SourceFile) -> [String] {
        file.lines.flatMap { line -> [String] in
            let words = line.split(separator: " ")
            guard words.first == "COPY", words.count > 2, !words[1].hasPrefix("--") else {
                return []
            }
            return words.dropFirst().dropLast().map(String.init)
        }
    }
}
