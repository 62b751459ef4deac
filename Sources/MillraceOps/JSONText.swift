/// Writing JSON by hand: the few documents of this module need no encoder.
enum JSONText {
    /// Appends `text` as a JSON string with its quotes. Escapes what JSON demands, and also what
    /// `isControl` names, so that no terminal and no log reader acts on it.
    static func append(_ text: String, to json: inout String) {
        json.append("\"")
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": json.append("\\\"")
            case "\\": json.append("\\\\")
            default: appendPlain(scalar, to: &json)
            }
        }
        json.append("\"")
    }

    /// Appends `scalar` itself, or its JSON escape where it is a control character.
    static func appendPlain(_ scalar: Unicode.Scalar, to text: inout String) {
        switch scalar {
        case "\n": text.append("\\n")
        case "\r": text.append("\\r")
        case "\t": text.append("\\t")
        case _ where isControl(scalar):
            let digits = String(scalar.value, radix: 16)
            text.append("\\u")
            text.append(String(repeating: "0", count: max(0, 4 - digits.count)))
            text.append(digits)
        default: text.unicodeScalars.append(scalar)
        }
    }

    /// C0, DEL, C1, line and paragraph separator, and the marks that reorder text on a screen.
    static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7f..<0xa0, 0x2028, 0x2029, 0x202a...0x202e, 0x2066...0x2069: true
        default: false
        }
    }
}
