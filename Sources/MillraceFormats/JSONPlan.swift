internal import CSimdjson
internal import MillraceCore

/// Checks the two plans against what JSON can do and hands them to the wall.
struct JSONPlanBuilder {
    let format: JSONFormat
    let features: FeaturePlan
    let append: AppendPlan
    let columns: [FeatureColumn]
    let capacityRows: Int

    /// The headers that slots read, each once.
    var headerNames: [String] {
        var names: [String] = []
        for case .header(let name) in features.slots.map(\.source) where !names.contains(name) {
            names.append(name)
        }
        return names
    }

    func check(hasHeaders: Bool) throws(ModelError) {
        guard recordsHaveTheWallsLayout() else {
            throw ModelError(
                .unsupported, "this build's record layout differs from its JSON reader's")
        }
        for slot in features.slots { try check(slot, hasHeaders: hasHeaders) }
        try checkContradictions()
        try checkAppend()
    }

    private func check(_ slot: FeatureSlot, hasHeaders: Bool) throws(ModelError) {
        guard columns.indices.contains(slot.column) else {
            throw unsupported("\(slot.source) goes into a model input that does not exist")
        }
        let column = columns[slot.column]
        let (end, overflow) = slot.element.addingReportingOverflow(slot.count)
        guard !overflow, slot.element >= 0, slot.count >= 1, end <= column.width,
            slot.isArray || slot.count == 1, slot.type == column.type
        else {
            throw unsupported("\(slot.source) does not fit model input '\(column.name)'")
        }
        guard capacityRows <= column.capacityRows else {
            throw unsupported("model input '\(column.name)' has room for fewer rows than a batch")
        }
        switch slot.source {
        case .field(let pointer):
            guard pointer.tokens.count <= Int(MILLRACE_JSON_DEPTH_LIMIT) else {
                throw unsupported(
                    "\(slot.source) is deeper than \(MILLRACE_JSON_DEPTH_LIMIT) levels")
            }
        case .header(let name):
            guard hasHeaders, !name.utf8.contains(0) else {
                throw unsupported("\(slot.source) cannot be read from this source")
            }
            fallthrough
        case .key, .timestamp:
            guard !slot.isArray else {
                throw unsupported("\(slot.source) is one value, not an array of \(slot.count)")
            }
        }
        guard slot.missing == .error || missingBits(of: slot) != nil else {
            throw unsupported(
                "\(slot.source): the value for a missing field does not fit the element type "
                    + "\(slot.type) of model input '\(column.name)'")
        }
    }

    /// A field cannot be one value and an array at once.
    private func checkContradictions() throws(ModelError) {
        var isArray: [[[UInt8]]: Bool] = [:]
        for slot in features.slots {
            guard case .field(let pointer) = slot.source else { continue }
            let path = pointer.tokens.map { Array($0.utf8) }
            if let other = isArray.updateValue(slot.isArray, forKey: path), other != slot.isArray {
                throw unsupported("\(pointer) is mapped both as one value and as an array")
            }
        }
    }

    private func checkAppend() throws(ModelError) {
        var names: Set<[UInt8]> = []
        for field in append.fields {
            guard append.outputs.indices.contains(field.column) else {
                throw unsupported("prediction field '\(field.name)' takes an unknown output")
            }
            guard names.insert(Array(field.name.utf8)).inserted else {
                throw unsupported("prediction field '\(field.name)' is there twice")
            }
            switch field.selection {
            case .element(let index):
                guard index >= 0, index <= Int(UInt32.max) else {
                    throw unsupported(
                        "prediction field '\(field.name)' takes element \(index)")
                }
            case .label(let label):
                throw unsupported(
                    "prediction field '\(field.name)' takes class '\(label)', whose place in the "
                        + "output is not known; take it by its index")
            case .vector: break
            }
        }
        guard append.onConflict != .nest || append.under != nil else {
            throw unsupported("'on_conflict: nest' needs 'append_under'")
        }
    }

