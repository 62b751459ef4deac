internal import MillraceConfig

extension Verb {
    /// `millrace docs`
    static let docs: Verb = Verb(
        name: "docs", operands: "",
        summary: "Print all settings of a pipeline file as Markdown.\nWith --schema the JSON"
            + " Schema for editors, with --man this command's manual page.",
        options: [
            Option(name: "schema", value: nil, summary: "the JSON Schema, draft 2020-12"),
            Option(name: "man", value: nil, summary: "the manual page, for man -l"),
        ],
        run: { arguments throws(CommandError) in
            guard arguments.operands.isEmpty, arguments.switches.count < 2 else {
                throw CommandError(.usage, "docs takes no file, and one option at most")
            }
            let text =
                arguments.isSet("schema")
                ? PipelineSchema.text
                : arguments.isSet("man")
                    ? ManualPage(verbs: Main.verbs).text : SettingsPage.markdown
            Output.print(String(text.dropLast()))  // which ends with a line break already
            return .done
        })
}
