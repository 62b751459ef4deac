package import MillraceCore

/// A model of trees: what a loader read, checked and laid out; its sessions share it.
package final class TreeModel: Model {
    package let signature: Signature
    package let engineVersion = MillraceVersion.current
    package let facts: ModelFacts

    private let checked: CheckedProgram
    private let path: String

    /// Refuses programs that cannot be run, whatever they hold.
    ///
    /// - Parameter path: of the file, for messages.
    package init(_ program: consuming TreeProgram, path: String) throws(ModelError) {
        let checked = try CheckedProgram(program, path: path)
        signature = Signature(
            inputs: checked.program.inputs,
            outputs: checked.program.outputs.map { Self.output($0, checked.shapes[$0.matrix]) })
        facts = checked.program.facts
        self.checked = checked
        self.path = path
    }

    package func makeSession(
        outputs names: [String], maxRows: Int
    ) throws(ModelError) -> any Session {
        guard !names.isEmpty else {
            throw ModelError(.unsupported, "\(path): no output of the model is asked for")
        }
        var asked: [TreeProgram.Output] = []
        for name in names {
            guard let output = checked.program.outputs.first(where: { $0.name == name }) else {
                throw ModelError(
                    .unsupported, "\(path): output '\(name)' is none of the model's")
            }
            asked.append(output)
        }
        return try TreeSession(checked, outputs: asked, maxRows: maxRows, path: path)
    }

    private static func output(
        _ output: TreeProgram.Output, _ shape: CheckedProgram.Shape
    ) -> ModelOutput {
        switch output.content {
        case .numbers(_, let isFlat):
            ModelOutput(
                name: output.name, type: shape.number.elementType,
                rowShape: isFlat && shape.width == 1 ? [] : [shape.width],
                classLabels: output.classLabels)
        case .labels(_, let labels):
            ModelOutput(
                name: output.name, type: labels.first?.isText == true ? .string : .int64,
                rowShape: shape.width == 1 ? [] : [shape.width],
                classLabels: output.classLabels)
        }
    }
}

extension TreeProgram.Number {
    var elementType: ElementType {
        switch self {
        case .float32: .float32
        case .float64: .float64
        case .int64: .int64
        }
    }
}
