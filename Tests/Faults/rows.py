"""The rows of the fault matrix: each a function of a Setting that gives a Result."""
import dataclasses
import signal
import typing

from scenario import AT_LEAST_ONCE, EXACTLY_ONCE, SESSION_SECONDS, Run, pause

BOUNCES = 3


@dataclasses.dataclass
class Row:
    """An entry of the table; `number` is that of the fault matrix."""
    number: str
    name: str
    run: typing.Callable
    deliveries: tuple = (AT_LEAST_ONCE, EXACTLY_ONCE)
    # Whether --full repeats it for each group protocol and with librdkafka 2.0.2.
    is_varied: bool = False


ROWS = []


def row(number, name, **more):
    def keep(function):
        ROWS.append(Row(number, name, function, **more))
        return function
    return keep


# 1 and 6: Kafka's TransactionsTest

def bounce_worker(run, worker, fault):
    """Does it to the worker; returns the one that goes on in its place."""
    run.faults += 1
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
        run.wait_owned(worker, run.partitions // 2)
        return worker
    return worker.again().wait_ready()


def bounce_broker(run, fault):
    run.faults += 1
    if fault == "stop":
        run.cluster.node("pause")
        try:
            pause(SESSION_SECONDS + 2)
        finally:
            run.cluster.node("resume")
        return
    run.cluster.node({"kill": "kill", "term": "stop"}[fault])
    run.cluster.node("start")


def matrix(setting, victim, fault):
    """Two workers over a load that goes on, a reader beside; three bounces of each worker, or of
    the broker, from a fifth of the records on."""
    with Run(setting) as run:
        run.read_beside()
        workers = [run.start("one"), run.start("two")]
        for worker in workers:
            worker.wait_ready()
        # So slow that the load goes on through the bounces.
        run.feed(setting.records, setting.records / (60 if fault == "stop" else 40))
        for bounce in range(BOUNCES):
            run.wait_done(0.2 * (bounce + 1))
            if victim == "broker":
                bounce_broker(run, fault)
            else:
                workers = [bounce_worker(run, worker, fault) for worker in workers]
        harmless = victim == "worker" and fault == "term"
        return run.finish(bound_faults=0 if harmless else run.faults)


for _victim in "worker", "broker":
    for _fault, _text in (("kill", "kill -9"), ("term", "SIGTERM"), ("stop", "SIGSTOP")):
        row("1" if _victim == "worker" else "6", f"{_text} {_victim}", is_varied=True)(
            lambda setting, v=_victim, f=_fault: matrix(setting, v, f))
