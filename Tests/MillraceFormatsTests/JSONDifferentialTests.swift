import Foundation
import MillraceCore
import MillraceFormats
import MillraceTestKit
import Testing

/// A valid record of the benchmark's mapping with random shape, and its 16 features.
func goodRecord(_ random: inout SeededRandom) -> (record: TestRecord, features: [Float]) {
    let space = ["", "", "", " ", "\n\t", " \r\n "]
    func pad() -> String { space[Int(random.next() % 6)] }
    let others = [
        #""id":"tx-1""#, #""card":"c\u00e9\n""#, #""m":{"name":"Café №7","tags":[1,"b",null]}"#,
        #""e":[]"#, #""o":{}"#, #""t":true"#, #""n":null"#, #""big":12345678901234567890.5e-3"#,
        #""d":[[[{"amount":1}]]]"#, #""x\"y":"}{][,:\\""#, #""😀":"\ud83d\ude00""#,
    ]
    var fields: [String] = []
    var features: [Float] = []
    for pointer in benchPointers {
        let value = (Double(random.next() % 2_000_000) - 1_000_000) / 10_000
        features.append(Float(value))
        fields.append("\"\(pointer.dropFirst())\"\(pad()):\(pad())\(value)\(pad())")
    }
    for other in others where random.next() % 3 == 0 { fields.append(pad() + other + pad()) }
    if random.next() % 2 == 0 { fields.shuffle(using: &random) }
    let text = "\(pad()){\(pad())\(fields.joined(separator: "," + pad()))}"
    return (TestRecord(text), features)
}

/// Changes that text is likely to suffer, and that parsers are likely to miss.
private func mutate(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    let snippets: [[UInt8]] =
        [
            "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "null", "true", "1e400",
            "\\u", "\\ud800", "\\ud83d\\ude00", "\u{feff}", " ", "\n", "\u{0}", "\u{c}", "\u{1a}",
            "\u{a0}", "//", "é", ",,", "\"a\":1,", "[]", "{}", "00", "E+5", "\\\"",
        ].map { Array($0.utf8) } + [[0xFF], [0xC3], [0x80], [0xED, 0xA0, 0x80]]
    for _ in 0...(random.next() % 2) {
        let at = Int(random.next() % UInt64(bytes.count))
        let count = min(Int(random.next() % 3) + 1, bytes.count - at)
        switch random.next() % 5 {
        case 0: bytes.removeSubrange(at..<(at + count))
        case 1: bytes[at] = UInt8(truncatingIfNeeded: random.next())
        case 2:
            let snippet = snippets[Int(random.next() % UInt64(snippets.count))]
            bytes.insert(contentsOf: snippet, at: at)
        case 3:
            let snippet = snippets[Int(random.next() % UInt64(snippets.count))]
            bytes.replaceSubrange(at..<(at + count), with: snippet)
        default:
            let other = Int(random.next() % UInt64(bytes.count))
            bytes.swapAt(at, other)
        }
        if bytes.isEmpty { bytes = [0x7B] }
    }
}

@Suite struct JSONDifferentialTests {
    @Test func randomRecordsGiveTheirFeatures() throws {
        let rig = try Rig(floats: benchPointers)
        var random = SeededRandom(seed: 11)
        for _ in 0..<1000 {
            let good = goodRecord(&random)
            rig.read([good.record])
            #expect(rig.error() == nil)
            #expect(rig.floats() == good.features)
        }
    }

    /// Foundation is the other opinion. It takes more than JSON allows: UTF-16 and UTF-32, byte
    /// order marks, a comma behind the last field or element; and it refuses numbers that no double
    /// holds.
    @Test func mutatedRecordsAreJudgedAsFoundationDoes() throws {
        let rig = try Rig(floats: benchPointers, missing: .nan, capacityRows: 128)
        var random = SeededRandom(seed: 2026)
        var accepted = 0
        var refused = 0
        for _ in 0..<320 {
            var batch: [TestRecord] = []
            for _ in 0..<64 {
                var bytes = try #require(goodRecord(&random).record.value)
                mutate(&bytes, &random)
                batch.append(TestRecord(bytes: bytes))
            }
            rig.read(batch)
            rig.append(scores: Array(repeating: 0.125, count: rig.features.rowCount))
            for (index, record) in batch.enumerated() {
                let bytes = try #require(record.value)
                let isTaken = judge(rig.error(index))
                #expect(
                    isTaken == foundationTakes(bytes)
                        || (isTaken ? hasLongExponent(bytes) : hasTrailingComma(bytes)),
                    "\(Data(bytes).base64EncodedString()): \(rig.error(index)?.message ?? "-")")
                guard rig.error(index) == nil else {
                    refused += 1
                    continue
                }
                accepted += 1
                expectSpliced(rig.output(index), from: bytes)
            }
        }
        #expect(accepted > 2000)
        #expect(refused > 2000)
    }

    /// Whether the record's bytes were found to be one JSON object, whatever the mapping said.
    private func judge(_ error: RecordError?) -> Bool {
        switch error?.kind {
        case .malformed, .invalidUTF8, .notAnObject, .tooDeep, .tooLarge: false
        default: true
        }
    }

    private func foundationTakes(_ bytes: [UInt8]) -> Bool {
        guard !bytes.starts(with: [0xEF, 0xBB, 0xBF]),
            String(validating: bytes, as: UTF8.self) != nil,
            let value = try? JSONSerialization.jsonObject(with: Data(bytes))
        else { return false }
        return value is [String: Any]
    }

    private func expectSpliced(_ output: [UInt8], from input: [UInt8]) {
        guard let brace = input.lastIndex(of: UInt8(ascii: "}")) else {
            Issue.record("accepted without a brace")
            return
        }
        let tail = input[brace...]
        #expect(output.starts(with: input[..<brace]))
        #expect(output.suffix(tail.count) == tail)
        let middle = String(
            decoding: output[brace..<(output.count - tail.count)], as: UTF8.self)
        #expect(middle == #","score":0.125"# || middle == #""score":0.125"#)
        #expect(foundationTakes(output) || hasLongExponent(output))
    }

    private func hasTrailingComma(_ bytes: [UInt8]) -> Bool {
        let solid = bytes.filter { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        return zip(solid, solid.dropFirst()).contains { first, second in
            first == UInt8(ascii: ",")
                && (second == UInt8(ascii: "}") || second == UInt8(ascii: "]"))
        }
    }

    /// Whether a number may be there that no double holds.
    private func hasLongExponent(_ bytes: [UInt8]) -> Bool {
        String(decoding: bytes, as: UTF8.self).contains(/[eE][+\-]?[0-9]{3}/)
    }
}
