"""What the rows of the fault matrix share: a cluster behind a proxy, a run of workers over a loaded
topic with a reader beside them, and the checker's verdict at its end."""
import collections
import contextlib
import dataclasses
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import origin  # also makes Tests/IntegrationTests importable
import bench_data
import brokers
import clusters
import records
from brokers import wait_until
from cases import SHORT_SESSION
from confluent_kafka import KafkaException
from worker import Worker, debian_library, pipeline, version

HERE = pathlib.Path(__file__).resolve().parent
KEPT = brokers.REPOSITORY / ".build" / "faults"
PARTITIONS = 6
SESSION_SECONDS = int(SHORT_SESSION["session.timeout.ms"]) / 1000
AT_LEAST_ONCE, EXACTLY_ONCE = "at_least_once", "exactly_once"
PROTOCOLS = {
    "range": {"partition.assignment.strategy": "range"},
    "cooperative": {"partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.protocol": "consumer"},
}
LIBRARIES = {"2.16": {}, "2.0.2": debian_library()}
# Of a commit interval of 1 s, and as much for what is on its way and for a slow machine.
WINDOW_MS = 2_000


@dataclasses.dataclass
class Setting:
    """What a row is run with."""
    delivery: str = AT_LEAST_ONCE
    protocol: str = "range"
    library: str = "2.16"
    records: int = 20_000
    changes: int = 20
    load_seconds: float = 40  # how long a steady load goes on, where there is one

    @property
    def rate(self):
        return self.records / self.load_seconds

    @property
    def is_once(self):
        return self.delivery == EXACTLY_ONCE

    def consumer(self, **more):
        """Properties of the consumer; the broker decides the session of the new protocol."""
        own = dict(PROTOCOLS[self.protocol])
        return own | ({} if self.protocol == "consumer" else SHORT_SESSION) | more

    def check_usable(self):
        """Raises `Refused` where this cannot be run at all."""
        if f"librdkafka {self.library}" not in version(LIBRARIES[self.library]):
            raise Refused(f"no librdkafka {self.library} is loaded")
        if self.library == "2.0.2" and self.protocol == "consumer":
            raise Refused("librdkafka 2.0.2 does not know group.protocol")


class Refused(Exception):
    """A row cannot be run like this; the text says why."""


@dataclasses.dataclass
class Result:
    """A row's verdict."""
    records: int = 0
    faults: int = 0
    lost: int = 0
    duplicates: int = 0
    bound: int | None = None
    order: int = 0
    dead: int = 0
    wrong: list = dataclasses.field(default_factory=list)
    note: str = ""
    seconds: float = 0

    @property
    def is_good(self):
        return not self.wrong

    def require(self, condition, text):
        if not condition:
            self.wrong.append(text)
        return self


