/// A JSON Pointer (RFC 6901), parsed: the reference tokens, unescaped.
package struct FieldPointer: Sendable, Hashable, CustomStringConvertible {
    package let tokens: [String]

    package init(tokens: [String]) { self.tokens = tokens }

    /// Parses the text form; nil where it does not start with '/' or has a '~' without 0 or 1.
    /// The empty pointer (the whole value) names no field and is refused too.
    package init?(_ text: String) {
        // By Unicode scalar: a mark that combines with a '/' must not hide it.
        let scalars = text.unicodeScalars
        guard scalars.first == "/" else { return nil }
        var tokens: [String] = []
        for part in scalars.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            var token = String.UnicodeScalarView()
            var escaped = false
            for character in part {
                if escaped {
                    guard character == "0" || character == "1" else { return nil }
                    token.append(character == "0" ? "~" : "/")
                    escaped = false
                } else if character == "~" {
                    escaped = true
                } else {
                    token.append(character)
                }
            }
            if escaped { return nil }
            tokens.append(String(token))
        }
        self.tokens = tokens
    }

    package var description: String {
        tokens.map { token in
            var text = "/"
            for scalar in token.unicodeScalars {
                switch scalar {
                case "~": text += "~0"
                case "/": text += "~1"
                default: text.unicodeScalars.append(scalar)
                }
            }
            return text
        }.joined()
    }
}

/// Where a feature comes from.
package enum FeatureSource: Sendable, Hashable, CustomStringConvertible {
    /// A field of the value.
    case field(FieldPointer)
    /// The record's key, as text or as decimal text.
    case key
    /// The last header of that name, as text or as decimal text.
    case header(String)
    /// The record's timestamp in milliseconds since 1970.
    case timestamp

    package var description: String {
        switch self {
        case .field(let pointer): pointer.description
        case .key: "$key"
        case .header(let name): "$header.\(name)"
        case .timestamp: "$timestamp"
        }
    }
}

/// What an absent or null field becomes.
package enum MissingPolicy: Sendable, Hashable {
    /// The record is a dead letter.
    case error
    /// NaN; only for floating-point inputs.
    case nan
    /// This number.
    case number(Double)
    /// This text; only for string inputs.
    case text(String)
}

/// One feature: where it is read and where in the input columns it goes.
package struct FeatureSlot: Sendable, Equatable {
    package let source: FeatureSource
    /// Index of the column in `FeatureColumns.columns`.
    package let column: Int
    /// First element within the column's row.
    package let element: Int
    /// 1 for a scalar; more for an array field of exactly that length (`isArray`).
    package let count: Int
    /// Whether the field is an array of `count` scalars.
    package let isArray: Bool
    package let type: ElementType
    package let missing: MissingPolicy
    /// Whether text is read as a number (`parse: true`).
    package let parsesText: Bool

    package init(
        source: FeatureSource, column: Int, element: Int, count: Int, isArray: Bool,
        type: ElementType, missing: MissingPolicy, parsesText: Bool
    ) {
        self.source = source
        self.column = column
        self.element = element
        self.count = count
        self.isArray = isArray
        self.type = type
        self.missing = missing
        self.parsesText = parsesText
    }
}

/// The compiled mapping: every element of every input row is covered by exactly one slot.
package struct FeaturePlan: Sendable, Equatable {
    /// The shape of each input column, in the order of the signature's inputs.
    package struct Column: Sendable, Equatable {
        package let name: String
        package let type: ElementType
        /// Dimensions after the batch, all known.
        package let rowShape: [Int]

        package init(name: String, type: ElementType, rowShape: [Int]) {
            self.name = name
            self.type = type
            self.rowShape = rowShape
        }
    }

    package let columns: [Column]
    package let slots: [FeatureSlot]

    package init(columns: [Column], slots: [FeatureSlot]) {
        self.columns = columns
        self.slots = slots
    }
}

/// One prediction field: its name in the record and which output elements it takes.
package struct AppendField: Sendable, Equatable {
    package let name: String
    /// Index into the outputs that are asked of the session (`AppendPlan.outputs`).
    package let column: Int
    /// What of the row: one element, or the whole row as a list.
    package enum Selection: Sendable, Equatable {
        /// The row's element at this index; the only one where the output is a scalar.
        case element(Int)
        /// The element under this class label, found at run time (ZipMap without fixed labels).
        case label(ClassLabel)
        /// All elements of the row.
        case vector
    }
    package let selection: Selection

    package init(name: String, column: Int, selection: Selection) {
        self.name = name
        self.column = column
        self.selection = selection
    }
}

/// What happens when the record has a field of a prediction field's name.
package enum ConflictPolicy: String, Sendable, CaseIterable {
    /// The record is a dead letter.
    case error
    /// The record's own field stays; the prediction field is left out.
    case keep
    /// All prediction fields go into one object under `AppendPlan.under`.
    case nest
}

/// The compiled `append` section.
package struct AppendPlan: Sendable, Equatable {
    /// Names of the model outputs to ask for, each once.
    package let outputs: [String]
    package let fields: [AppendField]
    package let onConflict: ConflictPolicy
    /// The name of the object for `nest`; nil otherwise.
    package let under: String?

    package init(
        outputs: [String], fields: [AppendField], onConflict: ConflictPolicy, under: String?
    ) {
        self.outputs = outputs
        self.fields = fields
        self.onConflict = onConflict
        self.under = under
    }
}
