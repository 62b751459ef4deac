internal import CSimdjson
internal import MillraceCore

/// What is said about records that cannot be read: names of the mapping and byte offsets, never
/// text of the record.
struct JSONMessages {
    let format: JSONFormat
    let features: FeaturePlan
    let append: AppendPlan

    func error(for problem: MillraceProblem) -> RecordError {
        syntaxError(for: problem) ?? limitError(for: problem) ?? mappingError(for: problem)
    }

    /// The field selects an element that its output does not have.
    func missingElement(ofField index: Int, in predictions: PredictionColumns) -> String {
        guard append.fields.indices.contains(index) else {
            return "an output has fewer elements than a prediction field takes"
        }
        let field = append.fields[index]
        let output = predictions.columns[field.column]
        guard case .element(let element) = field.selection, unsafe output.base != nil else {
            return "model output '\(output.name)' has no values for '\(field.name)'"
        }
        return "model output '\(output.name)' has \(output.width) elements in a row, but "
            + "'\(field.name)' takes element \(element)"
    }

    private func syntaxError(for problem: MillraceProblem) -> RecordError? {
        let place = "byte \(problem.at)"
        let found = quoted(problem.byte)
        let text: String
        switch problem.kind {
        case MILLRACE_EMPTY: text = "the value is empty, wanted a JSON object"
        case MILLRACE_BYTE_ORDER_MARK:
            text = "byte 0: a byte order mark, which JSON does not have"
        case MILLRACE_INVALID_UTF8:
            return RecordError(.invalidUTF8, "\(place): not valid UTF-8")
        case MILLRACE_UNCLOSED_STRING: text = "a string is not closed"
        case MILLRACE_CONTROL_CHARACTER:
            text = "\(place): a control character inside a string, which must be escaped"
        case MILLRACE_TRUNCATED: text = "\(place): the value ends before the object does"
        case MILLRACE_EXPECTED_VALUE: text = "\(place): wanted a value, found \(found)"
        case MILLRACE_EXPECTED_KEY: text = "\(place): wanted a field name, found \(found)"
        case MILLRACE_EXPECTED_COLON:
            text = "\(place): wanted ':' after a field name, found \(found)"
        case MILLRACE_EXPECTED_COMMA_OR_BRACE:
            text = "\(place): wanted ',' or '}' after a field, found \(found)"
        case MILLRACE_EXPECTED_COMMA_OR_BRACKET:
            text = "\(place): wanted ',' or ']' after an element, found \(found)"
        case MILLRACE_BAD_NUMBER: text = "\(place): not a number as JSON writes them"
        case MILLRACE_BAD_LITERAL: text = "\(place): wanted true, false or null"
        case MILLRACE_BAD_ESCAPE: text = "\(place): a wrong escape in a string"
        case MILLRACE_TRAILING_BYTES: text = "\(place): more bytes after the end of the value"
        default: return nil
        }
        return RecordError(.malformed, text)
    }

    private func limitError(for problem: MillraceProblem) -> RecordError? {
        switch problem.kind {
        case MILLRACE_NOT_AN_OBJECT:
            RecordError(.notAnObject, "the value is \(name(of: problem.found)), not an object")
        case MILLRACE_TOO_DEEP:
            RecordError(
                .tooDeep,
                "byte \(problem.at): nested deeper than \(MILLRACE_JSON_DEPTH_LIMIT) levels")
        case MILLRACE_VALUE_TOO_LARGE:
            RecordError(
                .tooLarge,
                "the value has \(problem.count) bytes, the limit is \(format.maxValueBytes)")
        case MILLRACE_NUMBER_TOO_LONG:
            RecordError(
                .tooLarge,
                "byte \(problem.at): a number of \(problem.count) characters, the limit is "
                    + "\(format.maxNumberBytes)")
        case MILLRACE_NO_ROW_LEFT:
            RecordError(.tooLarge, "the batch has more records than the lane has rows")
        default: nil
        }
    }

