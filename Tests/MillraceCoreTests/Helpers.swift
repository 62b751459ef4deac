import Testing

/// `#require` for the results of mutating calls, which the macro cannot take apart.
func required<Value>(
    _ value: Value?, sourceLocation: SourceLocation = #_sourceLocation
) throws -> Value {
    try #require(value, sourceLocation: sourceLocation)
}
