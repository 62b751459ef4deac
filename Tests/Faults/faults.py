"""Runs rows of the fault matrix and prints their table; scripts/faults starts it and says how."""
import argparse
import datetime
import itertools
import sys
import time
import traceback
import unittest

import origin  # noqa: F401  makes Tests/IntegrationTests importable
import rows  # noqa: F401  puts rows into the table
import rows_network  # noqa: F401
import rows_records  # noqa: F401
import rows_topics  # noqa: F401
import scenario
import table
from brokers import REPOSITORY
from scenario import LIBRARIES, PROTOCOLS, Refused, Result, Setting

PAGE = REPOSITORY / "docs" / "guarantees.md"
MARKS = ("<!-- scripts/faults --write: begin -->", "<!-- scripts/faults --write: end -->")
FULL_RECORDS, FULL_CHANGES = 100_000, 200


def say(text):
    print(f"faults: {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def settings(row, options):
    """All settings that a row is run with."""
    deliveries = [d for d in row.deliveries if options.delivery in (None, d)]
    ways = [(options.protocol or "range", options.library or "2.16")]
    if row.is_varied and options.full:
        ways = [(p, "2.16") for p in PROTOCOLS if options.protocol in (None, p)]
        ways += [("range", "2.0.2")]
        ways = [way for way in ways if options.library in (None, way[1])]
    for (protocol, library), delivery in itertools.product(ways, deliveries):
        yield Setting(delivery, protocol, library, options.records, options.changes)


def run(row, setting):
    """The row's result; an exception is a bad one."""
    begun = time.monotonic()
    try:
        result = row.run(setting)
    except (Refused, unittest.SkipTest) as reason:
        return Result(note=f"not run: {reason}")
    except Exception as failure:
        if scenario.stopping:
            raise
        traceback.print_exc()
        text = (str(failure).splitlines() or [""])[0]
        result = Result(wrong=[f"{type(failure).__name__}: {text}"])
    result.seconds = time.monotonic() - begun
    return result


def line(row, setting, result):
    way = f"{setting.protocol}, librdkafka {setting.library}"
    if result.note.startswith("not run"):
        figures = ["–"] * 5
    else:
        bound = "" if result.bound is None or setting.is_once else f" (≤ {result.bound:,})"
        figures = [f"{result.records:,}", str(result.faults), str(result.lost),
                   f"{result.duplicates:,}{bound}", str(result.order)]
    verdict = "; ".join(result.wrong) or result.note or "good"
    delivery = setting.delivery.replace("_", " ")
    cells = [row.number, row.name, delivery, way, *figures, f"{result.seconds:.0f} s", verdict]
    return f"| {' | '.join(cells)} |"


COLUMNS = ["row", "fault", "delivery", "group protocol, library", "records", "faults", "lost",
           "twice (bound)", "order broken", "took", "verdict"]
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def write_page(text, marks=MARKS):
    """Replaces what stands between the marks in the guarantees."""
    page = PAGE.read_text()
    begin, end = (page.index(mark) for mark in marks)
    PAGE.write_text(page[:begin] + marks[0] + "\n" + text + page[end:])


def chosen(words):
    """Rows whose number is a word, or whose name has the word in it."""
    found = [r for r in table.ROWS if not words or any(
        w == r.number or (not w.isdigit() and w in r.name) for w in words)]
    if not found:
        names = "\n".join(f"  {r.number:>3} {r.name}" for r in table.ROWS)
        sys.exit(f"faults: no row matches {' '.join(words)}; there are\n{names}")
    return found


def parse():
    made = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    made.add_argument("rows", nargs="*", metavar="ROW")
    made.add_argument("--full", action="store_true")
    made.add_argument("--records", type=int)
    made.add_argument("--changes", type=int)
    made.add_argument("--delivery", choices=[scenario.AT_LEAST_ONCE, scenario.EXACTLY_ONCE])
    made.add_argument("--protocol", choices=PROTOCOLS)
    made.add_argument("--library", choices=LIBRARIES)
    made.add_argument("--write", action="store_true")
    options = made.parse_args()
    default = Setting()
    options.records = options.records or (FULL_RECORDS if options.full else default.records)
    options.changes = options.changes or (FULL_CHANGES if options.full else default.changes)
    return options


def main():
    scenario.end_in_order()
    options = parse()
    lines, bad = [], 0
    print(HEAD, flush=True)
    for row in chosen(options.rows):
        for setting in settings(row, options):
            say(f"{row.number} {row.name}, {setting.delivery}, {setting.protocol}, "
                f"{setting.library}")
            result = run(row, setting)
            bad += not result.is_good
            lines.append(line(row, setting, result))
            print(lines[-1], flush=True)
    if options.write:
        command = "scripts/faults " + " ".join(a for a in sys.argv[1:])
        day = datetime.date.today().isoformat()
        write_page(f"`{command}`, {day}:\n\n{HEAD}\n" + "\n".join(lines) + "\n")
    say(f"{bad} of {len(lines)} are bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
