internal import Glibc

/// Card payments for the demo, drawn from the distributions on which pipelines/models/fraud.onnx
/// was trained (scripts/make-demo-model.py). The same seed makes the same payments.
struct PaymentGenerator {
    private var random: SplitMix64
    private var count = 0
    /// One record in so many is broken on purpose, to show the dead letters.
    private static let brokenEvery = 200
    private static let merchants = ["Café №7", "Böhm & Söhne", "tabac-presse", "Kiosk 24", "Ōki"]

    init(seed: UInt64) { random = SplitMix64(state: seed) }

    /// The next payment: its key (the card) and its JSON value.
    mutating func next(nowMs: Int64) -> (key: String, value: String) {
        count += 1
        let card = "c" + padded(Int(random.uniform() * 5_000), 6)
        let amount = decimal(exp(3.2 + 1.1 * random.normal()), 2)
        var fields = [
            "\"id\":\"tx-\(padded(count, 9))\"", "\"ts\":\(nowMs)", "\"card\":\"\(card)\"",
            "\"amount\":\(count % Self.brokenEvery == 0 ? "\"\(amount)\"" : amount)",
            "\"hour\":\(Int(random.uniform() * 24))",
            "\"merchant\":{\"name\":\"\(merchant())\","
                + "\"category\":\(Int(random.uniform() * 99))}",
            "\"card_present\":\(random.uniform() < 0.6)",
            "\"distance_km\":\(decimal(exp(1.5 + 1.5 * random.normal()), 1))",
            "\"payments_last_hour\":\(poisson(mean: 1.2))",
        ]
        if random.uniform() > 0.02 {
            fields.append("\"average_amount_30d\":\(decimal(exp(3.2 + 0.6 * random.normal()), 2))")
        }
        fields.append("\"account_age_days\":\(Int(random.uniform() * 3_000))")
        return (card, "{" + fields.joined(separator: ",") + "}")
    }

    private mutating func merchant() -> String {
        let index = Int(random.uniform() * Double(Self.merchants.count))
        return Self.merchants[min(index, Self.merchants.count - 1)]
    }

    /// Knuth's method: multiply uniforms until the product falls below e^-mean.
    private mutating func poisson(mean: Double) -> Int {
        let limit = exp(-mean)
        var product = random.uniform()
        var events = 0
        while product > limit, events < 100 {
            product *= random.uniform()
            events += 1
        }
        return events
    }

    private func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private func decimal(_ value: Double, _ digits: Int) -> String {
        let scale = digits == 1 ? 10.0 : 100.0
        return ((min(value, 1e9) * scale).rounded() / scale).description
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Standard normal (Box and Muller 1958).
    mutating func normal() -> Double {
        sqrt(-2 * log(1 - uniform())) * cos(2 * .pi * uniform())
    }
}