    private func unsupported(_ message: String) -> ModelError {
        ModelError(.unsupported, message)
    }

    /// The bytes of one element for an absent field; nil where the policy does not fit the type,
    /// and for `error`.
    private func missingBits(of slot: FeatureSlot) -> UInt64? {
        switch slot.missing {
        case .error: nil
        case .nan:
            switch slot.type {
            case .float32: UInt64(Float.nan.bitPattern)
            case .float64: Double.nan.bitPattern
            default: nil
            }
        case .text: slot.type == .string ? 0 : nil
        case .number(let number): bits(of: number, as: slot.type)
        }
    }

    private func bits(of number: Double, as type: ElementType) -> UInt64? {
        switch type {
        case .float32:
            Float(number).isFinite ? UInt64(Float(number).bitPattern) : nil
        case .float64: number.isFinite ? number.bitPattern : nil
        case .int8: Int8(exactly: number).map { UInt64(UInt8(bitPattern: $0)) }
        case .int16: Int16(exactly: number).map { UInt64(UInt16(bitPattern: $0)) }
        case .int32: Int32(exactly: number).map { UInt64(UInt32(bitPattern: $0)) }
        case .int64: Int64(exactly: number).map { UInt64(bitPattern: $0) }
        case .uint8: UInt8(exactly: number).map { UInt64($0) }
        case .uint16: UInt16(exactly: number).map { UInt64($0) }
        case .uint32: UInt32(exactly: number).map { UInt64($0) }
        case .uint64: UInt64(exactly: number)
        case .bool: number == 0 || number == 1 ? UInt64(number) : nil
        case .string: nil
        }
    }

    /// The wall's plan; the plans have passed `check`. The caller frees it.
    func build() throws(ModelError) -> OpaquePointer {
        let texts = TextCopies()
        let limits = MillraceLimits(
            value_bytes: format.maxValueBytes, number_bytes: format.maxNumberBytes)
        let onConflict =
            switch append.onConflict {
            case .error: MILLRACE_ON_CONFLICT_ERROR
            case .keep: MILLRACE_ON_CONFLICT_KEEP
            case .nest: MILLRACE_ON_CONFLICT_NEST
            }
        guard
            let plan = unsafe millrace_json_new(
                limits, onConflict, texts.copy(append.under ?? ""), capacityRows)
        else { throw unsupported("no memory for the JSON reader") }
        let headerNames = headerNames
        for slot in features.slots {
            unsafe add(slot, headerNames: headerNames, texts: texts, to: plan)
        }
        for field in append.fields {
            var wall = unsafe MillraceField()
            unsafe wall.name = texts.copy(field.name)
            unsafe wall.column = UInt32(field.column)
            switch field.selection {
            case .element(let index): unsafe wall.element = UInt32(index)
            case .vector, .label: unsafe wall.is_vector = true
            }
            unsafe millrace_json_add_field(plan, &wall)
        }
        unsafe millrace_json_seal(plan)
        return unsafe plan
    }

    private func add(
        _ slot: FeatureSlot, headerNames: [String], texts: TextCopies, to plan: OpaquePointer
    ) {
        let column = columns[slot.column]
        var wall = unsafe MillraceSlot()
        unsafe wall.type = MillraceElementType(slot.type.rawValue)
        unsafe wall.is_array = slot.isArray
        unsafe wall.parses_text = slot.parsesText
        unsafe wall.missing_is_error = slot.missing == .error
        unsafe wall.missing_bits = missingBits(of: slot) ?? 0
        if case .text(let text) = slot.missing { unsafe wall.missing_text = texts.copy(text) }
        unsafe wall.base = column.storage.baseAddress.map {
            unsafe $0 + slot.element * slot.type.byteCount
        }
        unsafe wall.row_bytes = column.rowBytes
        unsafe wall.count = UInt32(clamping: slot.count)
        var tokens = unsafe [MillraceText]()
        switch slot.source {
        case .field(let pointer):
            unsafe wall.source = MILLRACE_SOURCE_FIELD
            unsafe tokens = pointer.tokens.map { unsafe texts.copy($0) }
        case .key: unsafe wall.source = MILLRACE_SOURCE_KEY
        case .header(let name):
            unsafe wall.source = MILLRACE_SOURCE_HEADER
            unsafe wall.header = UInt32(headerNames.firstIndex(of: name) ?? 0)
        case .timestamp: unsafe wall.source = MILLRACE_SOURCE_TIMESTAMP
        }
        unsafe tokens.withUnsafeBufferPointer { tokens in
            unsafe wall.tokens = tokens.baseAddress
            unsafe wall.token_count = tokens.count
            unsafe millrace_json_add_slot(plan, &wall)
        }
    }
}

