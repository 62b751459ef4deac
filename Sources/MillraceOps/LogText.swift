package import MillraceCore

/// How a log line looks.
package enum LogForm: Sendable {
    /// `2026-11-24T08:01:02.345Z INFO  message key=value other="quoted value"`
    case text
    /// `{"time":"2026-11-24T08:01:02.345Z","level":"info","message":"...","key":"value"}`
    case json
}

/// One event as one line. Whatever a message or a field holds, the line stays one line and a
/// terminal sees no control character.
package enum LogText {
    /// The line with its newline; `wallNs` is nanoseconds since 1970, UTC.
    package static func line(_ event: Log.Event, wallNs: Int64, form: LogForm) -> String {
        switch form {
        case .text: textLine(event, time: Timestamp.utc(nanoseconds: wallNs))
        case .json: jsonLine(event, time: Timestamp.utc(nanoseconds: wallNs))
        }
    }

    /// `text` with its control characters written as escapes.
    package static func withoutControls(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars { JSONText.appendPlain(scalar, to: &escaped) }
        return escaped
    }

    private static func textLine(_ event: Log.Event, time: String) -> String {
        var line = "\(time) \(paddedName(event.level)) \(withoutControls(event.message))"
        for field in event.fields {
            line.append(" \(withoutControls(field.name))=")
            if needsQuotes(field.value) {
                JSONText.append(field.value, to: &line)
            } else {
                line.append(field.value)
            }
        }
        line.append("\n")
        return line
    }

    private static func jsonLine(_ event: Log.Event, time: String) -> String {
        var line = "{\"time\":\"\(time)\",\"level\":\"\(event.level)\",\"message\":"
        JSONText.append(event.message, to: &line)
        for field in event.fields {
            line.append(",")
            // A second member of the same name would hide the first from most readers.
            let isTaken = ["time", "level", "message"].contains(field.name)
            JSONText.append(isTaken ? "field_" + field.name : field.name, to: &line)
            line.append(":")
            JSONText.append(field.value, to: &line)
        }
        line.append("}\n")
        return line
    }

    private static func paddedName(_ level: Log.Level) -> String {
        switch level {
        case .debug: "DEBUG"
        case .info: "INFO "
        case .warning: "WARN "
        case .error: "ERROR"
        }
    }

    private static func needsQuotes(_ value: String) -> Bool {
        value.isEmpty
            || value.unicodeScalars.contains { scalar in
                scalar == " " || scalar == "\"" || scalar == "=" || scalar == "\\"
                    || JSONText.isControl(scalar)
            }
    }
}
