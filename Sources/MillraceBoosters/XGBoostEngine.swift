package import MillraceCore
package import MillraceTrees

/// Runs XGBoost's own model files, JSON and UBJSON, without XGBoost.
package struct XGBoostEngine: Engine {
    package let name = "trees"

    /// Needs no library.
    package init() {}

    /// What the first bytes show.
    private enum Form { case json, binaryJSON, oldBinary, dump, snapshot }

    /// By content: an object whose first key is one of XGBoost's. The old binary format and dumps
    /// are recognized too, to be refused with advice.
    package func recognizes(head: [UInt8], path: String) -> Bool { Self.form(head) != nil }

    private static func form(_ head: [UInt8]) -> Form? {
        var end = min(head.count, 4096)
        // A head may end within a character.
        while end > 0, head.count > end, head[end] & 0xc0 == 0x80 { end -= 1 }
        let head = Array(head[..<end])
        if isOldBinary(head) { return .oldBinary }
        for isBinary in [true, false] {
            var reader = DocumentReader(head, isBinary: isBinary)
            do throws(DocumentError) {
                try reader.beginObject()
                switch try reader.nextKey() {
                case "learner", "version": return isBinary ? .binaryJSON : .json
                case "Config", "Model": return .snapshot
                default: break
                }
            } catch {
                continue
            }
        }
        return isDump(head) ? .dump : nil
    }

    /// `dump_model`'s JSON: a list of nodes within nodes.
    private static func isDump(_ head: [UInt8]) -> Bool {
        var reader = DocumentReader(head, isBinary: false)
        do throws(DocumentError) {
            try reader.beginArray()
            guard try reader.nextElement() else { return false }
            try reader.beginObject()
            return try reader.nextKey() == "nodeid"
        } catch {
            return false
        }
    }

    /// The format before JSON: 136 bytes of numbers, then the objective's and the booster's name,
    /// each behind its length; sometimes with a mark before, or in base 64.
    private static func isOldBinary(_ head: [UInt8]) -> Bool {
        if head.starts(with: "bs64".utf8) { return true }
        var place = (head.starts(with: "binf".utf8) ? 4 : 0) + 136
        func name() -> String? {
            guard head.count - place >= 8 else { return nil }
            let count = Int(head[place])
            guard head[place + 1..<place + 8].allSatisfy({ $0 == 0 }), count > 0,
                head.count - place - 8 >= count
            else { return nil }
            place += 8 + count
            return String(validating: head[place - count..<place], as: UTF8.self)
        }
        guard let objective = name(), objective.contains(":") else { return false }
        return ["gbtree", "dart", "gblinear"].contains(name() ?? "")
    }

    package func load(path: String) throws(ModelError) -> any Model {
        // The file's bytes are gone when the trees are laid out.
        let program = try program(BoosterFile(path: path, kind: "an XGBoost model"))
        return try TreeModel(program, path: path)
    }

    /// What the file computes.
    package func program(_ file: BoosterFile) throws(ModelError) -> TreeProgram {
        switch Self.form(file.bytes) {
        case .json, .binaryJSON:
            let isBinary = Self.form(file.bytes) == .binaryJSON
            return try XGBoostLoader(file, isBinary: isBinary).program()
        case .oldBinary:
            throw file.unsupported(
                "XGBoost's old binary format; load it with XGBoost 1.x or 2.x and save it again "
                    + "with save_model(\"model.json\") or save_model(\"model.ubj\")")
        case .dump:
            throw file.unsupported(
                "a dump of XGBoost's trees, for people; write the model with "
                    + "save_model(\"model.json\")")
        case .snapshot:
            throw file.unsupported(
                "a memory snapshot of XGBoost (from pickle); write the model with "
                    + "save_model(\"model.json\")")
        case nil: throw file.invalid("not an XGBoost model (no object with 'learner')")
        }
    }
}
