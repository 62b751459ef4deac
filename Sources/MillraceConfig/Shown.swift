/// How pieces of the file are shown in complaints: short, on one line, quoted.
enum Shown {
    static let lengthLimit = 60

    /// Quoted, escaped and cut.
    static func text(_ text: String) -> String {
        var shown = "'"
        for (index, scalar) in text.unicodeScalars.enumerated() {
            if index == lengthLimit {
                shown += "..."
                break
            }
            switch scalar {
            case "\n": shown += "\\n"
            case "\t": shown += "\\t"
            case "\r": shown += "\\r"
            default:
                if isInvisible(scalar) {
                    shown += "\\u{" + String(scalar.value, radix: 16) + "}"
                } else {
                    shown.unicodeScalars.append(scalar)
                }
            }
        }
        return shown + "'"
    }

    /// A key. In `{sasl.password:hunter2}` the whole text is the key: what follows the name may be
    /// a secret and is not shown.
    static func key(_ key: String) -> String {
        let name = propertyPrefix(of: key)
        let rest = key.dropFirst(name.count)
        let hidesRest = !rest.isEmpty && (rest.hasPrefix(":") || Secret.isName(name))
        return hidesRest ? text(name + "...") : text(key)
    }

    /// As much of the key's beginning as could be a librdkafka property's name.
    static func propertyPrefix(of key: String) -> String {
        String(
            key.prefix { character in
                switch character {
                case "a"..."z", "A"..."Z", "0"..."9", ".", "_", "-": character.isASCII
                default: false
                }
            })
    }

    /// The first few names, in order.
    static func names(_ names: some Sequence<String>, limit: Int = 8) -> String {
        var shown: [String] = []
        for name in names {
            if shown.count == limit {
                shown.append("...")
                break
            }
            shown.append(Shown.bare(name))
        }
        return shown.joined(separator: ", ")
    }

    /// As `text` without the quotes.
    static func bare(_ name: String) -> String { String(text(name).dropFirst().dropLast()) }

    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse: true
        default: false
        }
    }
}

/// "did you mean" for names.
package enum Suggestion {
    private static let lengthLimit = 64

    /// The nearest of the candidates, where it is near enough to be a slip of the finger.
    static func nearest(to name: String, among candidates: some Sequence<String>) -> String? {
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let allowed = max(1, min(3, max(name.unicodeScalars.count, 3) / 3))
            guard let distance = distance(name, candidate), distance <= allowed,
                distance < best?.distance ?? .max
            else { continue }
            best = (candidate, distance)
        }
        return best?.name
    }

    /// `; did you mean 'x'?`, or nothing.
    package static func question(for name: String, among candidates: some Sequence<String>)
        -> String
    {
        nearest(to: name, among: candidates).map { "; did you mean '\(Shown.bare($0))'?" } ?? ""
    }

    /// Damerau-Levenshtein distance (insert, delete, replace, swap of neighbours), upper and lower
    /// case alike; nil for names too long to compare.
    static func distance(_ left: String, _ right: String) -> Int? {
        let left = Array(left.lowercased().unicodeScalars.prefix(lengthLimit + 1))
        let right = Array(right.lowercased().unicodeScalars.prefix(lengthLimit + 1))
        guard left.count <= lengthLimit, right.count <= lengthLimit else { return nil }
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var beforePrevious = [Int](repeating: 0, count: right.count + 1)
        var previous = Array(0...right.count)
        for row in 1...left.count {
            var current = [row] + [Int](repeating: 0, count: right.count)
            for column in 1...right.count {
                let isSame = left[row - 1] == right[column - 1]
                var cost = min(
                    previous[column] + 1, current[column - 1] + 1,
                    previous[column - 1] + (isSame ? 0 : 1))
                if row > 1, column > 1, left[row - 1] == right[column - 2],
                    left[row - 2] == right[column - 1]
                {
                    cost = min(cost, beforePrevious[column - 2] + 1)
                }
                current[column] = cost
            }
            beforePrevious = previous
            previous = current
        }
        return previous[right.count]
    }
}
