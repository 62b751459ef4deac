"""Rows of the fault matrix about workers and brokers that die, freeze, come and go."""
import random
import signal

from brokers import wait_until
from scenario import EXACTLY_ONCE, SESSION_SECONDS, Run, pause
from table import row

BOUNCES = 3
# The others take a node's partitions over after 9 s without a word from it.
FENCED_SECONDS = 12
MOST_MEMBERS = 4
SEED = 7


# 1 and 6: Kafka's TransactionsTest

def bounce_worker(run, worker, fault):
    """Does it to the worker; returns the one that goes on in its place."""
    run.faults += 1
    worker = run.current(worker)
    if fault == "kill":
        worker.kill()
    elif fault == "term":
        run.stop(worker)
    else:
        # The other one takes its partitions over; then the stopped one finds itself put out.
        other = next(one for one in run.running() if one is not worker)
        worker.process.send_signal(signal.SIGSTOP)
        try:
            run.wait_owned(other, run.partitions)
        finally:
            worker.process.send_signal(signal.SIGCONT)
        # With exactly_once the broker has put its producer out; a named worker that this happens to
        # twice in a minute ends with 69.
        return run.wait_back(worker, run.partitions // 2)
    return worker.again().wait_ready()


def bounce_broker(run, fault, number):
    """Does it to one of the nodes; it comes back."""
    run.wait_in_sync()
    run.faults += 1
    if fault == "stop":
        run.cluster.node("pause", number)
        try:
            pause(FENCED_SECONDS)
        finally:
            run.cluster.node("resume", number)
        return
    run.cluster.node({"kill": "kill", "term": "stop"}[fault], number)
    run.cluster.node("start", number)


def matrix(setting, victim, fault):
    """Two workers over a load that goes on, a reader beside; three bounces of each worker, or one of
    each of three nodes, from a fifth of the records on."""
    with Run(setting, cluster_name="faults-three" if victim == "broker" else "faults") as run:
        run.read_beside()
        workers = [run.start("one"), run.start("two")]
        for worker in workers:
            worker.wait_ready()
        # So slow that the load goes on through the bounces.
        run.feed(setting.records, setting.rate / (1.5 if fault == "stop" else 1))
        for bounce in range(BOUNCES):
            run.wait_done(0.2 * (bounce + 1))
            if victim == "broker":
                bounce_broker(run, fault, bounce + 1)
            else:
                workers = [bounce_worker(run, worker, fault) for worker in workers]
        harmless = victim == "worker" and fault == "term"
        return run.finish(bound_faults=0 if harmless else run.faults)


for _victim in "worker", "broker":
    for _fault, _text in (("kill", "kill -9"), ("term", "SIGTERM"), ("stop", "SIGSTOP")):
        row("1" if _victim == "worker" else "6", f"{_text} {_victim}", is_varied=True)(
            lambda setting, v=_victim, f=_fault: matrix(setting, v, f))


# 2: kills between the steps of a commit

STEPS = {
    False: {"produce": 0, "offset commit": 8},
    True: {"produce": 0, "partitions to transaction": 24, "offsets to transaction": 25,
           "offset commit in transaction": 28, "end of transaction": 26},
}


@row("2", "kill -9 between the steps of a commit")
def steps(setting):
    """The proxy holds the request, or its answer, of each step; then the worker is killed."""
    with Run(setting) as run:
        proxied = {"bootstrap.servers": run.cluster.proxied_bootstrap}
        sides = {"consumer": proxied, "producer": proxied}
        run.read_beside()
        run.feed(None, setting.rate)
        for key in STEPS[setting.is_once].values():
            for moment in "before", "after":
                before = run.passed() or 0
                worker = run.start(kafka=sides)
                worker.wait_for(lambda: (run.passed() or 0) > before, "progress")
                run.proxy.tell(f"trap {key} {moment}")
                worker.wait_for(lambda: run.proxy.tell("trapped"), f"request {key}", 60)
                worker.kill()
                run.faults += 1
                run.proxy.tell("pass")
        run.end_feed()
        run.start(kafka=sides)
        return run.finish(bound_faults=run.faults)


# 4: a zombie

@row("4", "SIGSTOP past the session, a twin takes over, SIGCONT", is_varied=True)
def zombie(setting):
    with Run(setting) as run:
        run.read_beside()
        one = run.start("one").wait_ready()
        run.wait_owned(one, run.partitions)
        run.feed(setting.records, setting.rate)
        run.wait_done(0.2)
        one.process.send_signal(signal.SIGSTOP)
        run.faults += 1
        try:
            two = run.start("two")
            run.wait_owned(two, run.partitions)
            run.wait_done(0.6)
            before = run.watcher.committed(run.group, run.source)
        finally:
            one.process.send_signal(signal.SIGCONT)
        run.wait_back(one, run.partitions // 2)
        after = run.watcher.committed(run.group, run.source)
        result = run.finish(bound_faults=run.faults)
        return result.require(all(after[p] >= before[p] for p in before),
                              f"the zombie moved offsets back: {before} to {after}")


# 7: no broker yet

@row("7", "broker down at the start (at least once: test_outages.py)",
     deliveries=(EXACTLY_ONCE,))
def late_broker(setting):
    with Run(setting) as run:
        run.load(setting.records)
        run.cluster.node("kill")
        try:
            worker = run.start()
            worker.wait_not_ready("no broker answers")
            alive = worker.get("/livez")[0]
        finally:
            run.cluster.node("start")
        run.faults += 1
        worker.wait_ready()
        return run.finish(bound_faults=0).require(alive == 200, f"/livez said {alive}")


# 11: members come and go

@row("11", "members join, leave and die at random", is_varied=True)
def storm(setting):
    """Up to four members; of those that go, one in four is killed. The next change comes as soon as
    the last one has had an effect, or at once."""
    draw = random.Random(SEED)
    with Run(setting) as run:
        run.read_beside()
        members = {0: run.start("m0")}
        run.feed(None, 1_000)
        kills = 0
        for _ in range(setting.changes):
            run.faults += 1
            run.look_after()
            if len(members) == 1 or (len(members) < MOST_MEMBERS and draw.random() < 0.5):
                slot = next(n for n in range(MOST_MEMBERS) if n not in members)
                members[slot] = run.start(f"m{slot}")
                if draw.random() < 0.7:
                    members[slot].wait_for(
                        lambda: (members[slot].metric("millrace_assigned_partitions") or 0) > 0,
                        "a partition", 120)
            else:
                worker = members.pop(draw.choice(sorted(members)))
                if draw.random() < 0.25:
                    kills += 1
                    worker.kill()
                else:
                    run.stop(worker)
        run.end_feed()
        # A revoke that the group does not wait for costs as much as a kill.
        result = run.finish(bound_faults=run.faults)
        result.note += f" {kills} were killed"
        return result
