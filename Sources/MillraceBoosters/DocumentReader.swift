/// Why a document cannot be read.
struct DocumentError: Error, Equatable {
    /// Bytes from the start of the file.
    let offset: Int
    /// What is wrong there, one line.
    let what: String
}

/// Reads a JSON or UBJSON document front to back, without making a tree of it: who reads asks for
/// what should come next, and skips what it does not know. Never recursive.
///
/// An object is `beginObject`, then for each key that `nextKey` returns exactly one value; an array
/// is `beginArray`, then one value each time that `nextElement` is true.
struct DocumentReader {
    /// What a value is.
    enum Kind: Equatable { case object, array, text, number, truth, null }

    /// Objects and arrays within each other.
    static let depthLimit = 512

    /// An object or array that is being read.
    struct Frame {
        var isFirst = true
        /// Elements still to come where the file says how many; -1 where an end mark follows.
        var remaining = -1
        /// UBJSON's common type of all elements; 0 where each has its own.
        var marker: UInt8 = 0
    }

    let bytes: [UInt8]
    let isBinary: Bool
    var position = 0
    var frames: [Frame] = []

    init(_ bytes: [UInt8], isBinary: Bool) {
        self.bytes = bytes
        self.isBinary = isBinary
    }

    /// A reader that begins at the value that lies ahead of this one.
    func fork() throws(DocumentError) -> Self {
        if let marker = frames.last?.marker, marker != 0 {
            throw failure("a list of plain values, where an object was expected")
        }
        var fork = self
        fork.frames = []
        return fork
    }

    func failure(_ what: String, at offset: Int? = nil) -> DocumentError {
        DocumentError(offset: offset ?? position, what: what)
    }

    var cutShort: DocumentError { failure("the file ends here, it is cut short") }

    mutating func push(_ frame: Frame) throws(DocumentError) {
        guard frames.count < Self.depthLimit else {
            throw failure("nested deeper than \(Self.depthLimit) levels")
        }
        frames.append(frame)
    }

    // MARK: One interface

    /// What comes next.
    mutating func kind() throws(DocumentError) -> Kind {
        isBinary ? try binaryKind() : try jsonKind()
    }

    mutating func beginObject() throws(DocumentError) {
        isBinary ? try binaryBegin(UInt8(ascii: "{")) : try jsonBegin(UInt8(ascii: "{"))
    }

    /// Nil at the end of the object.
    mutating func nextKey() throws(DocumentError) -> String? {
        isBinary ? try binaryNextKey() : try jsonNextKey()
    }

    mutating func beginArray() throws(DocumentError) {
        isBinary ? try binaryBegin(UInt8(ascii: "[")) : try jsonBegin(UInt8(ascii: "["))
    }

    /// False at the end of the array.
    mutating func nextElement() throws(DocumentError) -> Bool {
        isBinary ? try binaryNextElement() : try jsonNextElement()
    }

    mutating func text() throws(DocumentError) -> String {
        isBinary ? try binaryText() : try jsonText()
    }

    /// A whole number; false and true are 0 and 1.
    mutating func integer() throws(DocumentError) -> Int64 {
        isBinary ? try binaryInteger() : try jsonInteger()
    }

    mutating func double() throws(DocumentError) -> Double {
        isBinary ? try binaryDouble() : try jsonDouble()
    }

    /// Rounded once, from the digits in the file.
    mutating func float() throws(DocumentError) -> Float {
        isBinary ? try Float(binaryDouble()) : try jsonFloat()
    }

    /// The numbers of an array, in place of what the list holds.
    mutating func floats(into list: inout [Float]) throws(DocumentError) {
        list.removeAll(keepingCapacity: true)
        isBinary ? try binaryFloats(into: &list) : try jsonFloats(into: &list)
    }

    /// The numbers of an array, in place of what the list holds.
    mutating func doubles(into list: inout [Double]) throws(DocumentError) {
        list.removeAll(keepingCapacity: true)
        isBinary ? try binaryDoubles(into: &list) : try jsonDoubles(into: &list)
    }

    /// The whole numbers of an array, in place of what the list holds.
    mutating func integers(into list: inout [Int32]) throws(DocumentError) {
        list.removeAll(keepingCapacity: true)
        isBinary ? try binaryIntegers(into: &list) : try jsonIntegers(into: &list)
    }

    /// Passes one value, whatever it is.
    mutating func skip() throws(DocumentError) {
        isBinary ? try binarySkip() : try jsonSkip()
    }

    /// Nothing may follow the document but blanks.
    mutating func finish() throws(DocumentError) {
        if !isBinary { skipBlanks() }
        guard position == bytes.count else { throw failure("more follows the end of the model") }
    }

    // MARK: Made of them

    /// The texts of an array.
    mutating func texts() throws(DocumentError) -> [String] {
        var list: [String] = []
        try beginArray()
        while try nextElement() { list.append(try text()) }
        return list
    }

    /// As `beginArray`, where null stands for an empty array: then false, and nothing is begun.
    mutating func beginArrayUnlessNull() throws(DocumentError) -> Bool {
        guard try kind() != .null else {
            try skip()
            return false
        }
        try beginArray()
        return true
    }

    /// A whole number that stands as a number or as a text ("7"), as XGBoost has its parameters.
    mutating func looseInteger() throws(DocumentError) -> Int64 {
        guard try kind() == .text else { return try integer() }
        let start = position
        guard let value = Int64(try text()) else {
            throw failure("a text where a whole number was expected", at: start)
        }
        return value
    }
}