def pause(seconds):
    """Where time itself is the fault: a silence longer than a timeout."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until, "time", seconds + 60)


class Run:
    """One pipeline over topics of its own. `close` ends all that runs, whatever happened."""

    def __init__(self, setting, partitions=PARTITIONS, cluster_name="faults", dead=False, **topics):
        setting.check_usable()
        self.setting, self.partitions = setting, partitions
        self.cluster = clusters.cluster(cluster_name)
        self.proxy = self.cluster.proxy
        self.bootstrap = self.cluster.bootstrap
        self.watcher = records.Watcher(self.bootstrap)
        self.group = records.new_name("group")
        self.source = self.topic("in", **topics.get("source", {}))
        self.sink = self.topic("out", **topics.get("sink", {}))
        self.dead = self.topic("dead") if dead else None
        self.rows = bench_data.rows()
        self.workers = []
        self.faults = 0
        self.ended = collections.Counter()  # workers that ended by themselves, by exit code
        self.gone = []
        self.count = 0
        self.known = True  # whether the model is the one whose numbers the checker can know
        self._feed = self._reader = None
        self._begun = time.monotonic()
        self._log = brokers.scratch() / f"{self.sink}.reader"

    def __enter__(self):
        return self

    def __exit__(self, kind, failure, _):
        try:
            if failure is not None:
                self.keep()
        finally:
            self.close()

    def topic(self, word, **config):
        return records.create_topic(self.bootstrap, records.new_name(word), self.partitions,
                                    **config)

    # Workers

    def content(self, instance, **more):
        setting = self.setting
        kafka = {"consumer": setting.consumer(), "producer": {}}
        content = pipeline(self.bootstrap, self.source, self.sink, group=self.group,
                           dead=self.dead, kafka=kafka)
        if setting.is_once:
            content |= {"delivery": EXACTLY_ONCE, "instance": f"{self.group}-{instance}"}
            kafka["producer"]["transaction.timeout.ms"] = "4000"
        for side, properties in more.pop("kafka", {}).items():
            content["kafka"][side] = content["kafka"].get(side, {}) | properties
        return content | more

    def start(self, instance="one", *arguments, **more):
        worker = Worker(self.content(instance, **more), *arguments,
                        environment=LIBRARIES[self.setting.library])
        worker.again = lambda: self.start(instance, *arguments, **more)
        worker.successor = None
        self.workers.append(worker)
        return worker

    def running(self):
        return [worker for worker in self.workers if worker.is_running]

    def stop(self, worker):
        """SIGTERM; it must drain and say 0."""
        worker.terminate()
        code = worker.wait_exit(120)
        if code:
            raise AssertionError(f"a stopped worker said {code}\n{worker.tail()}")

    def wait_owned(self, worker, count, seconds=120):
        worker.wait_for(lambda: worker.metric("millrace_assigned_partitions") == count,
                        f"{count} partitions", seconds)

    # Load

    def load(self, count, value=None):
        """All at once."""
        self.count = count
        records.load(self.bootstrap, self.source,
                     origin.records(self.source, self.rows, self.partitions, count, value))

    def feed(self, count, per_second, make=None):
        """Steadily, beside all else; until `end_feed` where there is no `count`."""
        self.count = count
        self._feed = records.Feed(self.bootstrap, self.source, self.partitions, self.rows,
                                  per_second, make or origin.numbered(self.source), count)

    def read_beside(self, start=None):
        """A reader of committed records, from what a check has left or from the beginning."""
        more = ["--start", start] if start else []
        self._reader = subprocess.Popen(
            [sys.executable, HERE / "reader.py", "--bootstrap", self.bootstrap, "--topic",
             self.sink, "--log", self._log, *more], stdout=subprocess.PIPE)
        self._reader.stdout.readline()

    def stop_reader(self):
        """Lets it read to the end of the topic."""
        if self._reader:
            self._reader.terminate()
            if self._reader.wait(120):
                raise AssertionError("the reader has failed")

    def reader_arguments(self):
        """What tells the checker of the reader, where there was one."""
        return ["--reader", self._log, "--window", str(WINDOW_MS)] if self._reader else []

    def passed(self):
        """How many records the group has passed; None while no broker answers."""
        try:
            return sum(self.watcher.committed(self.group, self.source).values())
        except KafkaException:
            return None

    def done(self):
        """The same as a share of all that will be there."""
        passed = self.passed()
        return None if passed is None else passed / self.count

    def wait_done(self, share, seconds=180):
        def enough():
            self.look_after()
            return (self.done() or 0) >= share
        wait_until(enough, lambda: f"{share:.0%} done, but {self.done()}\n{self.tails()}",
                   seconds, 0.2)

    def look_after(self):
        """Starts a worker that has ended by itself again, as a supervisor does, and counts it. A
        worker may end with 69 or 75; any other end is a fault."""
        for worker in list(self.workers):
            code = worker.process.poll()
            if code in (None, 0, -signal.SIGKILL):
                continue
            if code not in (69, 75):
                raise AssertionError(f"a worker has ended with {code}\n{worker.tail()}")
            self.ended[code] += 1
            self.workers.remove(worker)
            self.gone.append(worker)
            worker.successor = worker.again()

    def current(self, worker):
        """The one that runs in the worker's place, or itself."""
        self.look_after()
        while worker.successor:
            worker = worker.successor
        return worker

    def wait_back(self, worker, count, seconds=120):
        """Until the worker, or the one in its place, owns so many partitions; returns it."""
        wait_until(
            lambda: self.current(worker).metric("millrace_assigned_partitions") == count,
            lambda: f"{count} partitions\n{self.current(worker).tail()}", seconds)
        return self.current(worker)

    def wait_in_sync(self, seconds=120):
        """Until no partition lacks a replica: then one node may go."""
        wait_until(lambda: clusters.out_of_sync(self.bootstrap) == 0,
                   lambda: f"no partition out of sync, but {clusters.out_of_sync(self.bootstrap)}",
                   seconds, 0.25)

    def tails(self):
        return "\n--\n".join(worker.tail() for worker in self.running())

    def end_feed(self):
        self.count = self._feed.stop()

    def wait_fed(self, seconds=300):
        if self._feed:
            wait_until(lambda: self._feed.failure or self._feed.count >= self.count,
                       "the feed's end", seconds)
            self._feed.stop()

    # The end

    def finish(self, *arguments, bound_faults=None, settle=60, seconds=300):
        """Waits until all is done, stops the workers in good order and asks the checker.
        `bound_faults`: how many of the faults may cost as many duplicates as were written within
        WINDOW_MS, at least once; None: no bound is asked for."""
        self.wait_fed()
        self.wait_no_lag(seconds)
        for worker in self.running():
            self.stop(worker)
        wait_until(lambda: not self.watcher.unsettled(self.sink), lambda: str(
            self.watcher.unsettled(self.sink)), settle, 0.25)
        self.stop_reader()
        report = self.check(*arguments, *self.reader_arguments())
        return self.verdict(report, bound_faults)

    def source_state(self):
        """A file from which the checker can go on: what is there now is left to an earlier check,
        which is made here."""
        path = brokers.scratch() / f"{self.sink}.state"
        report = self.check("--running", "--save", path)
        if report["faults"]:
            raise AssertionError(f"already before the fault: {report}")
        return path

    def forget_source(self, state):
        """The input topic is a new one: the checker has to read it from its beginning."""
        content = json.loads(state.read_text())
        content[self.source] = {}
        state.write_text(json.dumps(content))

    def end_reader(self):
        """Ends the reader; the checker does without it."""
        self._reader.kill()
        self._reader.wait()
        self._reader.stdout.close()
        self._reader = None

    def wait_no_lag(self, seconds=300):
        def none_left():
            self.look_after()
            return self.watcher.lag(self.group, self.source) == 0
        wait_until(none_left, lambda: f"no lag, but {self.watcher.lag(self.group, self.source)}"
                                      f"\n{self.tails()}", seconds, 0.2)

    def check(self, *arguments):
        """The checker's report, as a program of its own gives it."""
        command = [sys.executable, HERE / "checker.py", "--json", "--bootstrap", self.bootstrap,
                   "--source", self.source, "--sink", self.sink, "--group", self.group,
                   "--delivery", self.setting.delivery, *arguments]
        if self.known:
            command += known_scores()
        if self.dead:
            command += ["--dead", self.dead]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                              timeout=900)
        if done.returncode not in (0, 1):
            raise AssertionError(f"the checker could not check: {done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def verdict(self, report, bound_faults=None):
        counts = report["counts"]
        result = Result(report["figures"]["records"], self.faults, counts["lost"],
                        counts["duplicates"], None, counts["order"],
                        report["figures"]["dead"], seconds=time.monotonic() - self._begun)
        for kind in report["faults"]:
            result.wrong.append(f"{kind}: {report['examples'].get(kind)}")
        if bound_faults is not None and not self.setting.is_once:
            result.bound = min(bound_faults * report["figures"].get("burst", 0), result.records)
            result.require(result.duplicates <= result.bound,
                           f"{result.duplicates} duplicates, bound {result.bound}")
        elif self.setting.is_once:
            result.bound = 0
        if self.ended:
            ends = ", ".join(f"{n} with {code}" for code, n in self.ended.items())
            result.note = f"workers ended by themselves and were started again: {ends}"
        if not result.is_good:
            result.note += f" kept in {self.keep()}"
        return result

    def keep(self):
        """Copies the workers' logs, and what those that still run say of themselves, to where they
        outlive the run."""
        folder = KEPT / time.strftime(f"%H%M%S-{self.sink}")
        folder.mkdir(parents=True, exist_ok=True)
        for number, worker in enumerate(self.gone + self.workers):
            for name in "stderr", "pipeline.yaml":
                shutil.copy(worker.folder / name, folder / f"{number}-{name}")
            if worker.is_running:
                said = worker.get("/readyz")[1] + worker.get("/metrics")[1]
                (folder / f"{number}-says").write_text(said)
        if self._log.exists():
            shutil.copy(self._log, folder / "reader")
        return folder.relative_to(brokers.REPOSITORY)

    def close(self):
        """All of it ends, also where one of the steps fails."""
        with contextlib.ExitStack() as last:
            last.callback(self.watcher.close)
            if self._reader:
                last.callback(self.end_reader)
            if self._feed:
                last.callback(self._feed.abandon)
            for worker in self.gone + self.workers:
                last.callback(worker.close)
            for number in range(1, self.cluster.nodes + 1):
                last.callback(self.cluster.node, "resume", number)
            last.callback(self.proxy.tell, "pass")


# Not empty once the process was asked to stop.
stopping = []


def end_in_order():
    """A stop from outside must run the cleanups: they end brokers and workers. Another one must not
    cut them short."""
    def stop(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stopping.append(True)
        sys.exit(1)
    signal.signal(signal.SIGTERM, stop)


_scores = []


def known_scores():
    """What tells the checker onnxruntime's numbers for the events."""
    if not _scores:
        import numpy
        path = brokers.scratch() / "scores.npy"
        numpy.save(path, bench_data.scores("gbt"))
        _scores.extend(["--events", bench_data.folder() / "events.jsonl", "--scores", path])
    return _scores
