/// Reads a YAML text into nodes. A strict subset: one document, no anchors, aliases or tags, no key
/// twice in a mapping, bounded in size and nesting.
struct YAMLReader {
    /// Bytes of a whole file.
    static let sizeLimit = 1 << 20
    /// Lists and mappings within each other.
    static let depthLimit = 64

    /// An open list or mapping.
    private struct Frame {
        let place: Place
        let isMapping: Bool
        var items: [Node] = []
        var entries: [Node.Entry] = []
        var keys: Set<String> = []
        /// A key that waits for its value. `isKept` is false for one that was refused.
        var key: (text: String, place: Place, isKept: Bool)?
    }

    private var frames: [Frame] = []
    private var root: Node?
    private var documents = 0

    private init() {}

    /// The root node; nil after complaints that leave nothing to check.
    static func read(_ bytes: [UInt8], into complaints: inout Complaints) -> Node? {
        guard bytes.count <= sizeLimit else {
            complaints.add(.start, "the file is larger than 1 MiB")
            return nil
        }
        if let place = placeOfUnreadableByte(bytes) {
            complaints.add(
                place, "not valid UTF-8 text, or a control character; save the file as UTF-8")
            return nil
        }
        // libyaml, told that the text is UTF-8, takes a byte-order mark for text.
        let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let bytes = bytes.starts(with: byteOrderMark) ? Array(bytes.dropFirst(3)) : bytes
        var reader = YAMLReader()
        let isComplete = unsafe bytes.withUnsafeBufferPointer { buffer in
            guard var events = unsafe YAMLEvents(buffer) else {
                complaints.add(.start, "out of memory")
                return false
            }
            return reader.build(from: &events, text: bytes, complaints: &complaints)
        }
        guard isComplete else { return nil }
        if case .scalar(let scalar) = reader.root?.content, scalar.isNull { reader.root = nil }
        if reader.root == nil { complaints.add(.start, "the file is empty") }
        return reader.root
    }

    /// Takes events to the end. False where the rest of the file could not be read.
    private mutating func build(
        from events: inout YAMLEvents, text: [UInt8], complaints: inout Complaints
    ) -> Bool {
        while true {
            do throws(YAMLSyntaxError) {
                switch try events.next() {
                case .streamStart, .documentEnd: continue
                case .streamEnd: return true
                case .documentStart(let place):
                    documents += 1
                    if documents > 1 {
                        complaints.add(
                            place, "a second document; put each pipeline into a file of its own")
                        return false
                    }
                case .alias(let place):
                    complaints.add(place, "aliases are not allowed; write the value out")
                    take(Node(place: place, content: .refused), complaints: &complaints)
                case .scalar(let place, let scalar, let markup):
                    check(markup, at: place, complaints: &complaints)
                    take(scalar, at: place, complaints: &complaints)
                case .sequenceStart(let place, let markup):
                    check(markup, at: place, complaints: &complaints)
                    guard open(place, isMapping: false, complaints: &complaints) else {
                        return false
                    }
                case .mappingStart(let place, let markup):
                    check(markup, at: place, complaints: &complaints)
                    guard open(place, isMapping: true, complaints: &complaints) else {
                        return false
                    }
                case .sequenceEnd, .mappingEnd: close(complaints: &complaints)
                }
            } catch {
                let hint = Self.hint(for: error.place, in: text)
                complaints.add(error.place, "not valid YAML: \(error.message)\(hint)")
                return false
            }
        }
    }

    private func check(_ markup: YAMLMarkup, at place: Place, complaints: inout Complaints) {
        if markup.hasAnchor {
            complaints.add(place, "anchors are not allowed; write the value out where it is used")
        }
        if markup.hasTag { complaints.add(place, "tags are not allowed; leave the '!' part out") }
    }

    private mutating func open(
        _ place: Place, isMapping: Bool, complaints: inout Complaints
    ) -> Bool {
        guard frames.count < Self.depthLimit else {
            complaints.add(place, "nested more than \(Self.depthLimit) levels deep")
            return false
        }
        frames.append(Frame(place: place, isMapping: isMapping))
        return true
    }

    private mutating func close(complaints: inout Complaints) {
        guard let frame = frames.popLast() else { return }
        let content: Node.Content =
            frame.isMapping ? .mapping(frame.entries) : .sequence(frame.items)
        take(Node(place: frame.place, content: content), complaints: &complaints)
    }

    /// A scalar: the next key of the open mapping, or a value.
    private mutating func take(
        _ scalar: Node.Scalar, at place: Place, complaints: inout Complaints
    ) {
        let hasNUL = scalar.text.utf8.contains(0)
        if hasNUL { complaints.add(place, "text must not hold a NUL character") }
        let last = frames.count - 1
        guard last >= 0, frames[last].isMapping, frames[last].key == nil else {
            let content: Node.Content = hasNUL ? .refused : .scalar(scalar)
            take(Node(place: place, content: content), complaints: &complaints)
            return
        }
        var isKept = !hasNUL
        if scalar.text.isEmpty {
            complaints.add(place, "a key is missing before ':'")
            isKept = false
        } else if isKept, !frames[last].keys.insert(scalar.text).inserted {
            complaints.add(place, "key \(Shown.key(scalar.text)) is here twice")
            isKept = false
        }
        frames[last].key = (text: scalar.text, place: place, isKept: isKept)
    }

    /// A finished node: goes to the open list or mapping, or is the root.
    private mutating func take(_ node: Node, complaints: inout Complaints) {
        let last = frames.count - 1
        guard last >= 0 else {
            root = node
            return
        }
        guard frames[last].isMapping else {
            frames[last].items.append(node)
            return
        }
        guard let key = frames[last].key else {
            complaints.add(node.place, "a key must be text")
            frames[last].key = (text: "", place: node.place, isKept: false)
            return
        }
        frames[last].key = nil
        if key.isKept {
            frames[last].entries.append(
                Node.Entry(key: key.text, keyPlace: key.place, value: node))
        }
    }

    /// The commonest reason of a syntax error that libyaml's words do not give away.
    private static func hint(for place: Place, in text: [UInt8]) -> String {
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard place.line >= 1, place.line <= lines.count else { return "" }
        var previous = UInt8(ascii: " ")
        for byte in lines[place.line - 1] {
            let opensInsideText =
                (byte == UInt8(ascii: "{") && previous == UInt8(ascii: "$"))
                || (byte == UInt8(ascii: "[") && previous > UInt8(ascii: "/")
                    && previous != UInt8(ascii: ":") && previous != UInt8(ascii: "["))
            if opensInsideText {
                return "; inside { } or [ ] put quotes around a value that holds { } [ ] or ,"
            }
            previous = byte
        }
        return ""
    }

    /// Where the text stops to be UTF-8 or has a control character that YAML forbids. Checked here
    /// because libyaml gives such errors without a line.
    private static func placeOfUnreadableByte(_ bytes: [UInt8]) -> Place? {
        var line = 1
        var column = 1
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        while true {
            switch decoder.decode(&iterator) {
            case .emptyInput: return nil
            case .error: return Place(line: line, column: column)
            case .scalarValue("\n"):
                line += 1
                column = 1
            case .scalarValue(let scalar):
                if isForbidden(scalar) { return Place(line: line, column: column) }
                column += 1
            }
        }
    }

    /// The characters that libyaml's reader refuses.
    private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D, 0x85: false
        case 0..<0x20, 0x7F..<0xA0, 0xFFFE, 0xFFFF: true
        default: false
        }
    }
}
