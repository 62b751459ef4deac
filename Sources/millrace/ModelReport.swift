internal import MillraceConfig
internal import MillraceCore
internal import MillraceWorker

/// All that `millrace model` tells of a file.
struct ModelReport {
    /// What a call of the model costs for batches of some sizes.
    struct Cost {
        /// Rows of one call, and its time in microseconds: the median of many calls.
        let calls: [(rows: Int, us: Double)]

        /// The line us = a + b * rows through the smallest and the largest batch.
        var line: (a: Double, b: Double) {
            guard let first = calls.first, let last = calls.last, last.rows > first.rows else {
                return (calls.first?.us ?? 0, 0)
            }
            let b = max(0, last.us - first.us) / Double(last.rows - first.rows)
            return (max(0, first.us - b * Double(first.rows)), b)
        }
    }

    static let measuredRows = [1, 32, 512]
    /// Enough calls that the median means something, within a time that people wait.
    private static let measuringNs: Int64 = 50_000_000
    private static let callsMin = 5

    let path: String
    let engine: String
    let engineVersion: String
    let declined: [LoadedModel.Declined]
    let facts: ModelFacts
    let sha256: String
    let bytes: Int
    let signature: Signature
    /// Or why it could not be measured.
    let cost: Result<Cost, ModelError>

    /// Loads the model with the engine that knows it, and times it.
    init(path: String, engines: [any Engine], choice: EngineChoice) throws(ModelError) {
        let watchdog = LoadWatchdog(path: path, timeoutNs: LoadWatchdog.usualNs)
        defer { watchdog.end() }
        let loaded = try LoadedModel(path: path, engines: engines, choice: choice)
        let model = loaded.model
        self.path = path
        engine = loaded.engine
        declined = loaded.declined
        engineVersion = model.engineVersion
        facts = model.facts
        sha256 = try ModelFile.sha256(of: path)
        bytes = try ModelFile.byteCount(of: path)
        signature = model.signature
        do throws(ModelError) {
            cost = .success(try Self.measure(model))
        } catch {
            cost = .failure(error)
        }
    }

    private static func measure(_ model: any Model) throws(ModelError) -> Cost {
        let most = measuredRows.max() ?? 1
        guard let columns = FeatureColumns(zerosFor: model.signature.inputs, rows: most) else {
            throw ModelError(.unsupported, "an input leaves its width open")
        }
        let session = try model.makeSession(
            outputs: model.signature.outputs.map(\.name), maxRows: most)
        fillWithNumbers(columns)
        var calls: [(rows: Int, us: Double)] = []
        for rows in measuredRows {
            calls.append((rows, try medianUs(session, columns, rows: rows)))
        }
        return Cost(calls: calls)
    }

    private static func medianUs(
        _ session: any Session, _ columns: FeatureColumns, rows: Int
    ) throws(ModelError) -> Double {
        let clock = WorkerClock.system
        let started = clock.monotonicNs()
        try session.predict(columns, rows: 0..<rows)  // not counted: it may allocate
        var times: [Int64] = []
        while times.count < callsMin || clock.monotonicNs() - started < measuringNs {
            let begun = clock.monotonicNs()
            try session.predict(columns, rows: 0..<rows)
            times.append(clock.monotonicNs() - begun)
        }
        return Double(times.sorted()[times.count / 2]) / 1e3
    }

    /// Different numbers in each row: a tree walks the same path for equal rows, and is faster than
    /// it would be. Integers and texts stay 0 and empty, as others might be refused.
    private static func fillWithNumbers(_ columns: FeatureColumns) {
        var state: UInt64 = 1
        func next() -> Double {  // SplitMix64 (Steele, Lea, Flood 2014), to -2...2
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            mixed ^= mixed >> 31
            return Double(mixed >> 11) / Double(UInt64(1) << 53) * 4 - 2
        }
        for column in columns.columns {
            switch column.type {
            case .float32:
                let values = unsafe column.storage.bindMemory(to: Float.self)
                for index in values.indices { unsafe values[index] = Float(next()) }
            case .float64:
                let values = unsafe column.storage.bindMemory(to: Double.self)
                for index in values.indices { unsafe values[index] = next() }
            default: break
            }
        }
    }
}
