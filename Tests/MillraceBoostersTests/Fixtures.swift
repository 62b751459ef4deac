import Glibc
import MillraceCore
import MillraceTestKit
import MillraceTrees

@testable import MillraceBoosters

/// The package's root folder.
let root = String(#filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 })

/// MILLRACE_BOOSTERS names another one, for more and larger models than are kept here.
let fixtureFolder =
    unsafe getenv("MILLRACE_BOOSTERS").map { unsafe String(cString: $0) }
    ?? root + "/Tests/Fixtures/boosters"

func fixture(_ name: String) throws -> BoosterFile {
    try BoosterFile(path: "\(fixtureFolder)/\(name)", kind: "a model")
}

/// Names of files there that begin and end so, sorted.
func fixtureNames(_ prefix: String, _ suffix: String) -> [String] {
    var names: [String] = []
    guard let folder = unsafe opendir(fixtureFolder) else { return [] }
    defer { unsafe closedir(folder) }
    while let entry = unsafe readdir(folder) {
        let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name.hasPrefix(prefix), name.hasSuffix(suffix) { names.append(name) }
    }
    return names.sorted()
}

/// Rows, and what the library predicts for them.
struct Expectation {
    var file = ""
    var rows: [[Double]] = []
    /// By output, a list a row.
    var outputs: [String: [[Double]]] = [:]
    /// By column, the texts that its numbers stand for.
    var texts: [Int: [String]] = [:]

    init(_ name: String) throws {
        let bytes = try fixture(name).bytes
        var reader = DocumentReader(bytes, isBinary: false)
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "file": file = try reader.text()
            case "rows": rows = try Self.matrix(&reader)
            case "library": try reader.skip()
            case "texts":
                try reader.beginObject()
                while let column = try reader.nextKey() {
                    texts[Int(column) ?? 0] = try reader.texts()
                }
            default: outputs[key] = try Self.matrix(&reader)
            }
        }
    }

    private static func matrix(_ reader: inout DocumentReader) throws -> [[Double]] {
        var rows: [[Double]] = []
        try reader.beginArray()
        while try reader.nextElement() {
            if try reader.kind() == .array {
                var row: [Double] = []
                try reader.doubles(into: &row)
                rows.append(row)
            } else {
                rows.append([try reader.double()])
            }
        }
        return rows
    }
}

/// Damaged files of each fixture that is damaged; MILLRACE_MUTATIONS asks for more.
let mutationCount =
    unsafe getenv("MILLRACE_MUTATIONS").flatMap { unsafe Int(String(cString: $0)) } ?? 500

/// A few changes as a bad disk, a cut copy or a hand would make them.
func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
        let place = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.remove(at: place)
        case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 4:
            bytes[place] =
                Array("0123456789-,[]{}\"Ee.$#LlUiSd".utf8).randomElement(using: &random) ?? 0
        case 5:
            // A stretch twice.
            let end = min(bytes.count, place + Int.random(in: 1...300, using: &random))
            bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
        default:
            let end = min(bytes.count, place + Int.random(in: 1...300, using: &random))
            bytes.removeSubrange(place..<end)
        }
    }
}

/// A model of a program, and one prediction, to see that nothing in it traps.
enum TreeModelCheck {
    static func make(_ program: TreeProgram) throws {
        let model = try TreeModel(program, path: "m")
        let width = model.signature.inputs.reduce(0) { $0 + ($1.width ?? 0) }
        guard width < 10_000 else { return }
        _ = try score(
            model, [Array(repeating: 0.5, count: width)],
            labels: model.signature.outputs.flatMap { ($0.classLabels ?? []).map(\.description) })
    }
}
