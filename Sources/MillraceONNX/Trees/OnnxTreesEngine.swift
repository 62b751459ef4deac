package import MillraceCore
import MillraceTrees

/// Runs ONNX models that are tree ensembles, with what converters put around them, on the kernel
/// of MillraceTrees: without ONNX Runtime, and with its results.
package struct OnnxTreesEngine: Engine {
    package let name = "trees"

    package init() {}

    /// By content, as the engine onnxruntime does; what is no tree model is declined by `load`.
    package func recognizes(head: [UInt8], path: String) -> Bool {
        OnnxEngine().recognizes(head: head, path: path)
    }

    package func load(path: String) throws(ModelError) -> any Model {
        // The file's bytes are gone when the trees are laid out.
        let program = try Self.program(path: path)
        return try TreeModel(program, path: path)
    }

    private static func program(path: String) throws(ModelError) -> TreeProgram {
        let file = try ModelFile(path: path)
        do throws(TreesFailure) {
            return try program(file.bytes)
        } catch {
            switch error {
            case .scan(let failure): throw OnnxEngine.error(failure, path: path)
            // Numbers and names of the file are in the texts, as many as it likes.
            case .declined(let reason):
                throw ModelError(.declined, "\(path): \(printable(reason))")
            case .invalid(let what): throw ModelError(.invalid, "\(path): \(printable(what))")
            }
        }
    }

    /// What the file computes, as steps that are run without it.
    static func program(_ bytes: [UInt8]) throws(TreesFailure) -> TreeProgram {
        let scan: ModelScan
        let facts: ModelFacts
        do throws(ScanFailure) {
            scan = try ModelScan(bytes)
            facts = try scan.facts()
        } catch {
            throw .scan(error)
        }
        return try TreeTranslation.program(scan, facts: facts)
    }
}
