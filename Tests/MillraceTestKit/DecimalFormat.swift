internal import Glibc
package import MillraceCore

/// A format whose values are decimal numbers as text: `21` becomes `21=42` where the model answers
/// 42. Anything else is `.malformed`; tombstones pass.
package struct DecimalFormat: Format {
    package let name = "decimal"

    package init() {}

    package func makeCodec(
        features plan: FeaturePlan, append: AppendPlan, into features: FeatureColumns,
        headers: (any HeaderReader)?
    ) throws(ModelError) -> any BatchCodec {
        DecimalCodec(features)
    }

    /// One float64 input.
    package static let features = FeaturePlan(
        columns: [FeaturePlan.Column(name: "x", type: .float64, rowShape: [])],
        slots: [
            FeatureSlot(
                source: .field(FieldPointer(tokens: ["x"])), column: 0, element: 0, count: 1,
                isArray: false, type: .float64, missing: .error, parsesText: false)
        ])

    /// One float64 output.
    package static let append = AppendPlan(
        outputs: ["y"],
        fields: [AppendField(name: "y", column: 0, selection: .element(0))],
        onConflict: .error, under: nil)
}

@safe private final class DecimalCodec: BatchCodec {
    private let features: FeatureColumns

    init(_ features: FeatureColumns) { self.features = features }

    func read(_ batch: Batch) {
        features.rowCount = 0
        for index in 0..<batch.count where unsafe batch.results[index].state == .taken {
            let record = unsafe batch.records[index]
            guard let value = unsafe record.value else {
                unsafe batch.results[index].state = .passed
                continue
            }
            let bytes = unsafe UnsafeRawBufferPointer(start: value, count: record.valueCount)
            guard let number = Double(unsafe String(decoding: bytes, as: UTF8.self)) else {
                batch.markDead(index, RecordError(.malformed, "not a decimal number"))
                continue
            }
            let row = features.rowCount
            unsafe features.columns[0].storage.storeBytes(
                of: number, toByteOffset: row * 8, as: Double.self)
            features.recordOfRow[row] = Int32(index)
            features.rowCount += 1
            unsafe batch.results[index].row = Int32(row)
            unsafe batch.results[index].outputStart = batch.arena.used
            unsafe batch.results[index].outputCount = bytes.count
            unsafe Self.add(bytes, to: batch.arena)
        }
    }

    func append(_ predictions: PredictionColumns, rows: Range<Int>, to batch: Batch) {
        for row in rows {
            let index = Int(features.recordOfRow[row])
            guard let base = unsafe predictions.columns[0].base else { continue }
            let answer = unsafe base.load(
                fromByteOffset: (row - rows.lowerBound) * 8, as: Double.self)
            let result = unsafe batch.results[index]
            let text = Array("=\(Int(answer))".utf8)
            let start = batch.arena.used
            batch.arena.reserve(result.outputCount + text.count)
            unsafe Self.add(
                UnsafeRawBufferPointer(
                    start: batch.arena.base + result.outputStart, count: result.outputCount),
                to: batch.arena)
            unsafe text.withUnsafeBytes { unsafe Self.add($0, to: batch.arena) }
            unsafe batch.results[index].outputStart = start
            unsafe batch.results[index].outputCount = batch.arena.used - start
            unsafe batch.results[index].state = .scored
        }
    }

    private static func add(_ bytes: UnsafeRawBufferPointer, to arena: OutputArena) {
        arena.reserve(bytes.count)
        guard let start = bytes.baseAddress else { return }
        unsafe (arena.base + arena.used).copyMemory(from: start, byteCount: bytes.count)
        arena.used += bytes.count
    }
}
