package import MillraceCore
package import MillraceTrees

/// Runs CatBoost's JSON exports, `save_model("model.json", format="json")`, without CatBoost.
package struct CatBoostEngine: Engine {
    package let name = "trees"

    private static let firstKeys: Set<String> = [
        "ctr_data", "features_info", "model_info", "oblivious_trees", "scale_and_bias", "trees",
    ]

    package init() {}

    /// By content: an object whose first key is one of CatBoost's. Its binary format is recognized
    /// too, to be refused with advice.
    package func recognizes(head: [UInt8], path: String) -> Bool {
        if Self.isBinary(head) { return true }
        var reader = DocumentReader(head, isBinary: false)
        do throws(DocumentError) {
            try reader.beginObject()
            guard let key = try reader.nextKey() else { return false }
            return Self.firstKeys.contains(key)
        } catch {
            return false
        }
    }

    private static func isBinary(_ head: [UInt8]) -> Bool { head.starts(with: "CBM1".utf8) }

    package func load(path: String) throws(ModelError) -> any Model {
        // The file's bytes are gone when the trees are laid out.
        let program = try program(BoosterFile(path: path, kind: "a CatBoost model"))
        return try TreeModel(program, path: path)
    }

    /// What the file computes.
    package func program(_ file: BoosterFile) throws(ModelError) -> TreeProgram {
        if Self.isBinary(file.bytes) {
            throw file.unsupported(
                "CatBoost's binary format; save the model with "
                    + "save_model(\"model.json\", format=\"json\")")
        }
        return try CatBoostLoader(file).program()
    }
}
