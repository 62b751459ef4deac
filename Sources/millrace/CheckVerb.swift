internal import MillraceConfig
internal import MillraceCore

extension Verb {
    /// `millrace check FILE...`
    static let check = Verb(
        name: "check", operands: "FILE...",
        summary: "Check pipeline files (and all in folders) without a broker: text, Kafka"
            + " properties, model, mapping.\nOne complaint a line; exit code 0, or 65 where a"
            + " complaint is an error.",
        options: [
            Option(
                name: "connect", value: nil,
                summary: "also ask the brokers: topics, partition numbers, rights, group"),
            Option(name: "json", value: nil, summary: "each complaint as a JSON object"),
        ],
        run: { arguments throws(CommandError) in
            guard !arguments.operands.isEmpty else {
                throw CommandError(.usage, "check needs a pipeline file or a folder")
            }
            let (files, missing) = PipelineFiles.expand(arguments.operands)
            var complaints = missing
            for path in files {
                complaints += check(path, asksBrokers: arguments.isSet("connect"))
            }
            for complaint in complaints {
                Output.print(
                    arguments.isSet("json") ? try complaint.json() : complaint.description)
            }
            let errors = complaints.filter { $0.severity == .error }.count
            Output.complain(
                "\(files.count) file\(files.count == 1 ? "" : "s") checked,"
                    + " \(errors) error\(errors == 1 ? "" : "s"),"
                    + " \(complaints.count - errors) warning"
                    + (complaints.count - errors == 1 ? "" : "s"))
            return errors == 0 ? .done : .badData
        })

    private static func check(_ path: String, asksBrokers: Bool) -> [Complaint] {
        let checked = CheckedPipeline.check(
            path: path, environment: Environment.variables, log: .none)
        guard asksBrokers, let pipeline = checked.pipeline else { return checked.complaints }
        return checked.complaints
            + ConnectCheck.complaints(
                about: pipeline.file, tell: Output.complain)
    }
}

extension Complaint {
    private struct Document: Encodable {
        let file: String
        let line: Int
        let column: Int
        let severity: String
        let message: String
    }

    /// One line; keys are a promise to scripts.
    fileprivate func json() throws(CommandError) -> String {
        try JSONLine.text(
            of: Document(
                file: file, line: line, column: column, severity: severity.rawValue,
                message: message))
    }
}
