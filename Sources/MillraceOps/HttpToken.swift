/// What a client has to send where the operator has set a token: as `Authorization: Bearer TOKEN`,
/// or as the password of Basic, which browsers ask for, with any user name.
package struct HttpToken: Sendable, CustomStringConvertible, CustomReflectable {
    private let bytes: [UInt8]

    /// Nil for an empty text: it would be no secret.
    package init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        bytes = Array(text.utf8)
    }

    package var description: String { "[redacted]" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }

    /// Whether the value of a header Authorization has the token. How long it takes tells nothing
    /// of the token but its length.
    func isIn(_ authorization: String?) -> Bool {
        guard let authorization else { return false }
        let words = authorization.split(separator: " ", maxSplits: 1)
        guard words.count == 2 else { return false }
        let credentials = words[1].drop { $0 == " " }
        switch words[0].lowercased() {
        case "bearer": return equals(Array(credentials.utf8))
        case "basic":
            guard let pair = Base64.decode(credentials.utf8),
                let colon = pair.firstIndex(of: UInt8(ascii: ":"))
            else { return false }
            return equals(Array(pair[(colon + 1)...]))
        default: return false
        }
    }

    private func equals(_ other: [UInt8]) -> Bool {
        var difference = UInt8(other.count == bytes.count ? 0 : 1)
        for (index, byte) in other.enumerated() { difference |= byte ^ bytes[index % bytes.count] }
        return difference == 0
    }
}

/// Base64 with the alphabet of RFC 4648, section 4.
enum Base64 {
    /// Nil where the text is none; padding may be left out.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        var isPadded = false
        for byte in text {
            if byte == UInt8(ascii: "=") {
                isPadded = true
                continue
            }
            guard !isPadded, let value = value(of: byte) else { return nil }
            buffer = (buffer & 0xFFFF) << 6 | value
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
            }
        }
        return bytes
    }

    private static func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte) - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte) - 71
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte) + 4
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
