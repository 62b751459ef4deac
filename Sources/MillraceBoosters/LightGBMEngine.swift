package import MillraceCore
import MillraceTrees

/// Runs LightGBM's own model files, the text format of 2.0 to 4, without LightGBM.
package struct LightGBMEngine: Engine {
    package let name = "trees"

    package init() {}

    /// By content: the line "tree", and behind it the format's version, or what 2.0 has there.
    package func recognizes(head: [UInt8], path: String) -> Bool {
        var text = LightGBMText(head)
        guard let first = try? text.next(), text.text(first) == "tree",
            let second = try? text.next()
        else {
            return false
        }
        return text.starts(second, with: "version=") || text.starts(second, with: "num_class=")
    }

    package func load(path: String) throws(ModelError) -> any Model {
        let text = LightGBMText(try BoosterFile.stream(path, kind: "a LightGBM model"))
        return try TreeModel(LightGBMLoader.program(text, path: path), path: path)
    }
}
