"""Hours of faults drawn from a seed, with a verdict of the checker now and then; scripts/soak
starts it and says how. What is done, and when, goes to a log of one JSON object a line."""
import argparse
import collections
import datetime
import json
import os
import pathlib
import random
import signal
import sys
import time

import origin
import records
import rows_network
import rows_topics
import scenario
from brokers import REPOSITORY, wait_until
from faults import write_page
from rows import FENCED_SECONDS
from scenario import SESSION_SECONDS, Run, Setting, pause

MARKS = ("<!-- scripts/soak --write: begin -->", "<!-- scripts/soak --write: end -->")
WORKERS = 3
BAD_EVERY = 200
RECOVERED_SECONDS = 180
# The first worker lives through all of it, so that its memory can be compared.
STEADY = 0


class Failed(Exception):
    pass


class Soak:
    def __init__(self, options, run):
        self.options, self.run = options, run
        self.draw = random.Random(options.seed)
        self.faults = collections.Counter()
        self.totals = collections.Counter()
        self.workers = []
        self.state = None
        self.base = 0
        self.verdicts = 0
        self.samples = []
        options.log.parent.mkdir(parents=True, exist_ok=True)
        self.log = open(options.log, "w")

    def tell(self, event, **more):
        line = {"time": datetime.datetime.now().isoformat(timespec="milliseconds"), "event": event}
        self.log.write(json.dumps(line | more) + "\n")
        self.log.flush()

    # Workers and load

    def start(self, slot):
        proxied = rows_network.proxied(self.run)
        worker = self.run.start(f"w{slot}", kafka={"consumer": proxied, "producer": proxied})
        self.tell("started", worker=slot, pid=worker.process.pid)
        return worker

    def restart(self, slot):
        self.run.workers.remove(self.workers[slot])
        self.workers[slot] = self.start(slot)

    def look_after(self):
        """As `Run.look_after`, and tells it."""
        for slot, worker in enumerate(self.workers):
            code = worker.process.poll()
            if code is not None:
                self.tell("exit", worker=slot, code=code, tail=worker.tail())
                self.workers[slot] = self.run.current(worker)

    def begin_load(self):
        made = origin.numbered(self.run.source)
        base = self.base

        def make(number, rows, partitions):
            record = made(base + number, rows, partitions)
            if (base + number) % BAD_EVERY == 0:
                record.value = b"{"
            return record

        self.run.feed(None, self.options.rate, make)
        self.run.read_beside(start=self.state)

    def wait_recovered(self, before):
        """The group passes what it had passed before the fault."""
        def further():
            self.look_after()
            return (self.run.passed() or 0) > before
        begun = time.monotonic()
        wait_until(further, lambda: f"progress after a fault\n{self.run.tails()}",
                   RECOVERED_SECONDS, 0.25)
        self.tell("recovered", seconds=round(time.monotonic() - begun, 1))

    # Faults

    def victim(self, mortal=False):
        return self.draw.randrange(STEADY + 1 if mortal else 0, WORKERS)

    def kill_worker(self):
        slot = self.victim(mortal=True)
        self.tell("kill", worker=slot)
        self.workers[slot].kill()
        self.restart(slot)

    def stop_worker(self):
        slot = self.victim(mortal=True)
        self.tell("term", worker=slot)
        worker = self.workers[slot]
        worker.terminate()
        code = worker.wait_exit(120)
        if code not in (0, 75):
            raise Failed(f"a stopped worker said {code}\n{worker.tail()}")
        self.run.ended[code] += code == 75
        self.restart(slot)

    def freeze_worker(self):
        slot = self.victim()
        seconds = self.draw.choice([1, SESSION_SECONDS + 4])
        self.tell("freeze", worker=slot, seconds=seconds)
        process = self.workers[slot].process
        process.send_signal(signal.SIGSTOP)
        try:
            pause(seconds)
        finally:
            process.send_signal(signal.SIGCONT)

    def fourth_worker(self):
        extra = self.start(WORKERS)
        try:
            extra.wait_for(lambda: (extra.metric("millrace_assigned_partitions") or 0) > 0,
                           "a partition of a fourth worker", RECOVERED_SECONDS)
        finally:
            self.run.workers.remove(extra)
            if extra.is_running:
                extra.terminate() if self.draw.random() < 0.5 else extra.process.kill()
            extra.wait_exit(120)
            extra.close()

    def broker(self):
        """One of the nodes; the others can do without it."""
        number = self.draw.randrange(1, self.run.cluster.nodes + 1)
        self.run.wait_in_sync()
        self.tell("broker", number=number)
        return number

    def kill_broker(self):
        number = self.broker()
        self.run.cluster.node("kill", number)
        self.run.cluster.node("start", number)

    def stop_broker(self):
        number = self.broker()
        self.run.cluster.node("stop", number)
        self.run.cluster.node("start", number)

    def freeze_broker(self):
        number = self.broker()
        self.run.cluster.node("pause", number)
        try:
            pause(self.draw.choice([1, FENCED_SECONDS]))
        finally:
            self.run.cluster.node("resume", number)

    def network(self):
        command = self.draw.choice(["stall", "stall up", "stall down", "drop up", "drop down",
                                    "refuse", "cut", "dribble 1", "delay 250"])
        seconds = self.draw.choice([1, SESSION_SECONDS + 2])
        self.tell("network", command=command, seconds=seconds)
        self.run.proxy.tell(command)
        if command != "cut":
            pause(seconds)
        if command.startswith("drop"):
            self.run.proxy.tell("cut")
        self.run.proxy.tell("pass")

    def too_few_replicas(self):
        rows_network.alter_topic(self.run, self.run.sink, min_insync_replicas="4")
        try:
            pause(SESSION_SECONDS)
        finally:
            rows_network.alter_topic(self.run, self.run.sink, min_insync_replicas="2")

    def one_fault(self):
        kinds = {"kill -9 worker": (4, self.kill_worker), "SIGTERM worker": (3, self.stop_worker),
                 "SIGSTOP worker": (4, self.freeze_worker),
                 "a fourth worker": (2, self.fourth_worker),
                 "kill -9 broker": (1, self.kill_broker), "SIGTERM broker": (1, self.stop_broker),
                 "SIGSTOP broker": (1, self.freeze_broker), "network": (5, self.network),
                 "too few replicas": (1, self.too_few_replicas)}
        for word in self.options.without:
            kinds = {name: kind for name, kind in kinds.items() if word not in name}
        name = self.draw.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
        # Now and then the next fault comes before the last one is got over.
        wait, is_overlapping = self.draw.uniform(0, 6), self.draw.random() < 0.3
        self.look_after()
        before = self.run.passed() or 0
        self.faults[name] += 1
        self.tell("fault", kind=name, number=self.faults.total())
        kinds[name][1]()
        if not is_overlapping:
            self.wait_recovered(before)
            pause(wait)

    # Verdicts

    def sample(self):
        """Resident MiB, descriptors and threads of each worker."""
        found = []
        for worker in self.workers:
            process = pathlib.Path(f"/proc/{worker.process.pid}")
            resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            found.append((round(resident / 2**20), len(list((process / "fd").iterdir())),
                          len(list((process / "task").iterdir()))))
        return found

    def verdict(self):
        run = self.run
        run.end_feed()
        self.base += run.count

        def none_left():
            self.look_after()
            return run.watcher.lag(run.group, run.source) == 0
        wait_until(none_left, lambda: f"no lag\n{run.tails()}", 600, 0.25)
        wait_until(lambda: not run.watcher.unsettled(run.sink), "no open transaction", 60, 0.25)
        fed = run.count
        run.stop_reader()
        state = scenario.brokers.scratch() / f"{run.sink}.state"
        more = ["--start", self.state] if self.state else []
        report = run.check(*more, "--save", state, *run.reader_arguments())
        self.state = state
        self.verdicts += 1
        self.samples.append(self.sample())
        self.totals.update({n: report["figures"][n] for n in ("records", "dead")})
        self.totals.update({n: report["counts"][n] for n in ("lost", "duplicates", "order")})
        self.tell("verdict", **report, faults_so_far=dict(self.faults), sample=self.samples[-1])
        print(f"{time.strftime('%H:%M:%S')} verdict {self.verdicts}: "
              f"{', '.join(report['faults']) or 'good'}; {report['figures']['records']:,} records, "
              f"{self.faults.total()} faults so far, {report['counts']['lost']} lost, "
              f"{report['counts']['duplicates']} twice, {report['counts']['order']} out of order; "
              f"MiB, descriptors, threads: {self.samples[-1]}", flush=True)
        if report["faults"] or report["figures"]["records"] != fed:
            raise Failed(f"{report['figures']['records']} of {fed} records; {report}")
        # The disk need not hold what has been judged.
        for topic in (run.source, run.sink, run.dead):
            rows_topics.delete_records(run, topic, run.watcher.ends(topic))

    def live(self):
        self.tell("begin", seed=self.options.seed, delivery=self.options.delivery,
                  rate=self.options.rate, hours=self.options.hours)
        self.workers = [self.start(slot) for slot in range(WORKERS)]
        for worker in self.workers:
            worker.wait_ready()
        self.begin_load()
        wait_until(lambda: (self.run.passed() or 0) > 10 * self.options.rate, "the load", 120, 0.25)
        self.samples.append(self.sample())
        end = time.monotonic() + self.options.hours * 3600
        while time.monotonic() < end:
            until = min(end, time.monotonic() + self.options.verdict * 60)
            while time.monotonic() < until:
                self.one_fault()
            self.verdict()
            if time.monotonic() < end:
                self.begin_load()
        for worker in self.workers:
            self.run.stop(worker)

    def summary(self):
        first, last = self.samples[0][STEADY], self.samples[-1][STEADY]
        kinds = ", ".join(f"{n} {name}" for name, n in sorted(self.faults.items()))
        ended = sorted((+self.run.ended).items())
        exits = ", ".join(f"{n} with {code}" for code, n in ended) or "none"
        return "\n".join([
            "| | |", "|---|---|",
            f"| delivery, seed, hours | {self.options.delivery.replace('_', ' ')}, "
            f"{self.options.seed}, {self.options.hours:g} |",
            f"| records (of them dead letters) | {self.totals['records']:,} "
            f"({self.totals['dead']:,}) |",
            f"| faults | {self.faults.total()}: {kinds} |",
            f"| workers that ended by themselves and were started again | {exits} |",
            f"| lost, twice, out of order | {self.totals['lost']}, {self.totals['duplicates']:,}, "
            f"{self.totals['order']} |",
            f"| verdicts, all good | {self.verdicts} |",
            "| the worker that lived through it: resident MiB, descriptors, threads at the start | "
            + ", ".join(map(str, first)) + " |",
            "| the same at the end | " + ", ".join(map(str, last)) + " |"]) + "\n"


