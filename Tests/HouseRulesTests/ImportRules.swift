/// Who imports whom: docs/design.md, section 7.
enum ImportRules {
    private static let toolchain: Set<String> = [
        "Glibc", "Synchronization", "FoundationEssentials",
    ]

    /// What each module may import of the project. The core has nobody; an adapter has the core and
    /// its own wall; the command has all but the walls of others.
    private static let allowed: [String: Set<String>] = [
        "MillraceCore": [],
        "MillraceWorker": ["MillraceCore"],
        "MillraceKafka": ["MillraceCore", "CRdkafka"],
        "MillraceFormats": ["MillraceCore", "CSimdjson"],
        "MillraceLines": ["MillraceCore"],
        "MillraceTrees": ["MillraceCore", "CTrees"],
        "MillraceONNX": ["MillraceCore", "MillraceTrees", "COnnxRuntime"],
        "MillraceBoosters": ["MillraceCore", "MillraceTrees"],
        "MillraceConfig": ["MillraceCore", "CYaml"],
        "MillraceOps": ["MillraceCore", "CMicrohttpd"],
        "millrace": [
            "MillraceCore", "MillraceWorker", "MillraceKafka", "MillraceFormats", "MillraceONNX",
            "MillraceBoosters", "MillraceTrees", "MillraceConfig", "MillraceLines", "MillraceOps",
            "CGetopt", "CCrypto", "CJemalloc",
        ],
    ]

    static func check(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, let module = file.module else { return [] }
        guard let own = allowed[module] else {
            return [Violation(file, 0, "module \(module) has no line in ImportRules and design.md")]
        }
        let system = module == "MillraceCore" ? ["Synchronization"] : toolchain
        return imports(file).compactMap { line, name in
            own.contains(name) || system.contains(name)
                ? nil : Violation(file, line, "\(module) must not import \(name)")
        }
    }

    /// Line and module of each import.
    static func imports(_ file: SourceFile) -> [(line: Int, module: String)] {
        file.code.enumerated().compactMap { index, line in
            let words = line.split(separator: " ")
            guard let keyword = words.firstIndex(of: "import"), keyword <= 2,
                words[..<keyword].allSatisfy({ $0 != "let" && $0 != "var" }),
                let name = words.last
            else { return nil }
            return (index + 1, String(name.prefix { $0 != "." }))
        }
    }
}
