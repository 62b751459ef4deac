package import MillraceCore
package import MillraceTrees

/// Runs LightGBM's own model files, the text format of 2.1 to 4, without LightGBM.
package struct LightGBMEngine: Engine {
    package let name = "trees"

    package init() {}

    /// By content: the line "tree", and behind it the format's version.
    package func recognizes(head: [UInt8], path: String) -> Bool {
        var text = LightGBMText(head)
        guard let first = text.next(), text.text(first) == "tree", let second = text.next() else {
            return false
        }
        return text.starts(second, with: "version=")
    }

    package func load(path: String) throws(ModelError) -> any Model {
        let program = try program(BoosterFile(path: path, kind: "a LightGBM model"))
        return try TreeModel(program, path: path)
    }

    /// What the file computes.
    package func program(_ file: BoosterFile) throws(ModelError) -> TreeProgram {
        try LightGBMLoader.program(file)
    }
}