/// Copies of texts that live as long as this does.
@safe private final class TextCopies {
    private var blocks: [UnsafeMutableBufferPointer<UInt8>]

    init() { unsafe blocks = [] }

    deinit { unsafe blocks.forEach { unsafe $0.deallocate() } }

    func copy(_ text: String) -> MillraceText {
        let block = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
        _ = unsafe block.initialize(from: text.utf8)
        unsafe blocks.append(block)
        return unsafe MillraceText(start: UnsafePointer(block.baseAddress), count: block.count)
    }
}

/// The wall reads the batch's records and results in place: both sides must agree on every offset.
func recordsHaveTheWallsLayout() -> Bool {
    let record =
        unsafe MemoryLayout<RecordView>.stride == MemoryLayout<MillraceRecord>.stride
        && MemoryLayout<RecordView>.offset(of: \.value)
            == MemoryLayout<MillraceRecord>.offset(of: \.value)
        && MemoryLayout<RecordView>.offset(of: \.valueCount)
            == MemoryLayout<MillraceRecord>.offset(of: \.value_count)
        && MemoryLayout<RecordView>.offset(of: \.key)
            == MemoryLayout<MillraceRecord>.offset(of: \.key)
        && MemoryLayout<RecordView>.offset(of: \.keyCount)
            == MemoryLayout<MillraceRecord>.offset(of: \.key_count)
        && MemoryLayout<RecordView>.offset(of: \.timestampMs)
            == MemoryLayout<MillraceRecord>.offset(of: \.timestamp_ms)
    let result =
        MemoryLayout<RecordResult>.stride == MemoryLayout<MillraceResult>.stride
        && MemoryLayout<RecordResult>.offset(of: \.state)
            == MemoryLayout<MillraceResult>.offset(of: \.state)
        && MemoryLayout<RecordResult>.offset(of: \.row)
            == MemoryLayout<MillraceResult>.offset(of: \.row)
        && MemoryLayout<RecordResult>.offset(of: \.outputStart)
            == MemoryLayout<MillraceResult>.offset(of: \.output_start)
        && MemoryLayout<RecordResult>.offset(of: \.outputCount)
            == MemoryLayout<MillraceResult>.offset(of: \.output_count)
    let text =
        unsafe MemoryLayout<TextSlice>.stride == MemoryLayout<MillraceText>.stride
        && MemoryLayout<TextSlice>.offset(of: \.count)
            == MemoryLayout<MillraceText>.offset(of: \.count)
    let states =
        byte(of: .taken) == UInt8(MILLRACE_STATE_TAKEN)
        && byte(of: .scored) == UInt8(MILLRACE_STATE_SCORED)
        && byte(of: .passed) == UInt8(MILLRACE_STATE_PASSED)
        && byte(of: .dead) == UInt8(MILLRACE_STATE_DEAD)
    return record && result && text && states
}

/// How that state looks in memory.
private func byte(of state: RecordResult.State) -> UInt8? {
    unsafe withUnsafeBytes(of: state) { bytes in unsafe bytes.count == 1 ? bytes[0] : nil }
}
