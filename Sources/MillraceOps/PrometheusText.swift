package import MillraceCore

/// The Prometheus text exposition format, version 0.0.4.
package enum PrometheusText {
    /// The media type of the page.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The page for `metrics`, in their order. Metrics of the same name become one family, with
    /// kind and help of the first. A sample whose value does not fit the family's kind (a plain
    /// number in a histogram, a distribution in a counter) is left out: it would make a scraper
    /// refuse the whole page.
    package static func render(_ metrics: [Metric]) -> String {
        var text = ""
        for family in families(of: metrics) {
            text.append("# HELP \(family.name) ")
            appendEscaped(family.help, quotes: false, to: &text)
            text.append("\n# TYPE \(family.name) \(family.kind.rawValue)\n")
            for sample in family.samples {
                append(sample, name: family.name, kind: family.kind, to: &text)
            }
        }
        return text
    }

    private static func families(of metrics: [Metric]) -> [Metric] {
        var families: [Metric] = []
        var places: [String: Int] = [:]
        for metric in metrics {
            if let place = places[metric.name] {
                let first = families[place]
                families[place] = Metric(
                    first.name, first.kind, first.help, samples: first.samples + metric.samples)
            } else {
                places[metric.name] = families.count
                families.append(metric)
            }
        }
        return families
    }

    private static func append(
        _ sample: Metric.Sample, name: String, kind: Metric.Kind, to text: inout String
    ) {
        switch (kind, sample.value) {
        case (.counter, .number(let value)), (.gauge, .number(let value)):
            appendLine(name, sample.labels, number(value), to: &text)
        case (.histogram, .distribution(let bounds, let cumulative, let count, let sum)):
            for (bound, below) in zip(bounds, cumulative) {
                let labels = sample.labels + [("le", number(bound))]
                appendLine(name + "_bucket", labels, String(below), to: &text)
            }
            let all = sample.labels + [("le", "+Inf")]
            appendLine(name + "_bucket", all, String(count), to: &text)
            appendLine(name + "_sum", sample.labels, number(sum), to: &text)
            appendLine(name + "_count", sample.labels, String(count), to: &text)
        default:
            return
        }
    }

    private static func appendLine(
        _ name: String, _ labels: [(name: String, value: String)], _ value: String,
        to text: inout String
    ) {
        text.append(name)
        if !labels.isEmpty {
            text.append("{")
            for (index, label) in labels.enumerated() {
                text.append(index == 0 ? "" : ",")
                text.append("\(label.name)=\"")
                appendEscaped(label.value, quotes: true, to: &text)
                text.append("\"")
            }
            text.append("}")
        }
        text.append(" \(value)\n")
    }

    private static func appendEscaped(_ raw: String, quotes: Bool, to text: inout String) {
        for scalar in raw.unicodeScalars {
            switch scalar {
            case "\\": text.append("\\\\")
            case "\n": text.append("\\n")
            case "\"" where quotes: text.append("\\\"")
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// Whole numbers without a fraction as long as a Double holds each of them; the rest in the
    /// shortest form that reads back as the same number.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value.magnitude <= 0x1p53, let whole = Int64(exactly: value) { return String(whole) }
        return value.description
    }
}
