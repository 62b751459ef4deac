// swift-tools-version: 6.2
import PackageDescription

/// The rings of docs/design.md, section 7: C walls, the core, the tree kernel, adapters, the command.
let walls: [Target] = [
    .target(name: "CRdkafka", linkerSettings: [.linkedLibrary("rdkafka")]),
    .target(name: "CSimdjson", linkerSettings: [.linkedLibrary("simdjson")]),
    .target(name: "CMicrohttpd", linkerSettings: [.linkedLibrary("microhttpd")]),
    .target(name: "COnnxRuntime", linkerSettings: [.linkedLibrary("dl")]),
    .target(name: "CGetopt"),
    .target(name: "CTrees"),
    // Messages are allocated on one thread and freed on another, fetch buffers come and go by the
    // megabyte: jemalloc does both with a sixth less CPU than glibc.
    .target(name: "CJemalloc", linkerSettings: [.linkedLibrary("jemalloc")]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
]

let core: [Target] = [
    .target(name: "MillraceCore")
]

/// The kernel of all engines whose models are trees: between the core and those adapters.
let kernel: [Target] = [
    .target(name: "MillraceTrees", dependencies: ["MillraceCore", "CTrees"])
]

let adapters: [Target] = [
    .target(name: "MillraceWorker", dependencies: ["MillraceCore"]),
    .target(name: "MillraceKafka", dependencies: ["MillraceCore", "CRdkafka"]),
    .target(name: "MillraceFormats", dependencies: ["MillraceCore", "CSimdjson"]),
    .target(name: "MillraceLines", dependencies: ["MillraceCore"]),
    .target(
        name: "MillraceONNX", dependencies: ["MillraceCore", "MillraceTrees", "COnnxRuntime"]),
    .target(name: "MillraceBoosters", dependencies: ["MillraceCore", "MillraceTrees"]),
    .target(name: "MillraceConfig", dependencies: ["MillraceCore", "CYaml"]),
    .target(
        name: "MillraceOps", dependencies: ["MillraceCore", "CMicrohttpd"],
        // The live page is part of the binary, which is one file.
        resources: [.embedInCode("Page")]),
]

let command: [Target] = [
    .executableTarget(
        name: "millrace",
        dependencies: [
            "MillraceCore", "MillraceWorker", "MillraceKafka", "MillraceFormats", "MillraceONNX",
            "MillraceBoosters", "MillraceTrees", "MillraceConfig", "MillraceLines", "MillraceOps",
            "CGetopt", "CCrypto", "CJemalloc",
        ],
        // scripts/setup puts a newer librdkafka into .engines/; without it the loader falls back
        // to the system's. An installed binary looks beside itself.
        linkerSettings: [
            .unsafeFlags([
                "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../../../.engines",
                "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../lib/millrace",
            ])
        ])
]

let tests: [Target] = [
    // Doubles of the contracts, and what several tests need; only tests import it.
    .target(
        name: "MillraceTestKit", dependencies: ["MillraceCore", "MillraceWorker"],
        path: "Tests/MillraceTestKit"),
    // Scores raw rows, for scripts/compare-tree-ensembles and `scripts/bench trees`; not a product.
    .executableTarget(
        name: "TreeProbe",
        dependencies: [
            "MillraceBoosters", "MillraceCore", "MillraceONNX", "MillraceTestKit", "MillraceTrees",
        ],
        path: "Tests/TreeProbe"),
    // Hostile records through the JSON codec, for scripts/fuzz and the tests; not a product.
    .executableTarget(
        name: "RecordProbe",
        dependencies: ["MillraceCore", "MillraceFormats", "MillraceTestKit"],
        path: "Tests/RecordProbe"),
    // Runs workers in one thread against a simulated world, for scripts/simulate and its tests.
    .target(
        name: "Simulation", dependencies: ["MillraceCore", "MillraceTestKit", "MillraceWorker"],
        path: "Tests/Simulation"),
    .executableTarget(name: "Simulate", dependencies: ["Simulation"], path: "Tests/Simulate"),
    .testTarget(name: "SimulationTests", dependencies: ["Simulation"]),
    // Runs the built command as a process.
    .testTarget(
        name: "CommandTests",
        dependencies: [
            "millrace", "MillraceCore", "MillraceKafka", "MillraceOps", "MillraceWorker",
        ]),
    .testTarget(name: "HouseRulesTests", dependencies: ["MillraceConfig"]),
    .testTarget(
        name: "MillraceConfigTests",
        dependencies: ["MillraceConfig", "MillraceCore", "MillraceTestKit"]),
    .testTarget(
        name: "MillraceCoreTests", dependencies: ["MillraceCore", "MillraceTestKit"]),
    .testTarget(
        name: "MillraceFormatsTests",
        dependencies: ["MillraceCore", "MillraceFormats", "MillraceTestKit", "RecordProbe"]),
    .testTarget(
        name: "MillraceLinesTests",
        dependencies: ["MillraceCore", "MillraceLines", "MillraceTestKit", "MillraceWorker"]),
    .testTarget(name: "MillraceKafkaTests", dependencies: ["MillraceKafka", "MillraceCore"]),
    .testTarget(
        name: "MillraceONNXTests",
        dependencies: [
            "MillraceCore", "MillraceONNX", "MillraceTestKit", "MillraceTrees", "COnnxRuntime",
        ]),
    .testTarget(
        name: "MillraceBoostersTests",
        dependencies: ["MillraceBoosters", "MillraceCore", "MillraceTestKit", "MillraceTrees"]),
    .testTarget(
        name: "MillraceTreesTests",
        dependencies: ["MillraceCore", "MillraceTestKit", "MillraceTrees", "CTrees"]),
    .testTarget(name: "MillraceOpsTests", dependencies: ["MillraceCore", "MillraceOps"]),
    .testTarget(
        name: "MillraceWorkerTests",
        dependencies: ["MillraceCore", "MillraceTestKit", "MillraceWorker"]),
]

let package = Package(
    name: "millrace",
    products: [.executable(name: "millrace", targets: ["millrace"])],
    targets: walls + core + kernel + adapters + command + tests,
    cxxLanguageStandard: .cxx17
)

// One set of rules for every Swift target.
for target in package.targets where target.type != .system && !target.name.hasPrefix("C") {
    target.swiftSettings =
        (target.swiftSettings ?? []) + [
            .swiftLanguageMode(.v6),
            .enableUpcomingFeature("ExistentialAny"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .enableUpcomingFeature("InternalImportsByDefault"),
            .strictMemorySafety(),
            .treatAllWarnings(as: .error),
        ]
}
