import Foundation

/// A line of Tests/Corpus/bad-records.tsv; its comment says the form.
package struct BadRecord {
    package let line: Int
    package let kind: String
    package let bytes: [UInt8]

    /// All of the file; nil where it or one of its lines cannot be read.
    package static func read(_ path: String) -> [BadRecord]? {
        guard let text = try? String(contentsOf: URL(filePath: path), encoding: .utf8) else {
            return nil
        }
        var records: [BadRecord] = []
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where !line.isEmpty && !line.hasPrefix("#") {
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard columns.count == 3,
                let bytes = columns[1] == "base64"
                    ? Data(base64Encoded: String(columns[2])).map({ Array($0) })
                    : plain(Array(columns[2].utf8))
            else { return nil }
            records.append(
                BadRecord(line: index + 1, kind: String(columns[0]), bytes: bytes))
        }
        return records
    }

    private static func plain(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var at = 0
        while at < text.count {
            if text[at] == UInt8(ascii: "\\"), at + 3 < text.count,
                text[at + 1] == UInt8(ascii: "x")
            {
                let digits = String(decoding: text[(at + 2)...(at + 3)], as: UTF8.self)
                guard let byte = UInt8(digits, radix: 16) else { return nil }
                bytes.append(byte)
                at += 4
            } else {
                bytes.append(text[at])
                at += 1
            }
        }
        return bytes
    }
}
