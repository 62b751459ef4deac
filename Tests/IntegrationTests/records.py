"""Puts records into topics and reads topics back, by confluent-kafka: nothing of ours is in it."""
import dataclasses
import threading
import time
import uuid

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from brokers import wait_until


@dataclasses.dataclass
class Record:
    """One record as it is in a topic."""
    key: bytes | None
    value: bytes | None
    headers: list
    timestamp: int
    partition: int
    offset: int = -1

    def header(self, name):
        """The value of the last header of that name as text; None where there is none."""
        found = [v for k, v in self.headers if k == name]
        return found[-1].decode() if found and found[-1] is not None else None


# The clients here must not fill the run's output while a broker is down on purpose.
QUIET = {"log_level": "0"}


def new_name(word):
    """A topic or group name that no other test has."""
    return f"{word}-{uuid.uuid4().hex[:10]}"


def create_topic(bootstrap, name, partitions, **config):
    """Makes the topic and waits until its leaders serve. Records of any age stay in it."""
    admin = AdminClient(QUIET | {"bootstrap.servers": bootstrap})
    settings = {"retention.ms": "-1"} | {k.replace("_", "."): str(v) for k, v in config.items()}
    topic = NewTopic(name, partitions, config=settings)
    admin.create_topics([topic])[name].result(60)
    wait_until(lambda: _has_leaders(admin, name, partitions), f"leaders of {name}")
    return name


def _has_leaders(admin, name, partitions):
    found = admin.list_topics(name, timeout=10).topics[name]
    return found.error is None and len(found.partitions) == partitions and all(
        p.leader >= 0 for p in found.partitions.values())


def new_producer(bootstrap, **config):
    return Producer(QUIET | {
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 20,
        "batch.size": 1_000_000, "queue.buffering.max.messages": 500_000,
        "message.timeout.ms": 0} | {k.replace("_", "."): v for k, v in config.items()})


def put(producer, topic, record):
    """Enqueues the record, waiting where the queue is full."""
    more = {} if record.timestamp is None else {"timestamp": record.timestamp}
    if record.headers:
        more["headers"] = record.headers
    while True:
        try:
            producer.produce(topic, record.value, record.key, partition=record.partition, **more)
            return
        except BufferError:
            producer.poll(0.05)


def load(bootstrap, topic, records, **config):
    """Puts all records into the topic and waits until the broker has them."""
    producer = new_producer(bootstrap, **config)
    for number, record in enumerate(records):
        put(producer, topic, record)
        if number % 1000 == 0:
            producer.poll(0)
    flush(producer)


def flush(producer):
    left = producer.flush(180)
    if left:
        raise AssertionError(f"{left} records were not delivered to the input topic")


