"""The benchmark; scripts/bench starts it and says how. Progress goes to stderr, the table to
stdout."""
import argparse
import dataclasses
import datetime
import os
import pathlib
import platform
import re
import resource
import statistics
import subprocess
import time
import urllib.error
import urllib.request

from bench_kit import (BATCH, EVENTS, INPUTS, MARKS, PARTITIONS, REPOSITORY, complain, prepare, say,
                       tool, verdict_of, wait_until, write_section)

FEEDER = REPOSITORY / "scripts" / "bench-feeder.c"
DEBIAN_LIBRARIES = f"/usr/lib/{platform.machine()}-linux-gnu"
LATENCY_TARGET_MS = 10
START_TARGET_SECONDS = 2
WARM_UP_SECONDS = 5
FEED_SECONDS = 30
LOOP_TRIES = 5
SCRAPES_PER_SECOND = 10
SCRAPE_SECONDS = 2
SCRAPE_PAIRS = 12


@dataclasses.dataclass(frozen=True)
class Case:
    """A model on an engine; the loop beside it always uses ONNX Runtime."""
    label: str
    model: str
    engine: str
    target: float


TREES = Case("fraud_gbt on trees", "gbt", "trees", 1.40)
RUNTIME = Case("fraud_gbt on onnxruntime", "gbt", "onnxruntime", 0.80)
MLP = Case("fraud_mlp on onnxruntime", "mlp", "onnxruntime", 0.75)
CASES = [TREES, RUNTIME, MLP]


# Runs over all records

@dataclasses.dataclass
class Run:
    records: int
    per_second: float
    per_cpu_second: float
    peak_mib: float = 0
    steady_mib: float = 0


def cpu_seconds():
    """What all ended children took, from their exec to their exit, as the kernel counts it. Both
    programs are measured so: their own figures begin and end at different points."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def reading(text, bench, cpu, dead=0):
    """The figures of a summary line, with the CPU-seconds of the process; all records must be in
    it."""
    values = dict(re.findall(r"([\w/-]+)=([\d.]+)", text))
    if int(values["records"]) != bench.records or int(values.get("dead", 0)) != dead:
        complain(f"expected {bench.records} records, {dead} of them dead: {text.strip()}")
    return Run(bench.records, float(values["rec/s"]), bench.records / cpu)


def close_output(bench, topic, dead=0):
    """Counts what came out and deletes the topic."""
    written = bench.loader("count", topic).split()[-1]
    if int(written) != bench.records - dead:
        complain(f"{written} records came out instead of {bench.records - dead}")
    bench.drop(topic)


def run_loop(bench, model, debian=False):
    """The reference loop over all records. It ends where its producer's queue is full, which the
    fast model brings about at times while the broker is busy otherwise; it is run again then."""
    libraries = DEBIAN_LIBRARIES if debian else REPOSITORY / ".engines"
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(libraries), "FEATURES": str(bench.data / "features.f32")}
    for _ in range(LOOP_TRIES):
        topic = bench.fresh_topic()
        before = cpu_seconds()
        done = subprocess.run(
            [bench.shared / "bench" / "limit", bench.bootstrap, "events", topic,
             bench.model(model), REPOSITORY / ".engines" / "libonnxruntime.so.1",
             str(bench.records), str(BATCH)],
            capture_output=True, text=True, env=environment, timeout=900)
        cpu = cpu_seconds() - before
        if done.returncode == 0:
            close_output(bench, topic)
            say(f"loop {model}: {done.stdout.strip()}")
            return reading(done.stdout, bench, cpu)
        say(f"loop {model}: {done.stderr.strip()}")
        bench.drop(topic)
        time.sleep(5)
    complain("the reference loop did not come through")


def memory_mib(pid):
    """Peak and present resident memory; None once the process has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = [re.search(rf"^{name}:\s+(\d+) kB", text, re.M) for name in ("VmHWM", "VmRSS")]
    return tuple(int(match.group(1)) / 1024 for match in found) if all(found) else None


