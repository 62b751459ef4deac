internal import MillraceConfig
internal import MillraceCore

extension Verb {
    /// `millrace check FILE...`
    static let check = Verb(
        name: "check", operands: "FILE...",
        summary: "Check pipeline files (and all in folders) without a broker: text, Kafka"
            + " properties, model, mapping.\nOne complaint a line; exit code 0, or 65 where a"
            + " complaint is an error.",
        options: [],
        run: { arguments throws(CommandError) in
            guard !arguments.operands.isEmpty else {
                throw CommandError(.usage, "check needs a pipeline file or a folder")
            }
            let (files, missing) = PipelineFiles.expand(arguments.operands)
            var complaints = missing
            for path in files {
                complaints +=
                    CheckedPipeline.check(
                        path: path, environment: Environment.variables, log: .none
                    ).complaints
            }
            for complaint in complaints { Output.print(complaint.description) }
            let errors = complaints.filter { $0.severity == .error }.count
            Output.complain(
                "\(files.count) file\(files.count == 1 ? "" : "s") checked,"
                    + " \(errors) error\(errors == 1 ? "" : "s"),"
                    + " \(complaints.count - errors) warning"
                    + (complaints.count - errors == 1 ? "" : "s"))
            return errors == 0 ? .done : .badData
        })
}
