internal import CSimdjson
internal import MillraceCore

/// One lane's JSON reader and writer: hands whole batches to the wall and turns what it reports
/// into record errors.
@safe final class JSONCodec: BatchCodec {
    private let plan: OpaquePointer
    private let features: FeatureColumns
    private let messages: JSONMessages
    private let headers: (any HeaderReader)?
    /// Names of the headers that slots read, null-terminated.
    private let headerNames: [[CChar]]
    /// For each record of a batch, one text for each of `headerNames`.
    private var headerTexts: [MillraceText]
    private var outputs: [MillracePrediction]
    private let outputCount: Int

    init(
        format: JSONFormat, features plan: FeaturePlan, append: AppendPlan,
        into features: FeatureColumns, headers: (any HeaderReader)?
    ) throws(ModelError) {
        let builder = JSONPlanBuilder(
            format: format, features: plan, append: append, columns: features.columns,
            capacityRows: features.recordOfRow.count)
        try builder.check(hasHeaders: headers != nil)
        unsafe self.plan = try builder.build()
        self.features = features
        self.messages = JSONMessages(format: format, features: plan, append: append)
        self.headers = headers
        self.headerNames = builder.headerNames.map { Array($0.utf8CString) }
        self.outputCount = append.outputs.count
        unsafe self.headerTexts = []
        unsafe self.outputs = Array(repeating: MillracePrediction(), count: outputCount)
    }

    deinit { unsafe millrace_json_free(plan) }

    func read(_ batch: Batch) {
        readHeaders(of: batch)
        let records = unsafe UnsafeRawPointer(batch.records)
            .assumingMemoryBound(to: MillraceRecord.self)
        let results = unsafe UnsafeMutableRawPointer(batch.results)
            .assumingMemoryBound(to: MillraceResult.self)
        unsafe batch.arena.reserve(millrace_json_room(plan, records, results, batch.count))
        let arena = unsafe batch.arena.base.assumingMemoryBound(to: UInt8.self)
        let summary = unsafe features.recordOfRow.withUnsafeMutableBufferPointer { rows in
            unsafe headerTexts.withUnsafeBufferPointer { texts in
                unsafe millrace_json_read(
                    plan, records, results, batch.count, arena, batch.arena.used,
                    rows.baseAddress, headerNames.isEmpty ? nil : texts.baseAddress,
                    headerNames.count)
            }
        }
        unsafe batch.arena.used = summary.arena_used
        unsafe features.rowCount = summary.row_count
        for index in unsafe 0..<summary.problem_count {
            guard let problem = unsafe summary.problems?[index] else { break }
            batch.markDead(Int(problem.record), messages.error(for: problem))
        }
    }

    func append(_ predictions: PredictionColumns, rows: Range<Int>, to batch: Batch) {
        guard rows.lowerBound >= 0, rows.upperBound <= features.rowCount,
            rows.count <= predictions.rowCount, predictions.columns.count == outputCount
        else {
            return refuse(
                rows.clamped(to: 0..<features.rowCount), of: batch,
                "the session gave fewer rows or outputs than asked for")
        }
        for (index, column) in predictions.columns.enumerated() {
            unsafe outputs[index] = MillracePrediction(
                base: column.base, type: MillraceElementType(column.type.rawValue),
                width: UInt32(clamping: column.width))
        }
        var next = rows.lowerBound
        while next < rows.upperBound {
            let progress = append(from: next, rows: rows, to: batch)
            batch.arena.used = progress.arena_used
            next = progress.next_row
            if progress.outcome == MILLRACE_APPEND_NEEDS_ROOM {
                batch.arena.reserve(progress.needed)
            } else if progress.outcome == MILLRACE_APPEND_NO_SUCH_ELEMENT {
                return refuse(
                    next..<rows.upperBound, of: batch,
                    messages.missingElement(ofField: Int(progress.field), in: predictions))
            }
        }
    }

    private func append(
        from first: Int, rows: Range<Int>, to batch: Batch
    ) -> MillraceAppendProgress {
        let results = unsafe UnsafeMutableRawPointer(batch.results)
            .assumingMemoryBound(to: MillraceResult.self)
        let arena = unsafe batch.arena.base.assumingMemoryBound(to: UInt8.self)
        return unsafe features.recordOfRow.withUnsafeBufferPointer { recordOfRow in
            unsafe outputs.withUnsafeBufferPointer { outputs in
                unsafe millrace_json_append(
                    plan, results, recordOfRow.baseAddress, first, rows.upperBound,
                    rows.lowerBound, outputs.baseAddress, arena, batch.arena.used,
                    batch.arena.capacity)
            }
        }
    }

    private func refuse(_ rows: Range<Int>, of batch: Batch, _ message: String) {
        for row in rows {
            batch.markDead(Int(features.recordOfRow[row]), RecordError(.inference, message))
        }
    }

    /// Asks the source for the headers that slots read.
    private func readHeaders(of batch: Batch) {
        guard let headers, !headerNames.isEmpty else { return }
        unsafe headerTexts.removeAll(keepingCapacity: true)
        for record in 0..<batch.count {
            for name in headerNames {
                unsafe headerTexts.append(
                    text(of: batch.records[record].handle, named: name, headers))
            }
        }
    }

    private func text(
        of handle: UnsafeMutableRawPointer?, named name: [CChar], _ headers: any HeaderReader
    ) -> MillraceText {
        guard let handle = unsafe handle,
            let bytes = unsafe headers.lastHeader(named: name, of: handle)
        else { return unsafe MillraceText(start: nil, count: 0) }
        // An empty header is a text, whether or not it has an address.
        let start = unsafe bytes.baseAddress ?? UnsafeRawPointer(handle)
        return unsafe MillraceText(
            start: start.assumingMemoryBound(to: UInt8.self), count: bytes.count)
    }
}
