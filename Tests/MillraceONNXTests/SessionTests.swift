import FoundationEssentials
import MillraceCore
import MillraceONNX
import Synchronization
import Testing

/// The whole model, its rows and a session for all expected outputs.
private func open(
    _ name: String, gap: Int = 0
) throws -> (fixture: Fixture, session: any Session, features: Features) {
    let fixture = try Fixture.load(name)
    let model = try engine.load(path: "\(fixtureFolder)/\(name).onnx")
    let session = try model.makeSession(
        outputs: fixture.outputs.map(\.name), maxRows: fixture.rows)
    return (fixture, session, try fixture.features(gap: gap))
}

private func message(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return (error as? ModelError).map { "\($0.kind): \($0.message)" } ?? "\(error)"
    }
}

@Suite("sessions", .enabled(if: hasOnnxRuntime, "no ONNX Runtime: run scripts/setup"))
struct SessionTests {
    /// Any part of a batch, as when the caller looks for a bad record.
    @Test(arguments: [
        "logistic_zipmap_string", "strings_one_hot", "fixed_batch_4", "fixed_batch_1",
        "mixed_named_inputs", "cube_input", "identity_string",
    ])
    func partsOfABatch(_ name: String) throws {
        let gap = 3
        let (fixture, session, features) = try open(name, gap: gap)
        for rows in [0..<1, 0..<fixture.rows, 4..<5, 1..<4, 2..<fixture.rows, 0..<5, 0..<4]
        where rows.upperBound <= fixture.rows {
            try session.predict(
                features.columns, rows: rows.lowerBound + gap..<rows.upperBound + gap)
            #expect(session.predictions.rowCount == rows.count)
            for (column, expected) in zip(session.predictions.columns, fixture.outputs) {
                let width = expected.width
                let wanted = expected.values[rows.lowerBound * width..<rows.upperBound * width]
                let got = values(column, rows: rows.count)
                let areEqual =
                    got.count == wanted.count
                    && zip(got, wanted).allSatisfy { agree($0, $1, expected, fixture.tolerance) }
                #expect(areEqual, "\(name) \(expected.name) \(rows)")
            }
        }
        try session.predict(features.columns, rows: 2..<2)
        #expect(session.predictions.rowCount == 0)
    }

    @Test func anotherSetOfColumns() throws {
        let (fixture, session, features) = try open("strings_one_hot")
        let others = try fixture.features()
        for columns in [features.columns, others.columns, features.columns] {
            try session.predict(columns, rows: 0..<fixture.rows)
            let got = values(session.predictions.columns[0], rows: fixture.rows)
            #expect(got == fixture.outputs[0].values)
        }
    }

    @Test func rowsOutsideOfTheBatch() throws {
        for name in ["logistic_binary", "fixed_batch_4"] {
            let (fixture, session, features) = try open(name)
            for rows in [0..<fixture.rows + 1, fixture.rows..<fixture.rows + 2, -1..<2] {
                let text = message { try session.predict(features.columns, rows: rows) }
                #expect(text?.contains("rows outside of the batch") == true)
                #expect(session.predictions.rowCount == 0)
            }
            try session.predict(features.columns, rows: 0..<fixture.rows)
            #expect(session.predictions.rowCount == fixture.rows)
        }
    }

    @Test func columnsOfAnotherModel() throws {
        let (_, session, _) = try open("logistic_binary")
        let (_, _, narrow) = try open("logistic_multi")
        let (_, _, texts) = try open("tfidf_text")
        let (_, _, many) = try open("strings_one_hot")
        for features in [narrow, texts, many] {
            let text = message { try session.predict(features.columns, rows: 0..<1) }
            #expect(text?.hasPrefix("inference: ") == true)
        }
    }

