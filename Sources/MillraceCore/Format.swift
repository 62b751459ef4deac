/// How values are encoded. Registered in the command's Registry.swift.
package protocol Format: Sendable {
    /// The name in settings: `value.format`.
    var name: String { get }

    /// A codec for one lane. The plans are checked already (`MappingResolver`); an error here says
    /// that the format cannot do what they ask.
    ///
    /// - Parameters:
    ///   - features: the columns that the codec will fill.
    ///   - headers: reads `$header.NAME` sources.
    func makeCodec(
        features plan: FeaturePlan, append: AppendPlan, into features: FeatureColumns,
        headers: (any HeaderReader)?
    ) throws(ModelError) -> any BatchCodec
}

/// One lane's reader and writer of values: whole batches per call, one thread at a time.
package protocol BatchCodec: AnyObject {
    /// Reads the features of every record whose result is `.taken` from the record's bytes.
    ///
    /// A record that can be read gets a row (`results[i].row`, `features.recordOfRow`), its value
    /// copied into the batch's arena with room for the predictions (`outputStart`, `outputCount`
    /// as in the input), and stays `.taken`. One that cannot becomes a dead letter
    /// (`Batch.markDead`). Tombstones become `.passed`. Never throws, never traps on any bytes.
    func read(_ batch: Batch)

    /// Appends the predictions of `rows` (the rows of the last `read` that the session has just
    /// scored; prediction row 0 is `rows.lowerBound`) to their records in the arena: results
    /// become `.scored` with the new `outputStart` and `outputCount`, or dead.
    func append(_ predictions: PredictionColumns, rows: Range<Int>, to batch: Batch)
}
