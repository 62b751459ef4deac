/// Why one record cannot be scored. The record goes to the dead letters; its neighbours go on.
package struct RecordError: Error, Sendable, Equatable {
    /// The closed set of classes: metric label, and header `millrace-error-class`.
    package enum Kind: String, Sendable, CaseIterable {
        /// The bytes are not one value of the format: syntax, truncation, trailing bytes.
        case malformed
        /// The bytes are not valid UTF-8.
        case invalidUTF8 = "invalid_utf8"
        /// A valid value, but not a JSON object.
        case notAnObject = "not_an_object"
        /// Nested deeper than the limit.
        case tooDeep = "too_deep"
        /// Larger than a limit: value, number text, or the enriched record for the broker.
        case tooLarge = "too_large"
        /// A mapped field is absent or null and the policy is `error`.
        case missingField = "missing_field"
        /// A mapped field has a value of another type or a wrong number of elements.
        case wrongType = "wrong_type"
        /// A number does not fit the model input's element type.
        case outOfRange = "out_of_range"
        /// A mapped field occurs twice.
        case duplicateField = "duplicate_field"
        /// A prediction field would overwrite a field of the record.
        case fieldExists = "field_exists"
        /// The engine refuses this one record.
        case inference
        /// The broker refuses the record for a reason that will not go away.
        case rejected
    }

    package let kind: Kind
    /// One sentence, no record text unescaped, no secret: header `millrace-error-message`.
    package let message: String
    /// How often the broker has refused the record's dead letter for the letter's own fault: each
    /// time the next one carries less.
    package var letterRefusals = 0

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}

extension RecordError.Kind {
    /// Position in `allCases`.
    package var ordinal: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
