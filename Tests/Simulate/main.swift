import Simulation

let arguments = CommandLine.arguments
if arguments.count == 2, let seed = UInt64(arguments[1]) {
    print(Simulation.run(seed: seed, trace: { print($0) }).map { "\($0)" } ?? "clean")
} else if let first = UInt64(arguments[1]), let last = UInt64(arguments[2]) {
    for seed in first...last {
        if let v = Simulation.run(seed: seed) { print(seed, v) }
    }
}
