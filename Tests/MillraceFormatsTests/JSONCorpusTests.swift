import Foundation
import MillraceCore
import MillraceFormats
import MillraceTestKit
import RecordProbe
import Testing

/// The records of Tests/Corpus/bad-records.tsv.
func badRecords() throws -> [BadRecord] {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Corpus/bad-records.tsv")
    return try #require(BadRecord.read(file.path()))
}

@Suite struct JSONCorpusTests {
    @Test func badRecordsFailForTheirOwnReason() throws {
        let records = try badRecords()
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
        let bad = try badRecords()
        var random = SeededRandom(seed: 1)
        let records = bad.flatMap { [TestRecord(bytes: $0.bytes), goodRecord(&random)] }
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
