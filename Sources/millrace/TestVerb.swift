internal import MillraceConfig
internal import MillraceCore
internal import MillraceLines

extension Verb {
    /// `millrace test FILE...`
    static let test = Verb(
        name: "test", operands: "FILE...",
        summary: "Run the tests of pipelines: files NAME_test.yaml, and all such files in folders."
            + "\nExit code 0; 1 where a test fails; 65 where a test file or its pipeline is bad.",
        options: [],
        run: { arguments throws(CommandError) in
            guard !arguments.operands.isEmpty else {
                throw CommandError(.usage, "test needs a test file or a folder")
            }
            let (files, missing) = PipelineFiles.expand(arguments.operands, .tests)
            for complaint in missing { Output.print(complaint.description) }
            var total = TestTotal()
            total.badFiles = missing.count
            for path in files {
                let outcome = PipelineTestReader.read(path: path)
                for complaint in outcome.complaints { Output.print(complaint.description) }
                guard let tests = outcome.tests else {
                    total.badFiles += 1
                    continue
                }
                try total.add(TestFileRun.run(tests))
            }
            Output.complain(total.line)
            if total.badFiles > 0 { return .badData }
            return total.failed > 0 ? .testFailed : .done
        })
}

/// What became of all tests.
private struct TestTotal {
    var passed = 0
    var failed = 0
    /// Test files that could not be run, or paths without any.
    var badFiles = 0

    /// Adds the counts of a file; nil is one that could not be run.
    mutating func add(_ counts: (passed: Int, failed: Int)?) {
        guard let counts else {
            badFiles += 1
            return
        }
        passed += counts.passed
        failed += counts.failed
    }

    var line: String {
        "\(passed) passed, \(failed) failed"
            + (badFiles > 0 ? ", \(badFiles) file\(badFiles == 1 ? "" : "s") not usable" : "")
    }
}

/// Runs the cases of one test file, all in one run of the pipeline.
private enum TestFileRun {
    /// Prints what fails; nil where the pipeline cannot be run.
    static func run(_ tests: PipelineTests) throws(CommandError) -> (passed: Int, failed: Int)? {
        let (pipeline, complaints) = CheckedPipeline.check(
            path: tests.pipeline, environment: Environment.variables, log: .none)
        for complaint in complaints { Output.print(complaint.description) }
        guard let pipeline else { return nil }
        let results = try results(pipeline, tests)
        var (passed, failed) = (0, 0)
        var first = 0
        for test in tests.cases {
            let own = results.filter {
                $0.number >= first && $0.number < first + test.records.count
            }
            first += test.records.count
            let differences = TestComparison.differences(test, own)
            if differences.isEmpty {
                passed += 1
                continue
            }
            failed += 1
            Output.print("\(tests.path):\(test.place): failed: \(test.name)")
            for difference in differences { Output.print("  \(difference)") }
        }
        return (passed, failed)
    }

    /// What the worker makes of all records.
    private static func results(
        _ pipeline: CheckedPipeline, _ tests: PipelineTests
    ) throws(CommandError) -> [LineResult] {
        // The reader of test files lets no NUL through, so that it can part the records.
        var input: [UInt8] = []
        for record in tests.cases.flatMap(\.records) {
            input += record
            input.append(0)
        }
        var choices = LineRun.Choices()
        choices.lanes = 1
        choices.collectsDeadLetters = true
        choices.form.separator = 0
        choices.form.skipsEmptyLines = false
        let sink: ResultSink
        do throws(ServiceError) {
            sink = try ResultSink()
        } catch {
            throw CommandError(.unavailable, error.description)
        }
        try LineRun(pipeline, .bytes(input), sink: sink, choices, log: .none).run()
        return sink.results
    }
}
