/// The settings as a page of Markdown, docs/settings.md, made from their declarations.
package enum SettingsPage {
    /// The whole page.
    package static var markdown: String {
        var page = introduction
        for section in sections {
            page += "\n## \(heading(of: section))\n\n"
            if let own = Settings.all.first(where: { $0.path == section }), !section.isEmpty {
                page += "\(sentence(of: own))\n\n"
            }
            page += "| Setting | Takes | Default | What it does |\n|---|---|---|---|\n"
            for setting in Settings.all where setting.section == section {
                page += row(setting) + "\n"
            }
        }
        return page
    }

    private static var introduction: String {
        """
        # Settings of a pipeline file

        This page is what `millrace docs` prints; the reader, `millrace check` and
        [the JSON Schema](../schemas/pipeline.schema.json) (`millrace docs --schema`) come from the
        same declarations. For completion in an editor that has the YAML language server, write
        as the first line of a pipeline file, with the path to the schema:

        ```yaml
        # yaml-language-server: $schema=../schemas/pipeline.schema.json
        ```

        Any value may hold `${NAME}` or `${NAME:-default}`, which the environment replaces; `$${`
        is a literal `${`. Numbers, `true` and `false` are written without quotes. Durations have
        one of the units h, m, s, ms, us, ns; sizes one of B, KB, MB, GB, TB (thousands), KiB, MiB,
        GiB, TiB (1024s), or none. Paths are relative to the folder of the pipeline file. Unknown
        keys are errors.

        """
    }

    /// The sections in the order of their declarations; the empty one, the top level, first.
    private static var sections: [String] {
        Settings.all.map(\.section).reduce(into: []) { found, section in
            if !found.contains(section) { found.append(section) }
        }
    }

    private static func heading(of section: String) -> String {
        section.isEmpty ? "Top level" : "`\(section)`"
    }

    private static func sentence(of section: SettingDeclaration) -> String {
        var text = section.doc
        text += section.isRequired ? " Required." : " Optional."
        if section.path == Settings.kafka.declaration.path {
            text +=
                " Values of properties whose names hold "
                + Secret.marks.map { "`\($0)`" }.joined(separator: ", ")
                + ", and values from files, are secrets: they print as `\(Secret.redacted)`."
        }
        return text
    }

    private static func row(_ setting: SettingDeclaration) -> String {
        var doc = setting.doc
        if setting.isSecret { doc += " Secret: prints as `\(Secret.redacted)`." }
        let byDefault = setting.isRequired ? "required" : setting.defaultText ?? "–"
        return "| "
            + ["`\(setting.path)`", setting.kind.expectation, byDefault, doc]
            .map { $0.replacing("|", with: "\\|").replacing("\n", with: " ") }
            .joined(separator: " | ") + " |"
    }
}
