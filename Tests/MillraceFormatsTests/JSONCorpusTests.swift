import Foundation
import MillraceCore
import MillraceFormats
import MillraceTestKit
import Testing

/// A line of Tests/Corpus/bad-records.tsv; its comment says the form.
private struct BadRecord {
    let line: Int
    let kind: String
    let bytes: [UInt8]

    static func all() throws -> [BadRecord] {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Corpus/bad-records.tsv")
        let lines = try String(contentsOf: file, encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        return try lines.enumerated().compactMap { index, line in
            if line.isEmpty || line.hasPrefix("#") { return nil }
            let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
            try #require(columns.count == 3)
            let bytes: [UInt8]
            if columns[1] == "base64" {
                bytes = Array(try #require(Data(base64Encoded: String(columns[2]))))
            } else {
                bytes = try plain(Array(columns[2].utf8))
            }
            return BadRecord(line: index + 1, kind: String(columns[0]), bytes: bytes)
        }
    }

    private static func plain(_ text: [UInt8]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var at = 0
        while at < text.count {
            if text[at] == UInt8(ascii: "\\"), at + 3 < text.count,
                text[at + 1] == UInt8(ascii: "x")
            {
                let digits = String(decoding: text[(at + 2)...(at + 3)], as: UTF8.self)
                bytes.append(try #require(UInt8(digits, radix: 16)))
                at += 4
            } else {
                bytes.append(text[at])
                at += 1
            }
        }
        return bytes
    }
}

@Suite struct JSONCorpusTests {
    @Test func badRecordsFailForTheirOwnReason() throws {
        let records = try BadRecord.all()
        #expect(records.count >= 100)
        let rig = try Rig(floats: benchPointers, append: .fields(["fraud_score"]))
        for record in records {
            rig.read([TestRecord(bytes: record.bytes)])
            let kind = rig.error()?.kind.rawValue
            #expect(kind == record.kind, "line \(record.line): \(rig.error()?.message ?? "-")")
            #expect(rig.state() == .dead)
        }
    }

    @Test func badRecordsDoNotHurtTheirNeighbours() throws {
        let rig = try Rig(
            floats: benchPointers, append: .fields(["fraud_score"]), capacityRows: 1024)
        let bad = try BadRecord.all()
        var random = SeededRandom(seed: 1)
        let records = bad.flatMap { [TestRecord(bytes: $0.bytes), goodRecord(&random).record] }
        rig.read(records)
        #expect(rig.features.rowCount == bad.count)
        rig.append(scores: Array(repeating: 0.5, count: bad.count))
        for index in bad.indices {
            #expect(rig.state(index * 2) == .dead)
            let value = try #require(records[index * 2 + 1].value)
            #expect(
                rig.output(index * 2 + 1)
                    == Array(value.dropLast()) + Array(#","fraud_score":0.5}"#.utf8))
        }
    }

    @Test func deepAndLargeRecordsUpToTheLimitPass() throws {
        let rig = try Rig(floats: [], format: JSONFormat(maxValueBytes: 4000, maxNumberBytes: 30))
        func pass(_ text: String) -> Bool {
            rig.read(text)
            return rig.error() == nil
        }
        func nest(_ levels: Int) -> String {
            "{\"a\":" + String(repeating: "[", count: levels - 1)
                + String(repeating: "]", count: levels - 1) + "}"
        }
        #expect(pass(nest(64)))
        #expect(!pass(nest(65)))
        #expect(pass("{\"a\":0." + String(repeating: "1", count: 28) + "}"))
        #expect(!pass("{\"a\":0." + String(repeating: "1", count: 29) + "}"))
        #expect(pass("{}" + String(repeating: " ", count: 3998)))
        #expect(!pass("{}" + String(repeating: " ", count: 3999)))
        #expect(rig.error()?.kind == .tooLarge)
    }

    @Test func aLargeRecordIsReadAndItsRoomGivenBack() throws {
        let rig = try Rig(floats: ["/a", "/z"])
        let filler = (0..<200_000).map { "\($0)" }.joined(separator: ",")
        let large = "{\"a\":1,\"x\":[\(filler)],\"z\":2}"
        rig.read(#"{"a":3,"z":4}"#, large, #"{"a":5,"z":6}"#)
        #expect(rig.features.rowCount == 3)
        #expect(rig.floats(row: 1) == [1, 2])
        rig.append(scores: [1, 2, 3])
        #expect(rig.outputText(1) == large.dropLast() + #","score":2.0}"#)
        rig.read(#"{"a":3,"z":4}"#)
        #expect(rig.floats() == [3, 4])
    }
}
