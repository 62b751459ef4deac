internal import MillraceConfig
internal import MillraceCore

extension Verb {
    /// `millrace explain FILE`
    static let explain = Verb(
        name: "explain", operands: "FILE",
        summary: "Tell in sentences what the pipeline will do. Asks no broker.\nWhat is read, what"
            + " happens to a bad record, when offsets move, how much memory it takes.",
        options: [],
        run: { arguments throws(CommandError) in
            guard arguments.operands.count == 1 else {
                throw CommandError(.usage, "explain needs one pipeline file")
            }
            let pipeline = try RunningPipeline.open(
                path: arguments.operands[0], environment: Environment.variables, log: .none)
            Output.print(Explanation(pipeline).text)
            return .done
        })
}
