"""What hostile records cost the others: `scripts/bench hostile`. The same worker reads the events,
and the events with a record of Tests/Corpus in each hundredth place, which become dead letters."""
import datetime
import os
import statistics
import sys

from bench import TREES, count, median, run_worker
from bench_kit import (HOSTILE_MARKS, PARTITIONS, REPOSITORY, complain, run_pairs, say,
                       verdict_of)

sys.path.append(str(REPOSITORY / "Tests" / "IntegrationTests"))
from test_bad_records import corpus  # noqa: E402

TARGET = 0.8
EVERY = 100
GOOD = "events-good"
HOSTILE = "events-hostile"
DEAD = "events-dead"


def load_both(bench):
    """Loads the topics, without keys as some records have nothing to take one from, and returns how
    many records of the one are hostile. The loader takes lines, so that what holds an end of line
    is left out."""
    bad = [value for _, value in corpus() if value and not {10, 13} & set(value)]
    rows = (bench.data / "events.jsonl").read_bytes().splitlines()
    for place, index in enumerate(range(0, len(rows), EVERY)):
        rows[index] = bad[place % len(bad)]
    path = bench.folder / "hostile.jsonl"
    path.write_bytes(b"\n".join(rows) + b"\n")
    say(f"loading {bench.records} records, each {EVERY}th one of {len(bad)} hostile ones")
    bench.loader("create", PARTITIONS, GOOD, HOSTILE)
    bench.loader("load", GOOD, bench.data / "events.jsonl", bench.records, "--key", "none")
    bench.loader("load", HOSTILE, path, bench.records, "--key", "none")
    whole, rest = divmod(bench.records, len(rows))
    return whole * len(range(0, len(rows), EVERY)) + len(range(0, rest, EVERY))


def measure(bench, pairs):
    dead = load_both(bench)
    good, hostile = [], []
    for _ in range(pairs):
        for source, runs, letters in ((GOOD, good, 0), (HOSTILE, hostile, dead)):
            bench.loader("create", 1, DEAD)
            # The corpus has fields of this name.
            runs.append(run_worker(bench, TREES, source=source, dead=letters,
                                   append={"fraud_score": "probabilities[1]"},
                                   dead_letter={"topic": DEAD}))
            if (found := int(bench.loader("count", DEAD).split()[-1])) != letters:
                complain(f"{found} dead letters instead of {letters}")
    rows = ["| records | without, records/s | with, records/s | ratio of records/s "
            "| ratio of records/CPU-s | target |", "|---|---|---|---|---|---|"]
    ratios = {name: [getattr(bad, name) / getattr(alone, name)
                     for alone, bad in zip(good, hostile)]
              for name in ("per_second", "per_cpu_second")}
    shown = [f"**{statistics.median(all_):.2f}** ({' '.join(f'{r:.2f}' for r in all_)})"
             for all_ in ratios.values()]
    met = all(statistics.median(all_) >= TARGET for all_ in ratios.values())
    rows.append(f"| {count(bench.records)}, {count(dead)} of them hostile "
                f"| {count(median(good, 'per_second'))} | {count(median(hostile, 'per_second'))} "
                f"| {shown[0]} | {shown[1]} | {TARGET:.2f}: {verdict_of(met)} |")
    head = (f"{datetime.date.today()}, {os.cpu_count()} cores, load average "
            f"{os.getloadavg()[0]:.1f} at the end. {TREES.label}, one lane, medians of {pairs} "
            "interleaved pairs.")
    return "\n".join([head, "", *rows]) + "\n"


def main():
    run_pairs("hostile", measure, HOSTILE_MARKS)


if __name__ == "__main__":
    main()
