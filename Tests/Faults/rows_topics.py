"""Rows of the fault matrix about topics: offsets that are gone, topics that go, grow and come
again, rights that are taken away."""
from brokers import wait_until
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

import origin
import records
from records import Record
from scenario import PARTITIONS, SESSION_SECONDS, Run, pause
from table import row

REFRESH = {"topic.metadata.refresh.interval.ms": "1000"}


def ask(run, call):
    """The results of a call of the admin client, which has to be there until they have come."""
    admin = AdminClient(records.QUIET | {"bootstrap.servers": run.bootstrap})
    return [done.result(60) for done in call(admin).values()]


def delete_records(run, topic, offsets):
    """Moves the beginning of each partition to the offset."""
    places = [TopicPartition(topic, p, offset) for p, offset in offsets.items()]
    ask(run, lambda admin: admin.delete_records(places))


def more(run, count, before, partitions=None):
    """Loads `count` further records of each of the partitions; `before` are there already."""
    records.load(run.bootstrap, run.source, (
        Record(b"m%d" % n, run.rows[(before + n) % len(run.rows)],
               [origin.header(run.source, p, before + n)], None, p)
        for n in range(count) for p in partitions or range(run.partitions)))


def deleted_ahead(run, setting):
    """All but the second half of the records is done or deleted; returns the state from which the
    checker has to go on, and how many were deleted unread."""
    each = setting.records // run.partitions // 2
    run.load(each * run.partitions)
    worker = run.start().wait_ready()
    run.wait_no_lag()
    run.stop(worker)
    state = run.source_state()
    more(run, 2 * each, each)
    delete_records(run, run.source, {p: 2 * each for p in range(run.partitions)})
    return state, each * run.partitions


@row("22", "records deleted before they were read, source.start: earliest")
def out_of_range(setting):
    """The rest is scored from the new beginning on, and each partition's gap is told and counted."""
    with Run(setting) as run:
        state, gone = deleted_ahead(run, setting)
        run.faults += 1
        worker = run.start()
        run.wait_no_lag()
        resets = worker.metric("millrace_offset_resets_total")
        result = run.finish("--start", state)
        said = [e for e in worker.log() if "deleted before they were read" in e["message"]]
        result.note = f"{gone} were gone, {resets:g} resets counted"
        result.require(len(said) == run.partitions, f"the log tells of {len(said)}")
        return result.require(resets == run.partitions, result.note)


@row("22", "records deleted before they were read, source.start: error")
def out_of_range_is_an_error(setting):
    """It must end with a message; started again from the beginning it does the rest."""
    with Run(setting) as run:
        state, _ = deleted_ahead(run, setting)
        run.faults += 1
        source = {"topic": run.source, "group": run.group}
        worker = run.start(source=source | {"start": "error"})
        code = worker.wait_exit(60)
        run.workers.remove(worker)
        run.start()
        result = run.finish("--start", state)
        result.note = f"exit code {code}"
        result.require("has no valid offset" in worker.stderr, "no word of the invalid offset")
        return result.require(code not in (0, 70), f"it ended with {code}")


@row("23", "partitions added to the input, later to the output")
def more_partitions(setting):
    """Records of partitions that the output lacks wait for it; the others go on."""
    with Run(setting) as run:
        run.read_beside()
        run.start(kafka={"consumer": REFRESH, "producer": REFRESH}).wait_ready()
        half = setting.records // 2 // run.partitions
        run.load(half * run.partitions)
        run.wait_done(0.5)
        grown = run.partitions + 2
        ask(run, lambda admin: admin.create_partitions([NewPartitions(run.source, grown)]))
        run.faults += 1
        wait_until(lambda: len(run.watcher.partitions(run.source)) == grown, "partitions", 60)
        # A reader that has assigned itself its partitions does not see new ones.
        run.end_reader()
        more(run, 200, 0, [PARTITIONS, PARTITIONS + 1])
        run.running()[0].wait_not_ready("output", 120)
        more(run, half, half, list(range(PARTITIONS)))
        old = {p: 2 * half for p in range(PARTITIONS)}
        wait_until(lambda: all(run.watcher.committed(run.group, run.source)[p] >= old[p]
                               for p in old) or run.look_after(), "the old partitions done", 180)
        ask(run, lambda admin: admin.create_partitions([NewPartitions(run.sink, grown)]))
        run.running()[0].wait_ready(120)
        return run.finish()


@row("23", "input deleted under a running worker, and made again")
def input_made_again(setting):
    with Run(setting) as run:
        worker = run.start(kafka={"consumer": REFRESH}).wait_ready()
        run.load(setting.records // 2)
        run.wait_no_lag()
        state = run.source_state()
        ask(run, lambda admin: admin.delete_topics([run.source]))
        run.faults += 1
        # What it says of it, while it is gone.
        pause(SESSION_SECONDS + 4)
        ready, said = worker.get("/readyz")

        def made():
            try:
                return records.create_topic(run.bootstrap, run.source, run.partitions)
            except KafkaException:
                return None  # its deletion is not over yet
        wait_until(made, "the topic made again", 60, 0.5)
        first = setting.records // 2 // run.partitions
        more(run, first, first)
        worker.wait_ready(120)
        run.forget_source(state)
        result = run.finish("--start", state)
        result.note = f"while it was gone /readyz said {ready}: {' '.join(said.split())}"
        return result.require(ready == 503, result.note)