    private func mappingError(for problem: MillraceProblem) -> RecordError {
        if problem.kind == MILLRACE_FIELD_EXISTS { return fieldExists(Int(problem.field)) }
        guard features.slots.indices.contains(Int(problem.slot)) else {
            return RecordError(.malformed, "the value cannot be read")
        }
        let slot = features.slots[Int(problem.slot)]
        let source = place(of: slot, problem)
        let wanted = "model input '\(features.columns[slot.column].name)' wants \(wish(of: slot))"
        switch problem.kind {
        case MILLRACE_FIELD_MISSING:
            return RecordError(.missingField, "\(source): not there, but \(wanted)")
        case MILLRACE_FIELD_NULL:
            return RecordError(.missingField, "\(source): null, but \(wanted)")
        case MILLRACE_WRONG_LENGTH:
            return RecordError(
                .wrongType, "\(source): an array of \(problem.count) elements, but \(wanted)")
        case MILLRACE_NOT_A_NUMBER_TEXT:
            return RecordError(.wrongType, "\(source): text that is not a number, but \(wanted)")
        case MILLRACE_NOT_AN_INTEGER:
            return RecordError(.wrongType, "\(source): a number with a fraction, but \(wanted)")
        case MILLRACE_OUT_OF_RANGE:
            return RecordError(.outOfRange, "\(source): a number out of range, \(wanted)")
        case MILLRACE_TEXT_NOT_UTF8:
            return RecordError(.invalidUTF8, "\(source): not valid UTF-8, but \(wanted)")
        case MILLRACE_DUPLICATE_FIELD:
            return duplicateField(slot, depth: Int(problem.depth))
        default:
            let isText = problem.found == MILLRACE_TEXT && slot.type != .string
            let advice = isText ? " (set parse: true to read numbers out of strings)" : ""
            return RecordError(
                .wrongType, "\(source): \(name(of: problem.found)), but \(wanted)\(advice)")
        }
    }

    private func fieldExists(_ index: Int) -> RecordError {
        if append.fields.indices.contains(index) {
            return RecordError(
                .fieldExists,
                "the record has a field '\(append.fields[index].name)' already (on_conflict: keep "
                    + "leaves it, nest puts the predictions into an object)")
        }
        return RecordError(
            .fieldExists,
            "the record has a field '\(append.under ?? "")' already, choose another append_under")
    }

    private func duplicateField(_ slot: FeatureSlot, depth: Int) -> RecordError {
        guard case .field(let pointer) = slot.source else {
            return RecordError(.duplicateField, "\(slot.source): there twice")
        }
        let name = FieldPointer(tokens: Array(pointer.tokens.prefix(depth)))
        return RecordError(.duplicateField, "\(name): there twice, nobody can say which one counts")
    }

    private func place(of slot: FeatureSlot, _ problem: MillraceProblem) -> String {
        problem.element >= 0 ? "\(slot.source)/\(problem.element)" : slot.source.description
    }

    private func wish(of slot: FeatureSlot) -> String {
        let single =
            switch slot.type {
            case .float32, .float64: "a number"
            case .bool: "true or false"
            case .string: "a string"
            default: "an integer (\(slot.type))"
            }
        return slot.isArray ? "an array of \(slot.count), each \(single)" : single
    }

    private func name(of kind: MillraceValueKind) -> String {
        switch kind {
        case MILLRACE_OBJECT: "an object"
        case MILLRACE_ARRAY: "an array"
        case MILLRACE_TEXT: "a string"
        case MILLRACE_NUMBER: "a number"
        case MILLRACE_TRUE, MILLRACE_FALSE: "a boolean"
        default: "null"
        }
    }

    /// A byte for a message: printable ASCII as it is, others by number.
    private func quoted(_ byte: UInt8) -> String {
        switch byte {
        case 0x21...0x7E: "'\(Character(UnicodeScalar(byte)))'"
        default: "byte 0x\(String(byte, radix: 16))"
        }
    }
}
