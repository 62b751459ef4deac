import Glibc
import Simulation

// What scripts/simulate says of it.

/// What the command line asks for.
private struct Options {
    var seeds: UInt64 = 2_000
    var first: UInt64 = 1
    var only: UInt64?
    var isTracing = false
    var fault: PlantedFault?

    /// Nil where it makes no sense.
    init?(_ arguments: ArraySlice<String>) {
        var rest = arguments
        while let name = rest.popFirst() {
            if name == "--trace" {
                isTracing = true
                continue
            }
            guard let text = rest.popFirst() else { return nil }
            if name == "--fault" {
                guard let known = PlantedFault(rawValue: text) else { return nil }
                fault = known
                continue
            }
            guard let number = UInt64(text) else { return nil }
            switch name {
            case "--seeds": seeds = number
            case "--first": first = number
            case "--seed": only = number
            default: return nil
            }
        }
    }
}

private func report(_ seed: UInt64, _ violation: Violation) {
    print("seed \(seed): \(violation)")
    fflush(nil)  // a long run is looked at while it runs
}

private func run(_ options: Options) -> Int32 {
    if let seed = options.only {
        let trace: ((String) -> Void)? = options.isTracing ? { print($0) } : nil
        guard let violation = Simulation.run(seed: seed, fault: options.fault, trace: trace)
        else {
            print("seed \(seed) is clean")
            return 0
        }
        report(seed, violation)
        return 1
    }
    var broken = 0
    for seed in options.first..<options.first + options.seeds {
        guard let violation = Simulation.run(seed: seed, fault: options.fault) else { continue }
        report(seed, violation)
        broken += 1
    }
    print("\(options.seeds) seeds from \(options.first) on: \(broken) broke a promise")
    return broken == 0 ? 0 : 1
}

guard let options = Options(CommandLine.arguments.dropFirst()) else {
    print("usage: see scripts/simulate")
    exit(2)
}
exit(run(options))
