import FoundationEssentials
import Testing

@testable import MillraceConfig

/// The files that are made from the declarations: where one of these fails, write the file anew
/// with the command that the comment names.
@Suite struct SettingsPageTests {
    static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    private func file(_ path: String) throws -> String {
        try String(contentsOfFile: "\(Self.root)/\(path)", encoding: .utf8)
    }

    @Test func theManualIsWhatTheDeclarationsSay() throws {
        let isEqual = try file("docs/settings.md") == SettingsPage.markdown
        #expect(isEqual, "write it anew: millrace docs >docs/settings.md")
    }

    @Test func theSchemaIsWhatTheDeclarationsSay() throws {
        let isEqual = try file("schemas/pipeline.schema.json") == PipelineSchema.text
        #expect(isEqual, "write it anew: millrace docs --schema >schemas/pipeline.schema.json")
    }

    @Test func everySettingIsDeclaredOnceInASectionThatIsThere() {
        let paths = Settings.all.map(\.path)
        #expect(Set(paths).count == paths.count)
        for setting in Settings.all where !setting.section.isEmpty {
            let owner =
                setting.section == Settings.fieldOptions
                ? Settings.modelInputs.declaration.path : setting.section
            #expect(paths.contains(owner), "\(setting.path)")
        }
    }

    @Test func theTableHasARowForEverySetting() {
        let lines = SettingsPage.markdown.split(separator: "\n")
        for setting in Settings.all {
            let rows = lines.filter { $0.hasPrefix("| `\(setting.path)` |") }
            #expect(rows.count == 1, "\(setting.path)")
            #expect(rows.first?.replacing("\\|", with: "").split(separator: "|").count == 4)
        }
    }
}
