package import MillraceCore
import MillraceTrees

/// A booster's model file that is read whole.
package struct BoosterFile: Sendable {
    /// Of most formats a larger ensemble would not fit into memory beside its own text.
    package static let limitBytes = 8 << 30

    package let path: String
    package let bytes: [UInt8]

    /// - Parameter kind: "an XGBoost model", for the text about an empty file.
    package init(path: String, kind: String) throws(ModelError) {
        self.path = path
        bytes = try Self.stream(path, kind: kind).rest()
    }

    /// The same, to be read piece by piece.
    static func stream(_ path: String, kind: String) throws(ModelError) -> ModelStream {
        try ModelStream(
            path, limit: limitBytes, kind: kind, folderAdvice: "name the model file in it",
            sizeAdvice: "at most 8 GiB are possible")
    }

    /// For tests: a file that is in memory only.
    package init(path: String, bytes: [UInt8]) {
        self.path = path
        self.bytes = bytes
    }

    /// The file is damaged, or was never a model.
    package func invalid(_ what: String) -> ModelError {
        ModelError(.invalid, "\(path): \(ModelText.printable(what))")
    }

    /// The file is sound, but Millrace cannot run it.
    package func unsupported(_ what: String) -> ModelError {
        ModelError(.unsupported, "\(path): \(ModelText.printable(what))")
    }
}

extension BoosterFile {
    /// An error of the document, with its place as an editor shows it.
    func invalid(_ error: DocumentError, kind: String) -> ModelError {
        var place = "byte \(error.offset)"
        if error.offset <= bytes.count {
            let line = 1 + bytes[..<error.offset].count { $0 == UInt8(ascii: "\n") }
            if line > 1, kind.hasSuffix("JSON"), !kind.hasSuffix("UBJSON") {
                place = "line \(line), \(place)"
            }
        }
        return invalid("not a whole \(kind) model (\(place): \(error.what))")
    }
}

/// The values that codes from 0 stand for, where a model takes codes and records have values.
enum Categories: Equatable {
    /// nil has a code that no text has.
    case texts([String?])
    case numbers([Double])
}

extension TreeProgram {
    /// All inputs as float32, side by side; those with categories as codes. What is none of them is
    /// missing.
    mutating func addFloatInputs(_ categories: [Int: Categories] = [:]) -> Matrix {
        let columns = inputs.indices.map { index in
            switch categories[index] {
            case .texts(let texts): add(.cast(add(.encodeTexts(index, texts)), to: .float32))
            case .numbers(let numbers):
                add(
                    .cast(
                        add(.encodeNumbers(add(.input(index, as: .float64)), numbers)),
                        to: .float32))
            case nil: add(.input(index, as: .float32))
            }
        }
        return columns.count == 1 ? columns[0] : add(.join(columns))
    }
}
