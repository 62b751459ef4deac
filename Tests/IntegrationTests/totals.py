"""Sums what the Swift tests (xunit files) and the Python tests (MILLRACE_TEST_TOTALS) have left in a
folder: names what was skipped and what failed, then one line of counts.
usage: totals.py FOLDER [FAILED_STEP...]"""
import pathlib
import sys
import xml.etree.ElementTree as xml


def swift(folder):
    """Counts of passed, lists of failed and skipped tests."""
    passed, failed, skipped = 0, [], []
    for file in sorted(folder.glob("swift*.xml")):
        for case in xml.parse(file).getroot().iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}"
            reason = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append(name)
            elif reason is not None:
                text = (reason.get("message") or reason.text or "").strip()
                skipped.append(f"{name}: {text}" if text else name)
            else:
                passed += 1
    return passed, failed, skipped


def python(folder):
    """The same for the file that Tests/IntegrationTests writes."""
    passed, failed, skipped = 0, [], []
    file = folder / "python.txt"
    for line in file.read_text().splitlines() if file.exists() else []:
        word, _, rest = line.partition(" ")
        if word == "passed":
            passed = int(rest)
        else:
            (failed if word == "failed" else skipped).append(rest)
    return passed, failed, skipped


def main():
    folder, steps = pathlib.Path(sys.argv[1]), sys.argv[2:]
    both = [swift(folder), python(folder)]
    passed = sum(p for p, _, _ in both)
    failed = [name for _, names, _ in both for name in names]
    skipped = [name for _, _, names in both for name in names]
    # A step can fail without a failed test: a compiler error, a crash.
    if not failed:
        failed = [f"step: {step}" for step in steps]
    for word, names in ("skipped", skipped), ("failed", failed):
        for name in names:
            print(f"{word}: {name}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    sys.exit(1 if failed or steps else 0)


if __name__ == "__main__":
    main()
