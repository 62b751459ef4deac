"""Runs the tests: `python Tests/IntegrationTests [NAME...]`, where NAME is a part of a test's id.
With MILLRACE_TEST_TOTALS the counts are also written to that file, for scripts/test."""
import os
import pathlib
import signal
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent


class Result(unittest.TextTestResult):
    """Tells how long each test took; counts what passed."""
    passed = 0

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self.stream.writeln(f"    took {time.monotonic() - self.began:.1f} s")


def write_totals(path, result):
    failed = [test.id() for test, _ in result.failures + result.errors]
    failed += [test.id() for test in result.unexpectedSuccesses]
    lines = [f"passed {result.passed}"]
    lines += [f"failed {name}" for name in failed]
    lines += [f"skipped {test.id()}: {reason}" for test, reason in result.skipped]
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


def main():
    # A stop from outside must run the cleanups: they end brokers and workers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    loader = unittest.TestLoader()
    if sys.argv[1:]:
        loader.testNamePatterns = [f"*{name}*" for name in sys.argv[1:]]
    suite = loader.discover(str(HERE), top_level_dir=str(HERE))
    runner = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=Result)
    result = runner.run(suite)
    if path := os.environ.get("MILLRACE_TEST_TOTALS"):
        write_totals(path, result)
    if result.testsRun == 0:
        print(f"no test matches {' '.join(sys.argv[1:])}")
        return 64
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
