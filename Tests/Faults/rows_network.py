"""Rows of the fault matrix about the network between worker and broker, and about what the broker
refuses or delays."""
from confluent_kafka import Producer
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   ResourceType)

import records
from brokers import wait_until
from scenario import EXACTLY_ONCE, SESSION_SECONDS, Run, pause
from table import row
from worker import MemorySampler

QUICK = {"socket.timeout.ms": "3000", "reconnect.backoff.max.ms": "1000"}


def proxied(run):
    return QUICK | {"bootstrap.servers": run.cluster.proxied_bootstrap}


NETWORKS = {
    "stalls": ["stall"], "half open: answers are lost": ["drop down"],
    "half open: requests are lost": ["drop up"], "is cut and refuses": ["refuse"],
    "dribbles a byte each ms": ["dribble 1"], "delays by 250 ms each way": ["delay 250"],
    "is cut, ten times": ["cut"] * 10,
}


def network(setting, commands):
    with Run(setting) as run:
        run.read_beside()
        sides = {"consumer": proxied(run), "producer": proxied(run)}
        run.start("one", kafka=sides).wait_ready()
        run.feed(setting.records, setting.rate)
        for number, command in enumerate(commands):
            run.wait_done(0.2 + 0.4 * number / len(commands))
            run.proxy.tell(command)
            run.faults += 1
            if command != "cut":
                pause(SESSION_SECONDS + 2)
                if command.startswith("drop"):
                    run.proxy.tell("cut")  # what was lost never comes on these connections
                run.proxy.tell("pass")
        return run.finish(bound_faults=run.faults)


for _name, _commands in NETWORKS.items():
    row("9", f"network {_name}")(lambda setting, c=_commands: network(setting, c))


@row("10", "network of the producer stalls, the consumer's does not")
def asymmetric(setting):
    """Intake stops, memory stays bounded, the group keeps its member."""
    memory = 32 * 2**20
    # 250 bytes a record and 512 of overhead: many times what may be taken in.
    count = max(setting.records, 100_000)
    with Run(setting) as run:
        run.read_beside()
        worker = run.start(kafka={"producer": proxied(run)}, memory="32MiB").wait_ready()
        sampler = MemorySampler(worker.process)
        run.wait_owned(worker, run.partitions)
        run.proxy.tell("stall")
        run.faults += 1
        run.load(count)
        worker.wait_metric("millrace_paused", 1)
        pause(SESSION_SECONDS + 6)
        owned = worker.metric("millrace_assigned_partitions")
        run.proxy.tell("pass")
        result = run.finish(bound_faults=1)
        highest = sampler.stop()
        result.note = f"highest resident memory {highest / 2**20:.0f} MiB"
        result.require(owned == run.partitions, f"only {owned} partitions were kept")
        return result.require(highest < memory + 80 * 10**6, result.note)


@row("12", "assignment lost in mid-batch: the consumer's network stalls past the session")
def lost_assignment(setting):
    """A twin takes over meanwhile; what the first one still writes must not move offsets."""
    with Run(setting) as run:
        run.read_beside()
        one = run.start("one", kafka={"consumer": proxied(run)}).wait_ready()
        run.wait_owned(one, run.partitions)
        run.feed(setting.records, setting.rate)
        run.wait_done(0.2)
        two = run.start("two")
        run.wait_owned(two, run.partitions // 2)
        run.wait_done(0.3)
        run.proxy.tell("stall")
        run.faults += 1
        run.wait_owned(two, run.partitions)
        run.wait_done(0.6)
        run.proxy.tell("pass")
        run.wait_back(one, run.partitions // 2)
        return run.finish(bound_faults=run.faults)


@row("16", "full producer queue, slow output")
def slow_output(setting):
    """A queue of 64 messages and an output that takes 40 ms each way."""
    with Run(setting) as run:
        run.read_beside()
        run.load(min(setting.records, 20_000))
        run.proxy.tell("delay 40")
        run.faults += 1
        run.start(kafka={"producer": proxied(run) | {"queue.buffering.max.messages": "64"}})
        run.wait_done(0.5, 300)
        run.proxy.tell("pass")
        return run.finish(bound_faults=0)


def alter_topic(run, topic, **config):
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in config.items()])
    admin = AdminClient(records.QUIET | {"bootstrap.servers": run.bootstrap})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(60)


@row("17", "too few replicas of the output")
def too_few_replicas(setting):
    with Run(setting) as run:
        run.read_beside()
        run.start().wait_ready()
        run.feed(setting.records, setting.rate)
        run.wait_done(0.2)
        alter_topic(run, run.sink, min_insync_replicas="2")
        run.faults += 1
        pause(SESSION_SECONDS + 4)
        alter_topic(run, run.sink, min_insync_replicas="1")
        return run.finish(bound_faults=run.faults)


@row("18", "another producer takes the transactional id", deliveries=(EXACTLY_ONCE,))
def hijacked(setting):
    """It is fenced, and ends with 69 or goes on; a supervisor starts it again."""
    with Run(setting) as run:
        run.read_beside()
        worker = run.start().wait_ready()
        run.feed(setting.records, setting.rate)
        for bounce in range(3):
            run.wait_done(0.2 * (bounce + 1))
            thief = Producer(records.QUIET | {
                "bootstrap.servers": run.bootstrap,
                "transactional.id": f"test-{run.group}-one"})
            thief.init_transactions(60)
            run.faults += 1
            before = run.done() or 0
            wait_until(lambda: (run.current(worker) is not worker
                                or (run.done() or 0) > before + 0.05),
                       lambda: f"an end or progress\n{worker.tail()}", 120)
            worker = run.current(worker)
        return run.finish(bound_faults=0)


@row("20", "transaction times out on the broker", deliveries=(EXACTLY_ONCE,))
def timed_out(setting):
    """The producer's network stalls for longer than transaction.timeout.ms, thrice; the group's
    session is longer."""
    with Run(setting) as run:
        run.read_beside()
        quick = {"transaction.timeout.ms": "2000", "socket.timeout.ms": "2000"}
        run.start(kafka={"producer": proxied(run) | quick}).wait_ready()
        run.feed(setting.records, setting.rate)
        for bounce in range(3):
            run.wait_done(0.2 * (bounce + 1))
            run.proxy.tell("stall")
            run.faults += 1
            pause(5)
            run.proxy.tell("pass")
        return run.finish(bound_faults=0)