    /// One record that the model refuses fails its batch and no other, and the reason is kept.
    @Test func aRefusedRow() throws {
        let (fixture, session, features) = try open("strings_zipmap")
        let country = features.columns.columns[0]
        try features.set(country, 7, "nowhere")
        let text = message { try session.predict(features.columns, rows: 0..<fixture.rows) }
        #expect(text?.hasPrefix("inference: the model failed: ") == true, "\(text ?? "")")
        #expect(text?.contains("\n") == false)
        for row in [6, 8] {
            try session.predict(features.columns, rows: row..<row + 1)
            let labels = values(session.predictions.columns[0], rows: 1)
            #expect(labels == [fixture.outputs[0].values[row]])
        }
    }

    /// `load` warns where the trial run fails, and takes the shapes as declared.
    @Test func aModelThatRefusesZeros() throws {
        let path = fixtureFolder + "/strings_zipmap.onnx"
        let model = try engine.load(path: path)
        let warnings = events.withLock { $0 }.filter {
            $0.message.contains("refuses a trial run") && $0.fields.contains { $0.value == path }
        }
        #expect(!warnings.isEmpty)
        let output = try #require(model.signature.outputs.first { $0.classLabels != nil })
        #expect(output.classLabels == [.text("no"), .text("yes")])
        #expect(output.width == 2)
    }

    /// What fails is thrown, not logged as well: the search for a bad record would fill the log.
    @Test func aFailedRunIsNotLogged() throws {
        let (_, session, features) = try open("strings_zipmap")
        try features.set(features.columns.columns[0], 0, "nowhere")
        let text = message { try session.predict(features.columns, rows: 0..<1) }
        #expect(text?.contains("Non-zero status") == true)
        let texts = events.withLock { $0 }.filter { $0.message == "onnx runtime reports" }
        #expect(!texts.contains { $0.fields.contains { $0.value.contains("Non-zero status") } })
    }

    @Test func onlyWhatIsAskedFor() throws {
        let fixture = try Fixture.load("logistic_multi")
        let model = try engine.load(path: fixtureFolder + "/logistic_multi.onnx")
        let session = try model.makeSession(outputs: ["probabilities"], maxRows: 4)
        #expect(session.predictions.columns.map(\.name) == ["probabilities"])
        let both = try model.makeSession(outputs: ["probabilities", "label"], maxRows: 4)
        let features = try fixture.features()
        try both.predict(features.columns, rows: 0..<4)
        #expect(
            values(both.predictions.columns[1], rows: 4) == Array(fixture.outputs[0].values[..<4]))
    }

    /// Sessions share nothing that changes: results of lanes at work together are their own.
    @Test(arguments: ["forest_multi_strings", "strings_zipmap", "logistic_zipmap_string"])
    func lanes(_ name: String) async throws {
        let fixture = try Fixture.load(name)
        let model = try engine.load(path: "\(fixtureFolder)/\(name).onnx")
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    let session = try model.makeSession(
                        outputs: fixture.outputs.map(\.name), maxRows: fixture.rows)
                    let features = try fixture.features()
                    for round in 0..<200 {
                        let row = round % (fixture.rows - 2)
                        try session.predict(features.columns, rows: row..<row + 2)
                        for (column, expected) in zip(session.predictions.columns, fixture.outputs)
                        {
                            let width = expected.width
                            let wanted = expected.values[row * width..<(row + 2) * width]
                            let areEqual = zip(values(column, rows: 2), wanted).allSatisfy {
                                agree($0, $1, expected, fixture.tolerance)
                            }
                            if !areEqual { return false }
                        }
                    }
                    return true
                }
            }
            for try await areRight in group { #expect(areRight) }
        }
    }

    @Test func moreThreads() throws {
        let engine = OnnxEngine(searchFolders: [engineFolder], intraOpThreads: 2, log: log)
        let fixture = try Fixture.load("digits_forest")
        let model = try engine.load(path: fixtureFolder + "/digits_forest.onnx")
        let session = try model.makeSession(outputs: ["label"], maxRows: fixture.rows)
        try session.predict(try fixture.features().columns, rows: 0..<fixture.rows)
        #expect(
            values(session.predictions.columns[0], rows: fixture.rows) == fixture.outputs[0].values)
    }
}
