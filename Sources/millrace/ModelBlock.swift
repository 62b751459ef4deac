internal import MillraceConfig
internal import MillraceCore

/// The `model:` and `append:` part of a pipeline file for a model, ready to be pasted: every input
/// is read from fields named after it, every output is appended under its own name.
enum ModelBlock {
    /// More fields than this are written as one field that holds an array.
    private static let listedMax = 64
    /// More classes than this are appended as one list.
    private static let classesMax = 10

    static func text(path: String, _ signature: Signature) -> String {
        var lines = ["model:", "  file: \(yaml(path))", "  inputs:"]
        for input in signature.inputs { lines += self.input(input) }
        lines.append("append:")
        for output in signature.outputs { lines += self.output(output) }
        return lines.joined(separator: "\n")
    }

    private static func input(_ input: ModelInput) -> [String] {
        let name = yaml(input.name)
        let type = "\(input.type) \(ModelText.shape(input.rowShape))"
        guard let width = input.width, width > 1, width <= listedMax else {
            let what = input.rowShape.isEmpty || input.width == 1 ? type : "\(type), an array"
            return ["    \(name): \(pointer(input.name))  # \(what)"]
        }
        return ["    \(name):  # \(type): a field each, or one field that holds an array"]
            + (1...width).map { "      - \(pointer("\(input.name)_\($0)"))" }
    }

    private static func output(_ output: ModelOutput) -> [String] {
        let field = output.name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
        let name = String(field)
        guard let labels = output.classLabels, labels.count <= classesMax else {
            return ["  \(yaml(name)): \(yaml(output.name))"]
        }
        // Of two classes the second one is what is asked about.
        return (labels.count == 2 ? Array(labels.suffix(1)) : labels).map { label in
            let key = labels.count == 2 ? name : "\(name)_\(label)"
            return "  \(yaml(key)): \(yaml(reference(output.name, label)))"
        }
    }

    private static func reference(_ output: String, _ label: ClassLabel) -> String {
        switch label {
        case .integer(let value): "\(output)[\(value)]"
        case .text(let text): "\(output)[\"\(text)\"]"
        }
    }

    private static func pointer(_ field: String) -> String {
        yaml(FieldPointer(tokens: [field]).description)
    }

    /// The text as a YAML scalar: plain where that is safe, else in double quotes, whose escapes
    /// are JSON's.
    private static func yaml(_ text: String) -> String {
        let isPlain = text.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII
                && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                    || "_/.[]-".unicodeScalars.contains(scalar))
        }
        let isWord = text.unicodeScalars.first.map {
            $0.properties.isAlphabetic || $0 == "_" || $0 == "/"
        }
        let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "all"]
        if isPlain, isWord == true, !reserved.contains(text.lowercased()) { return text }
        // A dollar and a brace would be taken for an environment variable.
        return JSONValue.quoted(
            text.split(separator: "${", omittingEmptySubsequences: false)
                .joined(separator: "$${"))
    }
}