def parse():
    made = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    made.add_argument("--hours", type=float, required=True)
    made.add_argument("--seed", type=int, required=True)
    made.add_argument("--verdict", type=float, default=60, metavar="MINUTES")
    made.add_argument("--rate", type=int, default=1_000, help="records a second")
    made.add_argument("--delivery", choices=[scenario.AT_LEAST_ONCE, scenario.EXACTLY_ONCE],
                      default=scenario.EXACTLY_ONCE)
    made.add_argument("--without", action="append", default=[], metavar="WORD",
                      help="leave out faults whose name has the word in it")
    made.add_argument("--log", type=pathlib.Path)
    made.add_argument("--write", action="store_true")
    options = made.parse_args()
    name = f"soak-{options.seed}-{time.strftime('%m%d-%H%M%S')}.log"
    options.log = options.log or REPOSITORY / ".build" / "faults" / name
    return options


def main():
    scenario.end_in_order()
    options = parse()
    print(f"the history is in {options.log}", flush=True)
    with Run(Setting(options.delivery, "cooperative"), cluster_name="faults-three",
             dead=True) as run:
        soak = Soak(options, run)
        try:
            soak.live()
        except (Failed, AssertionError) as failure:
            soak.tell("failed", text=str(failure))
            print(f"soak: seed {options.seed}: {failure}\nlogs of the workers: {run.keep()}")
            return 1
    print(soak.summary())
    if options.write:
        day = datetime.date.today().isoformat()
        write_page(f"`scripts/soak {' '.join(sys.argv[1:])}`, {day}:\n\n{soak.summary()}", MARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
