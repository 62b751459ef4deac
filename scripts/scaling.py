"""Measures what rebalances cost; scripts/scaling starts it and says how. Brokers, load and workers
are those of the integration tests. Progress goes to stderr, the table to stdout."""
import argparse
import dataclasses
import datetime
import itertools
import os
import pathlib
import random
import signal
import statistics
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "Tests" / "IntegrationTests"))

import bench_data  # noqa: E402
import brokers  # noqa: E402
import records  # noqa: E402
from worker import Worker, pipeline, version  # noqa: E402

PAGE = REPOSITORY / "docs" / "operations.md"
MARKS = ("<!-- scripts/scaling --write: begin -->", "<!-- scripts/scaling --write: end -->")
PARTITIONS = 12
ROUNDS = 3
STEADY_SECONDS = 4
# Added at random, so that changes do not come at always the same time before a heartbeat.
SPREAD_SECONDS = 2
# Static members do not leave: their partitions wait for the end of the session. Short, to keep the
# measurement short; librdkafka's default is 45 s.
STATIC_SESSION_MS = 10_000
WAYS = {
    "classic, `range` (eager)": {"partition.assignment.strategy": "range"},
    "classic, `cooperative-sticky`": {"partition.assignment.strategy": "cooperative-sticky"},
    "`group.protocol: consumer`": {"group.protocol": "consumer"},
    "static members, `cooperative-sticky`": {
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": str(STATIC_SESSION_MS)},
}


def say(text):
    print(f"scaling: {text}", file=sys.stderr)


def is_static(way):
    return way.startswith("static")


@dataclasses.dataclass
class Change:
    """A span of time in which the instances changed."""
    name: str
    start_ms: float
    end_ms: float = float("inf")


@dataclasses.dataclass
class Run:
    """One way of sharing partitions, measured."""
    bootstrap: str
    way: str
    rate: int
    workers: list = dataclasses.field(default_factory=list)
    changes: list = dataclasses.field(default_factory=list)

    def start_worker(self, number):
        consumer = dict(WAYS[self.way])
        if is_static(self.way):
            consumer["group.instance.id"] = f"worker-{number}"
        content = pipeline(self.bootstrap, self.source, self.sink, group=self.group,
                           kafka={"consumer": consumer})
        self.workers[number:number + 1] = [Worker(content)]

    def begin(self, name):
        now = time.time() * 1e3
        if self.changes:
            self.changes[-1].end_ms = now
        self.changes.append(Change(name, now))
        say(f"{self.way}: {name}")

    def settle(self):
        """Until the partitions are shared evenly and everybody works; then some time of that."""
        share = PARTITIONS / len(self.workers)
        for worker in self.workers:
            worker.wait_for(lambda w=worker: w.metric("millrace_assigned_partitions") == share,
                            f"{share:.0f} partitions")
            worker.wait_metric("millrace_records_scored_total",
                               (worker.metric("millrace_records_scored_total") or 0) + 1)
        time.sleep(STEADY_SECONDS + random.uniform(0, SPREAD_SECONDS))

    def end_worker(self, worker):
        if code := worker.wait_exit():
            raise AssertionError(f"a worker ended with {code}:\n{worker.tail()}")

    def change_instances(self):
        self.begin("1 → 3")
        self.start_worker(1)
        self.start_worker(2)
        self.settle()
        if is_static(self.way):
            self.begin("one of 3 restarted")
            self.workers[2].terminate()
            self.end_worker(self.workers[2])
            self.start_worker(2)
            self.settle()
        self.begin("3 → 1")
        leaving = [self.workers.pop(), self.workers.pop()]
        for worker in leaving:
            worker.terminate()
        for worker in leaving:
            self.end_worker(worker)
        self.settle()

    def measure(self):
        self.group = records.new_name("group")
        self.source = records.create_topic(self.bootstrap, records.new_name("in"), PARTITIONS)
        # The broker's clock on each output tells when it came.
        self.sink = records.create_topic(self.bootstrap, records.new_name("out"), PARTITIONS,
                                         message_timestamp_type="LogAppendTime")
        feed = records.Feed(self.bootstrap, self.source, PARTITIONS, bench_data.rows(), self.rate)
        try:
            self.start_worker(0)
            self.settle()
            self.begin("one instance, steady")
            self.settle()
            for _ in range(ROUNDS):
                self.change_instances()
            count = feed.stop()
            watcher = records.Watcher(self.bootstrap)
            self.workers[0].wait_for(
                lambda: watcher.lag(self.group, self.source) == 0, "no lag")
            self.changes[-1].end_ms = time.time() * 1e3
            watcher.close()
            self.workers[0].terminate()
            self.end_worker(self.workers[0])
        finally:
            feed.stop()
            for worker in self.workers:
                worker.close()
        return self.rows(records.read_all(self.bootstrap, self.sink), count)

    def rows(self, output, count):
        """The table's rows: one a change."""
        lost = 0
        twice = {change.name: 0 for change in self.changes}
        ordered = True
        for partition, got in enumerate(output):
            seen = {}
            for record in got:
                number = int(record.key)
                if number in seen:
                    twice[self.change_at(record.timestamp).name] += 1
                seen.setdefault(number, None)
            ordered = ordered and list(seen) == sorted(seen)
            lost += len(set(range(partition, count, PARTITIONS)) - set(seen))
        rows = []
        for name in twice:
            pauses = [self.longest_gap(got, change) for got in output
                      for change in self.changes if change.name == name]
            rows.append(f"| {self.way} | {name} | {statistics.median(pauses):,.0f} ms "
                        f"| {max(pauses):,.0f} ms | {twice[name]} |")
        say(f"{self.way}: {count} records, {lost} lost, in order: {ordered}")
        rows[-1] += f" {count:,} | {lost} | {'kept' if ordered else 'BROKEN'} |"
        rows[:-1] = [row + " | | |" for row in rows[:-1]]
        return rows

    def change_at(self, time_ms):
        return next((c for c in self.changes if time_ms < c.end_ms), self.changes[-1])

    @staticmethod
    def longest_gap(got, change):
        """The longest time between two outputs of a partition, of those times that ended within the
        change: the one in which it begins started before."""
        times = [record.timestamp for record in got]
        gaps = [late - early for early, late in itertools.pairwise(times)
                if change.start_ms < late <= change.end_ms]
        return max(gaps, default=float("nan"))


def head(rate):
    clients = [path.name for path in (brokers.shared_folder() / "kafka" / "lib").glob(
        "kafka-clients-*.jar")]
    kafka = clients[0].removeprefix("kafka-clients-").removesuffix(".jar") if clients else "?"
    told = " · ".join(version().split("\n")).strip(" ·")
    return [
        f"{datetime.date.today()}, `scripts/scaling --write`: {told}, one broker of Kafka {kafka}"
        f" on the same machine of {os.cpu_count()} cores; {rate:,} records/s over {PARTITIONS}"
        f" partitions; each change {ROUNDS} times; static members with a session of {STATIC_SESSION_MS // 1000} s.", "",
        "| group | change | pause, median | pause, longest | came twice | records | lost | order |",
        "|---|---|---|---|---|---|---|---|"]


def write(table):
    text = PAGE.read_text()
    begin, end = (text.index(mark) for mark in MARKS)
    PAGE.write_text(text[:begin] + MARKS[0] + "\n" + table + text[end:])


def main():
    parser = argparse.ArgumentParser(prog="scripts/scaling")
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    ways = [way for way in WAYS if arguments.only in way]
    if not ways or (arguments.write and len(ways) < len(WAYS)):
        parser.error("--only must leave one, and --write needs all of them")
    # A stop from outside must run the cleanups: they end broker and workers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if reason := brokers.own_cluster_missing():
        sys.exit(f"scaling: {reason}")
    bootstrap = brokers.cluster("scaling").bootstrap
    lines = head(arguments.rate)
    for way in ways:
        lines += Run(bootstrap, way, arguments.rate).measure()
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if arguments.write:
        write(table)


if __name__ == "__main__":
    main()
