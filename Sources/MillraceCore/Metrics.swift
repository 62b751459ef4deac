/// One measured value with its meaning, as a metrics page shows it.
package struct Metric: Sendable {
    /// The types of Prometheus.
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    /// What a sample holds.
    package enum Value: Sendable {
        case number(Double)
        /// Upper bounds (ascending, without +Inf) with cumulative counts, then count and sum of
        /// all.
        case distribution(bounds: [Double], cumulative: [UInt64], count: UInt64, sum: Double)
    }

    /// One series of the metric. Label values come from configuration or closed sets only.
    package struct Sample: Sendable {
        package let labels: [(name: String, value: String)]
        package let value: Value

        package init(labels: [(name: String, value: String)] = [], value: Value) {
            self.labels = labels
            self.value = value
        }
    }

    /// Prometheus name with unit and, for counters, `_total`.
    package let name: String
    package let help: String
    package let kind: Kind
    package let samples: [Sample]

    package init(_ name: String, _ kind: Kind, _ help: String, samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }
}

/// Whether the worker does its job, and what is missing where it does not.
package struct Health: Sendable, Equatable {
    /// False: only a restart helps.
    package var isLive: Bool
    /// Reasons why no record is processed now, each one line that a person can act on; empty:
    /// ready.
    package var missing: [String]

    package init(isLive: Bool, missing: [String]) {
        self.isLive = isLive
        self.missing = missing
    }

    /// Live, and nothing is missing.
    package var isReady: Bool { isLive && missing.isEmpty }
}