def run_worker(bench, case, lanes=1, header=False, debian=False, source="events", dead=0, **more):
    """`millrace run --until-end` over all records, of which so many must be dead; its memory is
    looked at every 50 ms."""
    topic = bench.fresh_topic()
    file = bench.pipeline(source, topic, case.model, lanes, header, case.engine, **more)
    environment = os.environ | ({"LD_LIBRARY_PATH": DEBIAN_LIBRARIES} if debian else {})
    samples = []
    before = cpu_seconds()
    with open(bench.folder / "worker.log", "w+") as log:
        worker = subprocess.Popen([bench.binary, "run", file, "--until-end"], text=True,
                                  stdout=subprocess.PIPE, stderr=log, env=environment)
        while worker.poll() is None:
            if sample := memory_mib(worker.pid):
                samples.append(sample)
            time.sleep(0.05)
        cpu = cpu_seconds() - before
        text = worker.stdout.read()
        log.seek(0)
        if worker.returncode:
            complain(f"the worker ended with {worker.returncode}:\n{log.read()}")
    close_output(bench, topic, dead)
    say(f"millrace {case.label} lanes={lanes} header={header} debian={debian} source={source}: "
        f"{text.strip()}")
    run = reading(text, bench, cpu, dead)
    run.peak_mib = max(peak for peak, _ in samples)
    run.steady_mib = statistics.median(now for _, now in samples[len(samples) // 2:])
    return run


def median(runs, name):
    return statistics.median(getattr(run, name) for run in runs)


def count(value):
    return f"{value:,.0f}"


@dataclasses.dataclass
class Pairs:
    """The loop and the worker over the same records, one after the other, a few times."""
    loop: list = dataclasses.field(default_factory=list)
    worker: list = dataclasses.field(default_factory=list)

    @property
    def ratios(self):
        return [ours.per_cpu_second / its.per_cpu_second
                for its, ours in zip(self.loop, self.worker)]

    def row(self, label, target=None):
        middle = statistics.median(self.ratios)
        verdict = "" if target is None else f"{target:.2f}: {verdict_of(middle >= target)}"
        each = " ".join(f"{ratio:.2f}" for ratio in self.ratios)
        return (f"| {label} | {count(median(self.loop, 'per_cpu_second'))} "
                f"| {count(median(self.worker, 'per_cpu_second'))} "
                f"| {count(median(self.worker, 'per_second'))} "
                f"| **{middle:.2f}** ({each}) | {verdict} |")


RATIO_HEAD = ["| run | loop, records/CPU-s | millrace, records/CPU-s | millrace, records/s "
              "| ratio (pair by pair) | target |", "|---|---|---|---|---|---|"]


def ratio_tables(bench, rounds, full):
    """Rows, and the runs of each case on one lane, from which other measurements start."""
    kinds = {"one lane": {}}
    if full:
        kinds |= {"one lane, with `millrace-model` header": {"header": True},
                  "two lanes": {"lanes": 2}}
    pairs = {(case, kind): Pairs() for case in CASES for kind in kinds}
    debian = {case: Pairs() for case in CASES if full}
    for model in INPUTS:
        cases = [case for case in CASES if case.model == model]
        for _ in range(rounds):
            loop = run_loop(bench, model)
            for case in cases:
                for kind, options in kinds.items():
                    pairs[case, kind].loop.append(loop)
                    pairs[case, kind].worker.append(run_worker(bench, case, **options))
        for _ in range(rounds if full else 0):
            loop = run_loop(bench, model, debian=True)
            for case in cases:
                debian[case].loop.append(loop)
                debian[case].worker.append(run_worker(bench, case, debian=True))
    rows = list(RATIO_HEAD)
    for case in CASES:
        for kind in kinds:
            target = case.target if kind == "one lane" else None
            rows.append(pairs[case, kind].row(f"{case.label}, {kind}", target))
    for case, own in debian.items():
        rows.append(own.row(f"{case.label}, one lane, both on Debian's librdkafka"))
    return rows, {case: pairs[case, "one lane"] for case in CASES}


# A worker that runs on

class Service:
    """`millrace run` on a port of its own."""

    def __init__(self, bench, file):
        self.started = time.monotonic()
        self.log = open(bench.folder / "service.log", "w+")
        self.process = subprocess.Popen(
            [bench.binary, "run", file], stderr=self.log, stdout=subprocess.DEVNULL)
        self.address = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        if code := self.process.wait(60):
            complain(f"the worker ended with {code}:\n{self.text()}")
        self.log.close()

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def get(self, path):
        """Status and text; status 0 while nobody listens."""
        if self.process.poll() is not None:
            complain(f"the worker ended:\n{self.text()}")
        if self.address is None:
            found = re.search(r'"http": ?"(127[.\d]+:\d+)"', self.text())
            if not found:
                return 0, ""
            self.address = f"http://{found.group(1)}"
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    def ready_after(self):
        """Seconds from the start of the process until /readyz answered 200."""
        wait_until(lambda: self.get("/readyz")[0] == 200, "the worker is ready")
        return time.monotonic() - self.started


def start_seconds(bench, times=5):
    """Median time from exec to ready; the first start warms the disk and is not counted."""
    taken = []
    for _ in range(times + 1):
        topic = bench.fresh_topic()
        file = bench.pipeline("events", topic, "gbt", http={"listen": "127.0.0.1:0"})
        with Service(bench, file) as service:
            taken.append(service.ready_after())
        bench.drop(topic)
    return statistics.median(taken[1:])


def buckets(metrics):
    """Upper bounds in seconds and cumulative counts of the latency histogram."""
    name = "millrace_end_to_end_latency_seconds_bucket"
    found = re.findall(rf'^{name}{{.*?le="([^"]+)".*?}} (\S+)$', metrics, re.M)
    return [(float(bound.replace("+Inf", "inf")), float(value)) for bound, value in found]


def quantile_ms(before, after, share):
    """What that share of the records between two scrapes did not exceed, interpolated within a
    bucket as Prometheus does it."""
    grown = [(bound, late - early) for (bound, late), (_, early) in zip(after, before)]
    rank = share * grown[-1][1]
    low, below = 0.0, 0.0
    for bound, total in grown:
        if total >= rank and total > below:
            if bound == float("inf"):
                return low * 1e3
            return (low + (bound - low) * (rank - below) / (total - below)) * 1e3
        low, below = bound, total
    return float("nan")


def share_within(before, after, seconds):
    """The share of those records that a bucket's bound of so many seconds holds: exact, where a
    quantile is a guess within its bucket."""
    grown = {bound: late - early for (bound, late), (_, early) in zip(after, before)}
    return grown[seconds] / max(grown[float("inf")], 1)


@dataclasses.dataclass
class Latency:
    reached: float
    p50_ms: float
    p99_ms: float
    within: float


def feed(bench, topic, rate, seconds):
    """Starts to write records at that rate; the process prints the rate that it reached."""
    binary = bench.folder / "bench-feeder"
    if not binary.exists():
        tool("gcc", "-O2", FEEDER, "-o", binary, "-lrdkafka")
    return subprocess.Popen(
        [binary, bench.bootstrap, topic, str(PARTITIONS), bench.data / "events.jsonl", str(rate),
         str(seconds)], stdout=subprocess.PIPE, text=True)


def latency_at(bench, case, rate):
    """Feeds a running worker at that rate; the figures are those after the warm-up."""
    source, sink = bench.fresh_topic(), bench.fresh_topic()
    file = bench.pipeline(
        source, sink, case.model, engine=case.engine, http={"listen": "127.0.0.1:0"})
    with Service(bench, file) as service:
        service.ready_after()
        feeding = feed(bench, source, rate, FEED_SECONDS)
        wait_until(lambda: buckets(service.get("/metrics")[1])[-1][1] > 0, "records arrive")
        time.sleep(WARM_UP_SECONDS)
        before = buckets(service.get("/metrics")[1])
        time.sleep(FEED_SECONDS - WARM_UP_SECONDS - 3)
        after = buckets(service.get("/metrics")[1])
        reached = float(feeding.communicate(timeout=120)[0].split()[0])
    bench.drop(source)
    bench.drop(sink)
    result = Latency(reached, quantile_ms(before, after, 0.5), quantile_ms(before, after, 0.99),
                     share_within(before, after, LATENCY_TARGET_MS / 1e3))
    say(f"latency: {result}")
    return result


def latency_rows(bench, case, rate):
    """The median of three by p99, behind one that warms the broker, a JVM, and is not counted."""
    runs = [latency_at(bench, case, rate) for _ in range(4)][1:]
    middle = sorted(runs, key=lambda run: run.p99_ms)[1]
    each = ", ".join(f"{run.p99_ms:.1f}" for run in runs)
    met = verdict_of(middle.within >= 0.99)
    return [
        f"| {case.label}: latency at {count(middle.reached)} records/s (asked for: {count(rate)}, "
        f"half of the rate above), p50 | {middle.p50_ms:.1f} ms | |",
        f"| the same, p99 (of three runs: {each}) | {middle.p99_ms:.1f} ms "
        f"| {LATENCY_TARGET_MS} ms: {met} ({middle.within:.2%} within it) |"]


# What reading the metrics costs

def cpu_ns(pid):
    """CPU time of a process's threads, which are the same at both ends of a measurement."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def scrape_row(bench, rate):
    """One loaded worker, in turn left alone and scraped: its CPU a record in both, pair by pair."""
    source, sink = bench.fresh_topic(), bench.fresh_topic()
    file = bench.pipeline(source, sink, "gbt", http={"listen": "127.0.0.1:0"})
    costs = {0: [], SCRAPES_PER_SECOND: []}
    with Service(bench, file) as service:
        service.ready_after()
        seconds = WARM_UP_SECONDS + 2 * SCRAPE_PAIRS * (SCRAPE_SECONDS + 0.1) + 3
        feeding = feed(bench, source, rate, round(seconds))
        wait_until(lambda: buckets(service.get("/metrics")[1])[-1][1] > 0, "records arrive")
        time.sleep(WARM_UP_SECONDS)
        for phase in range(2 * SCRAPE_PAIRS):
            # Which of the two comes first changes, so that a drift shows in neither.
            scrapes = SCRAPES_PER_SECOND if phase % 4 in (1, 2) else 0
            records = buckets(service.get("/metrics")[1])[-1][1]
            cpu = cpu_ns(service.process.pid)
            for _ in range(SCRAPE_SECONDS * scrapes):
                service.get("/metrics")
                time.sleep(1 / scrapes)
            if not scrapes:
                time.sleep(SCRAPE_SECONDS)
            cpu = cpu_ns(service.process.pid) - cpu
            costs[scrapes].append(cpu / (buckets(service.get("/metrics")[1])[-1][1] - records))
        feeding.communicate(timeout=120)
    bench.drop(source)
    bench.drop(sink)
    more = statistics.median(
        scraped / alone - 1 for alone, scraped in zip(costs[0], costs[SCRAPES_PER_SECOND]))
    return (f"| CPU a record with {SCRAPES_PER_SECOND} scrapes a second, beside none, median of"
            f" {SCRAPE_PAIRS} pairs of {SCRAPE_SECONDS} s | {more:+.1%} "
            f"| less than 2 %: {verdict_of(more < 0.02)} |")


# Lines instead of topics

def score_rows(bench, pairs):
    """`score` from file to file beside `run`, both with the lanes that they choose themselves."""
    lines, scored = bench.folder / "lines.jsonl", bench.folder / "scored.jsonl"
    events = (bench.data / "events.jsonl").read_bytes()
    copies = max(1, bench.records // EVENTS)
    with lines.open("wb") as file:
        for _ in range(copies):
            file.write(events)
    rows = []
    for case in (TREES, MLP):  # with the engine that `auto` takes
        ratios = []
        for _ in range(pairs):
            ran = run_worker(bench, case, lanes=0)
            pipeline = bench.pipeline("events", "unused", case.model, lanes=0, engine=case.engine)
            started = time.monotonic()
            with scored.open("wb") as file:
                subprocess.run([bench.binary, "score", pipeline, lines], stdout=file, check=True)
            rate = copies * EVENTS / (time.monotonic() - started)
            if (written := int(tool("wc", "-l", scored).split()[0])) != copies * EVENTS:
                complain(f"score wrote {written} records instead of {copies * EVENTS}")
            say(f"score {case.label}: {rate:.0f} records/s, run: {ran.per_second:.0f}")
            ratios.append(rate / ran.per_second)
        middle, each = statistics.median(ratios), " ".join(f"{ratio:.1f}" for ratio in ratios)
        rows.append(f"| {case.label}: records/s of `score` through those of `run` | {middle:.1f}"
                    f" ({each}) | 2: {verdict_of(middle >= 2)} |")
    return rows


# The table

def machine_lines(bench, pairs):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    version = " · ".join(tool(bench.binary, "--version").strip().splitlines())
    debian = tool(bench.binary, "--version", environment={"LD_LIBRARY_PATH": DEBIAN_LIBRARIES})
    old = re.search(r"librdkafka [\d.]+", debian)
    load = os.getloadavg()[0]
    return [
        f"{datetime.date.today()}, {os.cpu_count()} cores"
        f" ({cpu.group(1) if cpu else platform.machine()}), broker on the same machine, load"
        f" average {load:.1f} at the end. {version}; Debian's {old.group(0) if old else '?'}."
        f" {bench.records:,} records in {PARTITIONS} partitions, batches of up to {BATCH},"
        f" medians of {pairs} interleaved pairs.", ""]


def latency_table(bench):
    """Only what a record waits, at half of what one run over all records reached."""
    rows = ["| one lane | measured | target |", "|---|---|---|"]
    for case in (RUNTIME, TREES):
        rows += latency_rows(bench, case, run_worker(bench, case).per_second / 2)
    return rows


def measure(bench, arguments):
    if arguments.part == "latency":
        return "\n".join(machine_lines(bench, 1) + latency_table(bench)) + "\n"
    full = arguments.part != "quick"
    rows, runs = ratio_tables(bench, arguments.pairs, full)
    if full:
        say("start-up time")
        started = start_seconds(bench)
        rates = {case: median(own.worker, "per_second") / 2 for case, own in runs.items()}
        trees = runs[TREES].worker
        rows += [
            "", "| one lane | measured | target |", "|---|---|---|",
            *latency_rows(bench, RUNTIME, rates[RUNTIME]),
            *latency_rows(bench, TREES, rates[TREES]),
            f"| resident memory, steady (second half of a run) "
            f"| {median(trees, 'steady_mib'):.0f} MiB | |",
            f"| resident memory, peak | {median(trees, 'peak_mib'):.0f} MiB | |",
            f"| start to `/readyz` 200, warm disk, median of 5 | {started:.2f} s "
            f"| {START_TARGET_SECONDS} s: {verdict_of(started <= START_TARGET_SECONDS)} |",
            scrape_row(bench, rates[TREES]),
            "", "| file to file, lanes by default | measured | target |", "|---|---|---|",
            *score_rows(bench, min(3, arguments.pairs))]
    return "\n".join(machine_lines(bench, arguments.pairs) + rows) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("part", nargs="?", choices=["all", "quick", "latency"], default="all")
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--binary", type=lambda text: pathlib.Path(text).resolve(),
                        default=REPOSITORY / ".build" / "release" / "millrace")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write and arguments.part != "all":
        complain(f"--write needs the whole table; leave out '{arguments.part}'")
    if not arguments.binary.exists():
        complain(f"no binary {arguments.binary}")
    table = measure(prepare(arguments), arguments)
    print(table, end="")
    if arguments.write:
        write_section(MARKS, table)


if __name__ == "__main__":
    main()
