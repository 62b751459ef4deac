package import MillraceCore

extension JSONValue {
    /// What stands where a value was hidden.
    package static let hiddenText = "(hidden)"

    /// The value with all that these pointers name replaced by `hiddenText`, whatever it is: every
    /// field of a name that comes several times, elements of arrays by their index.
    package func hiding(_ pointers: [FieldPointer]) -> JSONValue {
        pointers.reduce(self) { value, pointer in value.hiding(pointer.tokens[...]) }
    }

    /// As deep as the pointer; the value itself is at most 64 deep.
    private func hiding(_ tokens: ArraySlice<String>) -> JSONValue {
        guard let token = tokens.first else { return .string(Self.hiddenText) }
        let rest = tokens.dropFirst()
        switch self {
        case .object(let fields):
            return .object(
                fields.map { field in
                    field.name == token
                        ? Field(name: field.name, value: field.value.hiding(rest)) : field
                })
        case .array(var items):
            // As the pointers of features: "0" is an index, "00" and "+0" are none.
            guard let index = Int(token), String(index) == token, items.indices.contains(index)
            else { return self }
            items[index] = items[index].hiding(rest)
            return .array(items)
        case .null, .bool, .number, .string: return self
        }
    }
}
