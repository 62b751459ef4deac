import MillraceCore
import MillraceFormats
import MillraceTestKit
import RecordProbe
import Testing

/// A valid record of the benchmark's mapping with random shape.
func goodRecord(_ random: inout SeededRandom) -> TestRecord {
    TestRecord(bytes: HostileRecords.good(&random).value)
}

@Suite struct JSONDifferentialTests {
    @Test func randomRecordsGiveTheirFeatures() throws {
        let rig = try Rig(floats: benchPointers)
        var random = SeededRandom(seed: 11)
        for _ in 0..<1000 {
            let good = HostileRecords.good(&random)
            rig.read([TestRecord(bytes: good.value)])
            #expect(rig.error() == nil)
            #expect(rig.floats() == good.features)
        }
    }

    /// The beginning of what `scripts/fuzz json-records` does; `JSONOracle` says where the two
    /// parsers differ.
    @Test func hostileRecordsAreReadAsFoundationDoes() throws {
        var hostile = HostileRecords(seeds: try badRecords().map { $0.bytes })
        var scored = 0
        var refused: [RecordError.Kind: Int] = [:]
        for block in 0..<UInt64(300) {
            let trial = try RecordTrial(variant: block)
            let first = block * UInt64(RecordTrial.batchCount)
            let values = (first..<first + UInt64(RecordTrial.batchCount)).map {
                hostile.value($0, seed: 2026)
            }
            for (index, finding) in trial.run(values) {
                Issue.record("record \(first + UInt64(index)), seed 2026: \(finding)")
            }
            scored += trial.scored
            refused.merge(trial.refused) { $0 + $1 }
        }
        #expect(scored > 5000)
        // Every class that a codec has is among them.
        for kind in RecordError.Kind.allCases where kind != .inference && kind != .rejected {
            #expect(refused[kind, default: 0] > 10, "\(kind)")
        }
    }
}
