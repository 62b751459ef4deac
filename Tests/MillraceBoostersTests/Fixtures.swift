import Glibc
import MillraceCore
import MillraceTrees

@testable import MillraceBoosters

/// The package's root folder.
let root = String(#filePath.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 })

let fixtureFolder = root + "/Tests/Fixtures/boosters"

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

    init(_ name: String) throws {
        let bytes = try fixture(name).bytes
        var reader = DocumentReader(bytes, isBinary: false)
        try reader.beginObject()
        while let key = try reader.nextKey() {
            switch key {
            case "file": file = try reader.text()
            case "rows": rows = try Self.matrix(&reader)
            case "library": try reader.skip()
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

/// A small seeded generator.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
