"""Runs rows of the fault matrix and prints their table; scripts/faults starts it and says how."""
import argparse
import datetime
import itertools
import math
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


def way(setting):
    return f"{setting.protocol}, librdkafka {setting.library}"


def key(row, setting):
    """The first cells of a line, which tell it from the others."""
    return row.number, row.name, setting.delivery.replace("_", " "), way(setting)


def line(row, setting, result):
    if result.note.startswith("not run"):
        figures = ["–"] * 5
    else:
        bound = "" if result.bound is None or setting.is_once else f" (≤ {result.bound:,})"
        figures = [f"{result.records:,}", str(result.faults), str(result.lost),
                   f"{result.duplicates:,}{bound}", str(result.order)]
    verdict = "; ".join(result.wrong) or result.note.strip() or "good"
    cells = [*key(row, setting), *figures, f"{result.seconds:.0f} s", verdict,
             datetime.date.today().isoformat()]
    return f"| {' | '.join(cells)} |"


COLUMNS = ["row", "fault", "delivery", "group protocol, library", "records", "faults", "lost",
           "twice (bound)", "order broken", "took", "verdict", "day"]
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"
FULL_NOTE = ("Each row by `scripts/faults --full --write ROW`, on the day in its last column; all of "
             "them without ROW.")


def write_page(text, marks=MARKS):
    """Replaces what stands between the marks in the guarantees."""
    page = PAGE.read_text()
    begin, end = (page.index(mark) for mark in marks)
    PAGE.write_text(page[:begin] + marks[0] + "\n" + text + page[end:])


def cells_of(text):
    return tuple(cell.strip() for cell in text.strip().strip("|").split("|"))


def most_twice(table_lines):
    """A sentence: of each fault the most records that came twice for one of it, at least once."""
    most = {}
    for text in table_lines:
        _, name, delivery, _, _, faults, _, twice, *_ = cells_of(text)
        count = twice.split(" ")[0].replace(",", "")
        if delivery == "at least once" and count.isdigit() and int(count):
            most[name] = max(most.get(name, 0), math.ceil(int(count) / max(1, int(faults))))
    told = sorted(most.items(), key=lambda one: -one[1])
    return ("Records that came twice for one fault at least once, at most: "
            + "; ".join(f"{name} {count:,}" for name, count in told)
            + "; in all other rows that ran to their end none.")


def write_line(row, setting, text, options):
    """Puts the line into the page's table, in the place of the last one of this row and setting; one
    of a row that is no more goes."""
    page = PAGE.read_text()
    lines = {}
    for old in page[page.index(MARKS[0]):page.index(MARKS[1])].splitlines():
        lines[cells_of(old)[:4]] = old
    lines[key(row, setting)] = text
    options = argparse.Namespace(**vars(options) | {
        "delivery": None, "protocol": None, "library": None})
    known = [key(one, its) for one in table.ROWS for its in settings(one, options)]
    table_lines = [lines[one] for one in known if one in lines]
    write_page(f"{FULL_NOTE}\n\n{HEAD}\n" + "\n".join(table_lines) + "\n\n"
               + most_twice(table_lines) + "\n")


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
    if options.write and (not options.full or options.records or options.changes):
        made.error("--write takes --full, with its numbers of records and changes")
    default = Setting()
    options.records = options.records or (FULL_RECORDS if options.full else default.records)
    options.changes = options.changes or (FULL_CHANGES if options.full else default.changes)
    return options


def main():
    scenario.end_in_order()
    options = parse()
    count = bad = 0
    print(HEAD, flush=True)
    for row in chosen(options.rows):
        for setting in settings(row, options):
            say(f"{row.number} {row.name}, {setting.delivery}, {setting.protocol}, "
                f"{setting.library}")
            result = run(row, setting)
            bad += not result.is_good
            count += 1
            text = line(row, setting, result)
            print(text, flush=True)
            if options.write:
                write_line(row, setting, text, options)
    say(f"{bad} of {count} are bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
