internal import MillraceConfig
internal import MillraceCore

extension Verb {
    /// `millrace model FILE`
    static let model = Verb(
        name: "model", operands: "FILE",
        summary: "Tell what a model takes and gives, and what a call of it costs.\nThe last lines"
            + " are the part of a pipeline file that uses it: paste them and name your fields.",
        options: [
            Option(
                name: "engine", value: "NAME",
                summary: "auto (default), trees or onnxruntime, as model.engine",
                choices: EngineChoice.allCases.map(\.rawValue)),
            Option(name: "json", value: nil, summary: "one JSON object instead of text"),
        ],
        run: { arguments throws(CommandError) in
            guard arguments.operands.count == 1 else {
                throw CommandError(.usage, "model needs one model file")
            }
            let choice = try arguments.engineChoice()
            let engines = Registry.engines(.usual, log: .none)
            let report: ModelReport
            do throws(ModelError) {
                report = try ModelReport(
                    path: arguments.operands[0], engines: engines, choice: choice)
            } catch {
                throw CommandError(.badData, error.message)
            }
            Output.print(
                arguments.isSet("json") ? try ModelText.json(report) : ModelText.people(report))
            return .done
        })
}

extension Verb.Arguments {
    /// The value of `--engine`.
    fileprivate func engineChoice() throws(CommandError) -> EngineChoice {
        guard let name = values["engine"] else { return .auto }
        guard let choice = EngineChoice(rawValue: name) else {
            throw CommandError(
                .usage, "--engine takes auto, trees or onnxruntime, not '\(name)'")
        }
        return choice
    }
}
