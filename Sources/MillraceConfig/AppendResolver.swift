internal import MillraceCore

/// Prediction fields and the model's outputs -> the outputs to ask for and what to take of them.
struct AppendResolver {
    private(set) var outputs: [String] = []
    private(set) var fields: [AppendField] = []

    mutating func resolve(
        _ append: PipelineFile.Append, outputs available: [ModelOutput],
        complaints: inout Complaints
    ) {
        switch append.fields {
        case .all:
            if available.isEmpty { complaints.add(append.place, "the model has no outputs") }
            for output in available {
                guard !outputs.contains(output.name) else {
                    complaints.add(
                        append.place,
                        "the model has two outputs \(Shown.text(output.name)); name the prediction"
                            + " fields one by one")
                    continue
                }
                add(output.name, output, Self.whole(output))
            }
        case .fields(let entries):
            for entry in entries { resolve(entry, available, complaints: &complaints) }
        }
    }

    private mutating func resolve(
        _ entry: AppendEntry, _ available: [ModelOutput], complaints: inout Complaints
    ) {
        guard let output = available.first(where: { $0.name == entry.output }) else {
            let names = available.map(\.name)
            let question = Suggestion.question(for: entry.output, among: names)
            complaints.add(
                entry.outputPlace,
                "the model has no output \(Shown.text(entry.output))"
                    + (question.isEmpty ? "; it has \(Shown.names(names))" : question))
            return
        }
        switch Self.selection(entry.selector, output) {
        case .success(let selection): add(entry.name, output, selection)
        case .failure(let problem): complaints.add(entry.outputPlace, problem.message)
        }
    }

    private mutating func add(
        _ name: String, _ output: ModelOutput, _ selection: AppendField.Selection
    ) {
        let column: Int
        if let known = outputs.firstIndex(of: output.name) {
            column = known
        } else {
            column = outputs.count
            outputs.append(output.name)
        }
        fields.append(AppendField(name: name, column: column, selection: selection))
    }

    private struct Problem: Error { let message: String }

    private static func whole(_ output: ModelOutput) -> AppendField.Selection {
        output.width == 1 ? .element(0) : .vector
    }

    private static func selection(
        _ selector: AppendEntry.Selector, _ output: ModelOutput
    ) -> Result<AppendField.Selection, Problem> {
        switch selector {
        case .whole: return .success(whole(output))
        case .quoted(let label): return element(labelled: label, output)
        case .bare(let text):
            guard let index = Quantities.integer(text) else {
                return element(labelled: text, output)
            }
            if let labels = output.classLabels {
                // An integer that is a label means the label. Where labels are integers, one that
                // is none is a slip; where they are texts, it counts the elements.
                let isLabel = labels.contains { $0.description == text }
                if isLabel || labels.contains(where: \.isInteger) {
                    return element(labelled: text, output)
                }
            }
            return element(at: index, output)
        }
    }

    private static func element(
        at index: Int64, _ output: ModelOutput
    ) -> Result<AppendField.Selection, Problem> {
        let shown = "output \(Shown.text(output.name))"
        // A row of free width is checked when there is one.
        let width = output.width ?? Int(Int32.max)
        guard index >= 0, index < width, let index = Int(exactly: index) else {
            let has =
                output.width.map {
                    $0 == 1 ? "has 1 element, [0]" : "has \($0) elements, [0] to [\($0 - 1)]"
                } ?? "is counted from [0]"
            return .failure(Problem(message: "index \(index) is out of range: \(shown) \(has)"))
        }
        return .success(.element(index))
    }

    private static func element(
        labelled text: String, _ output: ModelOutput
    ) -> Result<AppendField.Selection, Problem> {
        let shown = "output \(Shown.text(output.name))"
        guard let labels = output.classLabels else {
            // A map without fixed keys has a free width and is looked up at run time.
            guard let width = output.width else { return .success(.label(.text(text))) }
            let ways = width == 1 ? "leave the [ ] out" : "use an index, [0] to [\(width - 1)]"
            return .failure(Problem(message: "\(shown) has no class labels; \(ways)"))
        }
        guard let index = labels.firstIndex(where: { $0.description == text }) else {
            return .failure(
                Problem(
                    message: "\(shown) has no class label \(Shown.text(text)); it has"
                        + " \(Shown.names(labels.lazy.map(\.description)))"))
        }
        return element(at: Int64(index), output)
    }
}

extension ClassLabel {
    fileprivate var isInteger: Bool {
        if case .integer = self { true } else { false }
    }
}