class Watcher:
    """Asks for the end offsets of topics and the committed offsets of groups."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.consumer, self._all = (Consumer(QUIET | {
            "bootstrap.servers": bootstrap, "group.id": "watcher", "enable.auto.commit": False,
            "isolation.level": level}) for level in ("read_committed", "read_uncommitted"))

    def partitions(self, topic):
        return sorted(self.consumer.list_topics(topic, timeout=60).topics[topic].partitions)

    def ends(self, topic, is_written=False):
        """End offset by partition, for readers of what is committed or of all that is written."""
        return {p: wait_until(lambda p=p: self._end(topic, p, is_written),
                              f"the end of {topic}[{p}]")[0] for p in self.partitions(topic)}

    def unsettled(self, topic):
        """The partitions where an open transaction holds readers up, each in words."""
        readable, written = self.ends(topic), self.ends(topic, is_written=True)
        return [f"{topic}[{p}] is readable to {readable[p]} of {end}"
                for p, end in written.items() if readable[p] < end]

    def _end(self, topic, partition, is_written):
        """The offset in a list; None while a new leader is not known yet."""
        consumer = self._all if is_written else self.consumer
        try:
            place = TopicPartition(topic, partition)
            return [consumer.get_watermark_offsets(place, timeout=60)[1]]
        except KafkaException as failure:
            if not failure.args[0].retriable() and failure.args[0].code() not in (
                    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._TRANSPORT):
                raise
            return None

    def count(self, topic):
        return sum(self.ends(topic).values())

    def committed(self, group, topic):
        """Committed offset by partition; 0 where there is none."""
        consumer = Consumer(QUIET | {
            "bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False})
        asked = [TopicPartition(topic, p) for p in self.partitions(topic)]
        found = consumer.committed(asked, timeout=60)
        consumer.close()
        return {p.partition: max(0, p.offset) for p in found}

    def lag(self, group, topic):
        ends, committed = self.ends(topic), self.committed(group, topic)
        return sum(ends[p] - committed[p] for p in ends)

    def close(self):
        self.consumer.close()
        self._all.close()


def scan(bootstrap, topic, isolation="read_committed", starts=None, ends=None, seconds=180):
    """Gives the messages of all partitions from the offsets `starts`, or the beginning, up to where
    they end; at least up to `ends`. The limit of time is for a read without progress."""
    watcher = Watcher(bootstrap)
    partitions = watcher.partitions(topic)
    watcher.close()
    consumer = Consumer(QUIET | {
        "bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False,
        "enable.partition.eof": True, "isolation.level": isolation,
        "auto.offset.reset": "earliest", "fetch.max.bytes": 16_000_000})
    consumer.assign([TopicPartition(topic, p, (starts or {}).get(p, 0)) for p in partitions])
    open_partitions = set(partitions)
    deadline = time.monotonic() + seconds
    try:
        while open_partitions:
            if time.monotonic() > deadline:
                raise AssertionError(f"{topic} gave nothing new for {seconds} s")
            for message in consumer.consume(10_000, 0.1):
                partition = message.partition()
                if message.error() is None:
                    deadline = time.monotonic() + seconds
                    yield message
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    # An open transaction ends what readers of committed records are given.
                    if message.offset() >= (ends or {}).get(partition, 0):
                        open_partitions.discard(partition)
                else:
                    raise AssertionError(f"reading {topic}: {message.error()}")
    finally:
        consumer.close()


def read_all(bootstrap, topic, seconds=180):
    """All records of the topic, read committed: a list for each partition. Waits for transactions
    that are open when it begins."""
    watcher = Watcher(bootstrap)
    ends = watcher.ends(topic, is_written=True)
    watcher.close()
    found = {p: [] for p in ends}
    for message in scan(bootstrap, topic, ends=ends, seconds=seconds):
        found[message.partition()].append(Record(
            message.key(), message.value(), message.headers() or [],
            message.timestamp()[1], message.partition(), message.offset()))
    return list(found.values())


class Feed:
    """Loads numbered records at a steady rate from a thread of its own until `stop`, or until there
    are `limit`: number i has the key i and the value `rows[i % len(rows)]` and goes to partition
    i % `partitions`; `make` makes others."""

    def __init__(self, bootstrap, topic, partitions, rows, per_second, make=None, limit=None):
        self.count = 0
        self.failure = None
        self._make = make or numbered
        self._limit = limit
        self._rows, self._rate = rows, per_second
        self._topic, self._partitions = topic, partitions
        self._over = threading.Event()
        self._producer = new_producer(bootstrap)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            start = time.monotonic()
            # Seldom: with each batch librdkafka spins through the last millisecond of its linger.
            while not self._over.wait(0.1):
                due = int((time.monotonic() - start) * self._rate)
                if self._limit is not None:
                    due = min(due, self._limit)
                while self.count < due and not self._over.is_set():
                    put(self._producer, self._topic, self._make(
                        self.count, self._rows, self._partitions))
                    self.count += 1
                self._producer.poll(0)
        except Exception as failure:  # told by stop(), in the test's own thread
            self.failure = failure

    def abandon(self):
        """Ends the load; what is on its way does not matter."""
        self._over.set()

    def stop(self):
        """Ends the load; returns how many records the topic has now."""
        self._over.set()
        self._thread.join(60)
        if self.failure:
            raise self.failure
        flush(self._producer)
        return self.count


def numbered(number, rows, partitions):
    """The record that `Feed` makes of that number."""
    return Record(b"%d" % number, rows[number % len(rows)], [], None, number % partitions)
