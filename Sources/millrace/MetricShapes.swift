internal import MillraceCore

/// The usual shapes of a metric. Tests/HouseRulesTests/MetricTable.swift finds the metrics by these
/// names.
extension Metric {
    /// A counter without labels.
    static func counter(_ name: String, _ help: String, _ value: UInt64) -> Metric {
        Metric(name, .counter, help, samples: [.init(value: .number(Double(value)))])
    }

    /// A gauge without labels.
    static func gauge(_ name: String, _ help: String, _ value: Double) -> Metric {
        Metric(name, .gauge, help, samples: [.init(value: .number(value))])
    }

    /// A histogram of times without labels; `bounds` in seconds.
    static func histogram(
        _ name: String, _ help: String, _ times: LatencyHistogram, bounds: [Double]
    ) -> Metric {
        Metric(
            name, .histogram, help, samples: [.init(value: times.distribution(bounds: bounds))])
    }
}
