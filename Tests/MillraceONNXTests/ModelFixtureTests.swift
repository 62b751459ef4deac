import MillraceCore
import MillraceONNX
import Testing

@Suite(
    "every kind of model predicts what its own library predicts",
    .enabled(if: hasOnnxRuntime, "no ONNX Runtime: run scripts/setup"))
struct ModelFixtureTests {
    @Test func thereAreAtLeastFortyKinds() {
        #expect(Fixture.names.count >= 40)
    }

    @Test(arguments: Fixture.names)
    func predicts(_ name: String) throws {
        let fixture = try Fixture.load(name)
        let model = try engine.load(path: "\(fixtureFolder)/\(name).onnx")
        try checkSignature(model.signature, fixture)
        let session = try model.makeSession(
            outputs: fixture.outputs.map(\.name), maxRows: fixture.rows)
        let features = try fixture.features()
        for size in [1, 3, fixture.rows] {
            var row = 0
            while row < fixture.rows {
                let rows = row..<min(row + size, fixture.rows)
                try session.predict(features.columns, rows: rows)
                compare(
                    session.predictions, fixture.outputs, fixture.tolerance, rows,
                    "\(name) in batches of \(size)")
                row += size
            }
        }
    }

    /// A session gives an output the same way where the nodes of the others are left out.
    @Test(arguments: Fixture.names)
    func predictsEachOutputAlone(_ name: String) throws {
        let fixture = try Fixture.load(name)
        let model = try engine.load(path: "\(fixtureFolder)/\(name).onnx")
        let features = try fixture.features()
        for output in fixture.outputs {
            let session = try model.makeSession(outputs: [output.name], maxRows: fixture.rows)
            try session.predict(features.columns, rows: 0..<fixture.rows)
            compare(
                session.predictions, [output], fixture.tolerance, 0..<fixture.rows,
                "\(name) for one output")
        }
    }

    private func checkSignature(_ signature: Signature, _ fixture: Fixture) throws {
        #expect(signature.fixedBatch == fixture.fixedBatch)
        #expect(
            signature.inputs
                == fixture.inputs.map {
                    ModelInput(
                        name: $0.name, type: $0.elementType ?? .bool, rowShape: $0.rowShape)
                })
        for expected in fixture.outputs {
            let output = try #require(signature.outputs.first { $0.name == expected.name })
            #expect(output.width == expected.width, "\(expected.name)")
            if let labels = expected.labels {
                #expect(output.classLabels?.map(\.description) == labels, "\(expected.name)")
            } else {
                #expect(output.classLabels == nil, "\(expected.name)")
            }
        }
    }

    private func compare(
        _ predictions: PredictionColumns, _ outputs: [Fixture.Column], _ tolerance: Double,
        _ rows: Range<Int>, _ place: String
    ) {
        #expect(predictions.rowCount == rows.count)
        for (column, expected) in zip(predictions.columns, outputs) {
            let got = values(column, rows: rows.count)
            let wanted = expected.values[
                rows.lowerBound * expected.width..<rows.upperBound * expected.width]
            let differing = zip(got, wanted).filter {
                !agree($0, $1, expected, tolerance)
            }
            #expect(
                got.count == wanted.count && differing.isEmpty,
                "\(place), \(expected.name), rows \(rows): \(differing.prefix(3))")
        }
    }
}
