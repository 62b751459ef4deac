package import MillraceCore
import MillraceFormats

/// A mapping with its prediction fields, and the texts that those get.
struct TrialPlan {
    let name: String
    let columns: [FeaturePlan.Column]
    let slots: [FeatureSlot]
    let append: AppendPlan
    /// What each prediction field is, as it is written; nil is the model's text.
    let written: [String?]
}

/// Runs values through the JSON codec, decode and append, and compares all of it with Foundation.
@safe package final class RecordTrial {
    package static let batchCount = 64

    private let plan: TrialPlan
    private let features: FeatureColumns
    private let codec: any BatchCodec
    private let batch = Batch(slot: 0, capacity: batchCount)
    private let predictions: PredictionColumns
    private let outputs: TrialOutputs
    /// The output `label` as it is written.
    private let label: String
    private var blocks: [UnsafeMutableRawBufferPointer]
    private var values: [[UInt8]] = []

    /// Records that were scored, and dead ones by their class.
    package private(set) var scored = 0
    package private(set) var refused: [RecordError.Kind: Int] = [:]

    /// A new codec for one of the mappings; its buffers have no size yet.
    ///
    /// - Parameter variant: any number; which mapping it is, and how long the texts are that the
    ///   model says.
    package init(variant: UInt64) throws(ModelError) {
        unsafe blocks = []
        let plans = TrialPlan.all
        plan = plans[Int(variant % UInt64(plans.count))]
        let lengths = [1, 1, 40, 2000]
        let repeats = lengths[Int(variant / UInt64(plans.count) % UInt64(lengths.count))]
        let mapping = FeaturePlan(columns: plan.columns, slots: plan.slots)
        features = try FeatureColumns(mapping, capacityRows: Self.batchCount)
        codec = try JSONFormat().makeCodec(
            features: mapping, append: plan.append, into: features, headers: nil)
        outputs = TrialOutputs(rows: Self.batchCount, repeats: repeats)
        predictions = outputs.columns
        label = "\"" + String(repeating: #"a\"\n"#, count: repeats) + "\""
    }

    deinit { free() }

    private func free() {
        unsafe blocks.forEach { unsafe $0.deallocate() }
        unsafe blocks.removeAll(keepingCapacity: true)
    }

    /// Each finding is one line; the place in the batch comes with it.
    package func run(_ values: [[UInt8]]) -> [(index: Int, finding: String)] {
        self.values = values
        fill()
        codec.read(batch)
        var findings: [(Int, String)] = []
        let oracles = values.map { JSONOracle($0) }
        for (index, oracle) in oracles.enumerated() {
            if let finding = checkRead(index, oracle) { findings.append((index, finding)) }
        }
        // In two parts, as after a batch that was halved.
        let half = features.rowCount / 2
        for rows in [0..<half, half..<features.rowCount] where !rows.isEmpty {
            predictions.rowCount = rows.count
            codec.append(predictions, rows: rows, to: batch)
        }
        for (index, oracle) in oracles.enumerated() {
            if let finding = checkAppended(index, oracle) { findings.append((index, finding)) }
        }
        return findings.map { (index: $0.0, finding: "\(plan.name): \($0.1)") }
    }

    private func fill() {
        free()
        batch.reset()
        for (index, value) in values.enumerated() {
            let bytes = unsafe keep(value)
            let key = unsafe keep(Array(value.prefix(index % 3 * 4)))
            unsafe batch.add(
                RecordView(
                    value: bytes.baseAddress, valueCount: bytes.count,
                    key: index % 3 == 0 ? nil : key.baseAddress, keyCount: key.count,
                    timestampMs: Int64(index), offset: Int64(index), partition: 0, epoch: 0,
                    handle: nil),
                run: 0)
        }
    }

    /// Bytes at an exact address range, so that a sanitizer sees each byte read too far.
    private func keep(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
        let block = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(bytes.count, 1), alignment: 1)
        unsafe block.copyBytes(from: bytes)
        unsafe blocks.append(block)
        return unsafe UnsafeRawBufferPointer(rebasing: block[0..<bytes.count])
    }

    // MARK: - Reading

    private func checkRead(_ index: Int, _ oracle: JSONOracle) -> String? {
        let expectations = plan.slots.flatMap { self.expectations($0, index, oracle) }
        let isConflict = hasConflict(oracle)
        guard let error = batch.error(of: index) else {
            if oracle.root == nil {
                return oracle.hasLongNumber ? nil : "taken, and Foundation refuses it"
            }
            if oracle.depth > 64 { return "taken, \(oracle.depth) levels deep" }
            if oracle.mayLackMarks { return nil }
            if isConflict { return "taken, though a prediction field is there" }
            return checkValues(index, oracle)
        }
        refused[error.kind, default: 0] += 1
        if error.message.utf8.count > 400 || error.message.utf8.contains(where: { $0 < 0x20 }) {
            return "a message that is no line: \(error.message)"
        }
        guard oracle.root != nil else {
            return Self.isSyntax(error.kind) || oracle.hasLongNumber
                ? nil : "Foundation refuses it, and it is dead for \(error)"
        }
        if oracle.mayLackMarks { return nil }
        let isRight =
            switch error.kind {
            case .malformed: oracle.hasTrailingComma
            case .tooDeep: oracle.depth > 64
            case .tooLarge: oracle.longestNumber > 1024
            case .duplicateField: oracle.hasDuplicates
            case .fieldExists: isConflict || oracle.hasDuplicates
            // Which of two fields Foundation has seen is not said.
            default:
                oracle.hasDuplicates || expectations.contains { $0.kinds.contains(error.kind) }
            }
        return isRight ? nil : "Foundation takes it, and it is dead for \(error)"
    }

    private static func isSyntax(_ kind: RecordError.Kind) -> Bool {
        [.malformed, .invalidUTF8, .notAnObject, .tooDeep, .tooLarge].contains(kind)
    }

    /// What may become of each element of the slot.
    private func expectations(
        _ slot: FeatureSlot, _ index: Int, _ oracle: JSONOracle
    ) -> [Expectation] {
        guard case .field(let pointer) = slot.source else { return [external(slot, index)] }
        let value = oracle.find(pointer)
        guard slot.isArray else { return [Expectation(value, slot)] }
        guard let list = value as? [Any] else {
            let isThere = !(value == nil || value is TrialNull)
            return Array(
                repeating: isThere ? .failure(.wrongType) : Expectation(nil, slot),
                count: slot.count)
        }
        guard list.count == slot.count else {
            return Array(
                repeating: Expectation(
                    kinds: [.wrongType, .missingField, .outOfRange], isValue: nil),
                count: slot.count)
        }
        return list.map { Expectation($0, slot) }
    }

    private func external(_ slot: FeatureSlot, _ index: Int) -> Expectation {
        guard slot.source == .key else {
            return .value { $0 == .signed(Int64(index)) }
        }
        guard index % 3 != 0 else { return Expectation(nil, slot) }
        let key = Array(values[index].prefix(index % 3 * 4))
        return String(validating: key, as: UTF8.self) == nil
            ? .failure(.invalidUTF8) : .value { $0 == .text(key) }
    }

    /// Whether the record has a field of a prediction field's name, and may not.
    private func hasConflict(_ oracle: JSONOracle) -> Bool {
        guard let root = oracle.root else { return false }
        return switch plan.append.onConflict {
        case .error: plan.append.fields.contains { root[$0.name] != nil }
        case .nest: root[plan.append.under ?? ""] != nil
        case .keep: false
        }
    }

    private func checkValues(_ index: Int, _ oracle: JSONOracle) -> String? {
        let row = unsafe Int(batch.results[index].row)
        guard (0..<features.rowCount).contains(row), features.recordOfRow[row] == Int32(index)
        else { return "no row" }
        for slot in plan.slots {
            for (element, expected) in expectations(slot, index, oracle).enumerated() {
                let value = self.value(slot, element, row: row)
                guard let isValue = expected.isValue else {
                    return "\(slot.source) is \(value), and should be \(expected.kinds)"
                }
                if !isValue(value) {
                    return "\(slot.source) element \(element) is \(value), not Foundation's"
                }
            }
        }
        return nil
    }

    private func value(_ slot: FeatureSlot, _ element: Int, row: Int) -> SlotValue {
        let column = features.columns[slot.column]
        let place = row * column.rowBytes + (slot.element + element) * slot.type.byteCount
        let storage = unsafe UnsafeRawBufferPointer(column.storage)
        func load<Element: BitwiseCopyable>(_ type: Element.Type) -> Element {
            unsafe storage.loadUnaligned(fromByteOffset: place, as: type)
        }
        switch slot.type {
        case .float32: return .real(Double(load(Float.self)))
        case .float64: return .real(load(Double.self))
        case .int8: return .signed(Int64(load(Int8.self)))
        case .int16: return .signed(Int64(load(Int16.self)))
        case .int32: return .signed(Int64(load(Int32.self)))
        case .int64: return .signed(load(Int64.self))
        case .uint8, .bool: return .signed(Int64(load(UInt8.self)))
        case .uint16: return .signed(Int64(load(UInt16.self)))
        case .uint32: return .signed(Int64(load(UInt32.self)))
        case .uint64: return .signed(Int64(clamping: load(UInt64.self)))
        case .string:
            let slice = unsafe storage.loadUnaligned(fromByteOffset: place, as: TextSlice.self)
            return unsafe .text(
                Array(UnsafeBufferPointer(start: slice.start, count: slice.count)))
        }
    }

    // MARK: - Appending

    /// The input's bytes, the prediction fields in front of the last brace, and nothing else.
    private func checkAppended(_ index: Int, _ oracle: JSONOracle) -> String? {
        let result = unsafe batch.results[index]
        let isDead = batch.error(of: index) != nil
        guard result.state == (isDead ? .dead : .scored) else { return "state \(result.state)" }
        if isDead { return nil }
        scored += 1
        let input = values[index]
        guard result.outputStart >= 0, result.outputCount >= input.count,
            result.outputStart + result.outputCount <= batch.arena.used,
            let brace = input.lastIndex(of: UInt8(ascii: "}"))
        else { return "an output of \(result.outputCount) bytes at \(result.outputStart)" }
        let output = unsafe Array(
            UnsafeRawBufferPointer(
                start: batch.arena.base + result.outputStart, count: result.outputCount))
        let tail = input[brace...]
        guard output.starts(with: input[..<brace]), output.suffix(tail.count) == tail else {
            return "the input's bytes have changed"
        }
        let middle = output[brace..<(output.count - tail.count)]
        guard let root = oracle.root, !oracle.mayLackMarks else { return nil }
        let insertion = insertion(root)
        guard middle.elementsEqual(insertion.text.utf8) else {
            return "'\(String(decoding: middle, as: UTF8.self))' was appended, not "
                + "'\(insertion.text)'"
        }
        guard let appended = JSONOracle(output).root else { return "the output does not parse" }
        return appended.count == root.count + insertion.count
            ? nil : "\(appended.count) fields in the output of a record with \(root.count)"
    }

    private func insertion(_ root: [String: Any]) -> (text: String, count: Int) {
        var fields: [String] = []
        for (field, text) in zip(plan.append.fields, plan.written) {
            if plan.append.onConflict == .keep, root[field.name] != nil { continue }
            fields.append("\"\(field.name)\":\(text ?? label)")
        }
        if let under = plan.append.under {
            fields = ["\"\(under)\":{\(fields.joined(separator: ","))}"]
        }
        guard !fields.isEmpty else { return ("", 0) }
        return ((root.isEmpty ? "" : ",") + fields.joined(separator: ","), fields.count)
    }
}
