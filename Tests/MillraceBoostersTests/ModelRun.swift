import MillraceCore
import Testing

/// Scores rows, all columns of all inputs side by side, in one batch. Numbers of each output by
/// row; a label that is a text as its place among `labels`. Texts of inputs stand in the rows as
/// their places in `texts` of that column; NaN is an empty one.
func score(
    _ model: any Model, _ rows: [[Double]], texts: [Int: [String]] = [:], labels: [String] = []
) throws -> [String: [[Double]]] {
    let signature = model.signature
    let features = try #require(FeatureColumns(zerosFor: signature.inputs, rows: rows.count))
    var start = 0
    let kept = TextRoom()
    for column in features.columns {
        for (index, row) in rows.enumerated() {
            for (place, value) in row[start..<start + column.width].enumerated() {
                let offset = (index * column.width + place) * column.type.byteCount
                switch column.type {
                case .int64:
                    unsafe column.storage.storeBytes(
                        of: Int64(value), toByteOffset: offset, as: Int64.self)
                case .float64:
                    unsafe column.storage.storeBytes(
                        of: value, toByteOffset: offset, as: Double.self)
                case .string:
                    let text = value.isNaN ? "" : texts[start + place]?[Int(value)] ?? ""
                    let slice = unsafe kept.add(text)
                    unsafe column.storage.storeBytes(
                        of: slice, toByteOffset: offset, as: TextSlice.self)
                default:
                    unsafe column.storage.storeBytes(
                        of: Float(value), toByteOffset: offset, as: Float.self)
                }
            }
        }
        start += column.width
    }
    #expect(rows.allSatisfy { $0.count == start })
    let names = signature.outputs.map(\.name)
    let session = try model.makeSession(outputs: names, maxRows: rows.count)
    try session.predict(features, rows: 0..<rows.count)
    var results: [String: [[Double]]] = [:]
    for (column, output) in zip(session.predictions.columns, signature.outputs) {
        #expect(column.type == output.type)
        #expect(column.width == output.width)
        results[column.name] = try rows.indices.map { row in
            try (0..<column.width).map { try number(column, row * column.width + $0, labels) }
        }
    }
    return results
}

/// Keeps texts where they are while they are scored.
@safe private final class TextRoom {
    private var buffers: [UnsafeMutableBufferPointer<UInt8>] = unsafe []

    func add(_ text: String) -> TextSlice {
        let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
        _ = unsafe buffer.initialize(from: text.utf8)
        unsafe buffers.append(buffer)
        guard let base = buffer.baseAddress else { return unsafe TextSlice(start: nil, count: 0) }
        return unsafe TextSlice(start: UnsafePointer(base), count: buffer.count)
    }

    deinit { unsafe buffers.forEach { unsafe $0.deallocate() } }
}

private func number(
    _ column: PredictionColumn, _ index: Int, _ labels: [String]
) throws -> Double {
    guard let start = unsafe column.base else { return .nan }
    let base = unsafe start + index * column.type.byteCount
    switch column.type {
    case .float32: return unsafe Double(base.load(as: Float.self))
    case .float64: return unsafe base.load(as: Double.self)
    case .int64: return unsafe Double(base.load(as: Int64.self))
    case .string:
        let slice = unsafe base.load(as: TextSlice.self)
        let text = unsafe String(
            decoding: UnsafeBufferPointer(start: slice.start, count: slice.count), as: UTF8.self)
        return Double(try #require(labels.firstIndex(of: text)))
    default: return .nan
    }
}
