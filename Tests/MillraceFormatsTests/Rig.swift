import Foundation
import MillraceCore
import MillraceFormats
import RecordProbe
import Testing

/// One record as a test writes it.
struct TestRecord {
    var value: [UInt8]?
    var key: [UInt8]?
    var timestampMs: Int64 = -1
    var headers: [String: [UInt8]] = [:]

    init(_ text: String) { value = Array(text.utf8) }
    init(bytes: [UInt8]?) { value = bytes }
}

/// Headers of records whose handle is their index plus one.
@safe final class TestHeaders: HeaderReader, @unchecked Sendable {
    // Written before the codec reads, on the same thread.
    var headers: [[String: UnsafeRawBufferPointer]]

    init() { unsafe headers = [] }

    func lastHeader(
        named name: [CChar], of handle: UnsafeMutableRawPointer
    ) -> UnsafeRawBufferPointer? {
        let text = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return unsafe headers[Int(bitPattern: handle) - 1][text]
    }
}

/// A codec with its columns and a batch.
@safe final class Rig {
    let features: FeatureColumns
    let codec: any BatchCodec
    let batch: Batch
    let appendPlan: AppendPlan
    private let headers = TestHeaders()
    private var blocks: [UnsafeMutableRawBufferPointer]

    init(
        _ slots: [FeatureSlot], columns: [FeaturePlan.Column], append: AppendPlan = .score,
        format: JSONFormat = JSONFormat(), capacityRows: Int = 64
    ) throws {
        unsafe blocks = []
        let built = try columns.map { column in
            try #require(
                FeatureColumn(
                    name: column.name, type: column.type, rowShape: column.rowShape,
                    capacityRows: capacityRows))
        }
        features = FeatureColumns(columns: built, capacityRows: capacityRows)
        codec = try format.makeCodec(
            features: FeaturePlan(columns: columns, slots: slots), append: append, into: features,
            headers: headers)
        batch = Batch(slot: 0, capacity: capacityRows)
        appendPlan = append
    }

    deinit { unsafe blocks.forEach { unsafe $0.deallocate() } }

    /// Scalars from pointers, each an element of one float32 input.
    convenience init(
        floats pointers: [String], missing: MissingPolicy = .error, append: AppendPlan = .score,
        format: JSONFormat = JSONFormat(), capacityRows: Int = 64
    ) throws {
        let slots = try pointers.enumerated().map { index, pointer in
            FeatureSlot(
                source: .field(try #require(FieldPointer(pointer))), column: 0, element: index,
                count: 1, isArray: false, type: .float32, missing: missing, parsesText: false)
        }
        try self.init(
            slots,
            columns: pointers.isEmpty
                ? [] : [.init(name: "features", type: .float32, rowShape: [pointers.count])],
            append: append, format: format, capacityRows: capacityRows)
    }

    /// One slot that is the whole of one input.
    convenience init(
        one source: FeatureSource, _ type: ElementType, count: Int? = nil,
        missing: MissingPolicy = .error, parsesText: Bool = false
    ) throws {
        let slot = FeatureSlot(
            source: source, column: 0, element: 0, count: count ?? 1, isArray: count != nil,
            type: type, missing: missing, parsesText: parsesText)
        try self.init(
            [slot],
            columns: [.init(name: "x", type: type, rowShape: count.map { [$0] } ?? [])])
    }

    /// Reads the records as one batch.
    func read(_ records: [TestRecord]) {
        batch.reset()
        unsafe headers.headers = []
        for (index, record) in records.enumerated() {
            let value = unsafe record.value.map { unsafe keep($0) }
            let key = unsafe record.key.map { unsafe keep($0) }
            unsafe headers.headers.append(record.headers.mapValues { unsafe keep($0) })
            unsafe batch.add(
                RecordView(
                    value: value?.baseAddress, valueCount: value?.count ?? 0,
                    key: key?.baseAddress, keyCount: key?.count ?? 0,
                    timestampMs: record.timestampMs, offset: Int64(index), partition: 0, epoch: 0,
                    handle: UnsafeMutableRawPointer(bitPattern: index + 1)),
                run: 0)
        }
        codec.read(batch)
    }

    func read(_ texts: String...) { read(texts.map { TestRecord($0) }) }

    /// Bytes at an exact address range, so that a sanitizer sees each byte read too far.
    private func keep(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
        let block = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(bytes.count, 1), alignment: 1)
        unsafe block.copyBytes(from: bytes)
        unsafe blocks.append(block)
        return unsafe UnsafeRawBufferPointer(rebasing: block[0..<bytes.count])
    }

    /// Element of a row of a column.
    func element<Element>(
        _ index: Int = 0, row: Int = 0, column: Int = 0, as: Element.Type
    ) -> Element {
        let column = features.columns[column]
        return unsafe UnsafeRawBufferPointer(column.storage).loadUnaligned(
            fromByteOffset: row * column.rowBytes + index * MemoryLayout<Element>.stride,
            as: Element.self)
    }

    func floats(row: Int = 0) -> [Float] {
        (0..<features.columns[0].width).map { element($0, row: row, as: Float.self) }
    }

    func text(_ index: Int = 0, row: Int = 0) -> String {
        let slice = unsafe element(index, row: row, as: TextSlice.self)
        return unsafe String(
            decoding: UnsafeBufferPointer(start: slice.start, count: slice.count), as: UTF8.self)
    }

    /// Appends these rows of one float32 output.
    func append(scores: [Float], width: Int = 1) {
        unsafe scores.withUnsafeBytes { bytes in
            unsafe append(
                [("score", .float32, width, bytes.baseAddress)], rows: scores.count / width)
        }
    }

    /// Appends these rows of one output of that type.
    func append<Element>(_ values: [Element], _ type: ElementType, width: Int = 1) {
        unsafe values.withUnsafeBytes { bytes in
            unsafe append([("score", type, width, bytes.baseAddress)], rows: values.count / width)
        }
    }

    /// Appends rows of one string output.
    func append(texts: [[UInt8]]) {
        let slices = unsafe texts.map { text in
            let kept = unsafe keep(text)
            return unsafe TextSlice(
                start: kept.baseAddress?.assumingMemoryBound(to: UInt8.self), count: kept.count)
        }
        unsafe slices.withUnsafeBytes { bytes in
            unsafe append([("score", .string, 1, bytes.baseAddress)], rows: texts.count)
        }
    }

    func append(
        _ outputs: [(String, ElementType, Int, UnsafeRawPointer?)], rows: Int, from first: Int = 0
    ) {
        let predictions = unsafe PredictionColumns(
            columns: outputs.map { name, type, width, base in
                let column = PredictionColumn(name: name, type: type, width: width)
                unsafe column.base = base
                return column
            })
        predictions.rowCount = rows
        codec.append(predictions, rows: first..<first + rows, to: batch)
    }

    func output(_ record: Int = 0) -> [UInt8] {
        let result = unsafe batch.results[record]
        return unsafe Array(
            UnsafeRawBufferPointer(
                start: batch.arena.base + result.outputStart, count: result.outputCount))
    }

    func outputText(_ record: Int = 0) -> String { String(decoding: output(record), as: UTF8.self) }

    func error(_ record: Int = 0) -> RecordError? { batch.error(of: record) }
    func state(_ record: Int = 0) -> RecordResult.State { unsafe batch.results[record].state }
    func row(of record: Int) -> Int32 { unsafe batch.results[record].row }
    func pass(_ record: Int) { unsafe batch.results[record].state = .passed }
}

extension AppendPlan {
    /// The field `score` from element 0 of one output.
    static let score = AppendPlan.fields(["score"])

    /// Fields with these names; each takes the element of its index.
    static func fields(
        _ names: [String], _ onConflict: ConflictPolicy = .error, under: String? = nil
    ) -> AppendPlan {
        AppendPlan(
            outputs: ["score"],
            fields: names.enumerated().map { index, name in
                AppendField(name: name, column: 0, selection: .element(index))
            },
            onConflict: onConflict, under: under)
    }
}

/// The mapping of the benchmark and of Tests/Corpus: amount, hour, v2 ... v15.
let benchPointers = HostileRecords.benchNames.map { "/\($0)" }
