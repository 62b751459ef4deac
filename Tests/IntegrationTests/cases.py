"""What the test cases share: topics and workers that end with the test, and the comparison of an
output with its input."""
import re
import unittest

import numpy

import bench_data
import brokers
import records
import secure
from records import new_name
from worker import Worker, pipeline

NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
TOLERANCE = 1e-6
# A group notices a dead member after this; the default of 45 s would only make the tests long.
SHORT_SESSION = {"session.timeout.ms": "4000", "heartbeat.interval.ms": "500"}


class BrokerCase(unittest.TestCase):
    """A test on a real broker; skipped by name where there is none."""
    cluster_name = "shared"
    longMessage = True

    def setUp(self):
        self.cluster = brokers.cluster(self.cluster_name)
        self.bootstrap = self.cluster.bootstrap
        self.group = new_name("group")
        self.watcher = records.Watcher(self.bootstrap)
        self.addCleanup(self.watcher.close)

    def topic(self, word, partitions, **config):
        return records.create_topic(self.bootstrap, new_name(word), partitions, **config)

    def worker(self, content, *arguments, environment=None, **more):
        """Starts a worker that is killed at the test's end where it still runs."""
        worker = Worker(content, *arguments, environment=environment, **more)
        self.addCleanup(worker.close)
        return worker

    def pipeline(self, source, sink, **more):
        return pipeline(self.bootstrap, source, sink, **({"group": self.group} | more))

    def feed(self, topic, partitions, per_second):
        feed = records.Feed(self.bootstrap, topic, partitions, bench_data.rows(), per_second)
        self.addCleanup(feed.stop)
        return feed

    def stop(self, worker):
        """SIGTERM; the worker must drain and say 0."""
        worker.terminate()
        self.assertEqual(worker.wait_exit(), 0, worker.tail())

    def wait_no_lag(self, worker, source, seconds=180):
        worker.wait_for(lambda: self.watcher.lag(self.group, source) == 0, "no lag", seconds)

    def killed_five_times(self, source, sink, content, feed, environment=None):
        """kill -9 five times under load, then the rest; returns how many records were fed."""
        for _ in range(5):
            before = self.watcher.count(sink)
            worker = self.worker(content, environment=environment)
            worker.wait_for(lambda: self.watcher.count(sink) >= before + 8_000,
                            "output of this run")
            worker.kill()
        count = feed.stop()
        last = self.worker(content, environment=environment)
        self.wait_no_lag(last, source)
        self.stop(last)
        return count

    # Comparison

    def score_text(self, value, row, field=b"score"):
        """The number that was appended to `row`; every other byte must be the input's."""
        start = row[:-1] + b',"' + field + b'":'
        if not (value.startswith(start) and value.endswith(b"}")):
            self.fail(f"the output is not input plus prediction:\n{row!r}\n{value!r}")
        number = value[len(start):-1]
        self.assertRegex(number, re.compile(rb"\A" + NUMBER.pattern + rb"\Z"))
        return number

    def assert_scores(self, found, numbers, model="gbt"):
        """The appended numbers are onnxruntime's for the events of these numbers."""
        expected = bench_data.scores(model)[numpy.array(numbers) % bench_data.EVENTS]
        furthest = numpy.abs(numpy.array(found, dtype=numpy.float64) - expected).max()
        self.assertLessEqual(furthest, TOLERANCE, "furthest from onnxruntime's score")

    def assert_numbered(self, sink, count, partitions):
        """The topic has what `Feed` loaded, scored: nothing lost, first occurrences in order, each
        byte right. Returns how many records came more than once."""
        rows = bench_data.rows()
        output = records.read_all(self.bootstrap, sink)
        numbers, found = [], []
        duplicates = 0
        for partition, got in enumerate(output):
            seen = {}
            for record in got:
                number = int(record.key)
                if number in seen:
                    duplicates += 1
                seen.setdefault(number, None)
                numbers.append(number)
                found.append(float(self.score_text(record.value, rows[number % len(rows)])))
            expected = range(partition, count, partitions)
            missing = set(expected) - set(seen)
            self.assertEqual(len(missing), 0,
                             f"lost in partition {partition}: {sorted(missing)[:5]}...")
            self.assertTrue(list(seen) == list(expected),
                            f"first occurrences of partition {partition} are out of order")
        self.assert_scores(found, numbers)
        return duplicates

    def tell(self, text):
        """A line for the run's output beside the test's verdict."""
        print(f"    {self.id().split('.', 1)[-1]}: {text}", flush=True)


class SecureCase(BrokerCase):
    """SASL_SSL; rights by ACLs that deny by default, allowed by the manual's own commands."""
    cluster_name = "secure"
    PASSWORD = {"WORKER_PASSWORD": "worker-secret"}
    PARTITIONS = 4

    def setUp(self):
        secure.secure_cluster()
        super().setUp()
        self.source = self.topic("in", self.PARTITIONS)
        self.sink = self.topic("out", self.PARTITIONS)
        self.dead = self.topic("dead", self.PARTITIONS)

    def secure_pipeline(self, mechanism="SCRAM-SHA-512", **more):
        kafka = {
            "security.protocol": "sasl_ssl", "sasl.mechanisms": mechanism,
            "sasl.username": "worker", "sasl.password": "${WORKER_PASSWORD}",
            "ssl.ca.location": self.cluster.certificate}
        return pipeline(self.cluster.secure_bootstrap, self.source, self.sink, group=self.group,
                        kafka=kafka, **more)

    def manual_commands(self):
        """What docs/operations.md writes for each right, about this test's topics and group."""
        text = (brokers.REPOSITORY / "docs" / "operations.md").read_text()
        names = {"localhost:9092": self.bootstrap, "transactions": self.source,
                 "transactions.scored": self.sink, "transactions.dead": self.dead,
                 "fraud-scorer": self.group}
        return {row: [names.get(word, word) for word in command.split()]
                for row, command in re.findall(r"^\| (.*?) \| .* \| `kafka-acls (.*)` \|$", text,
                                               re.MULTILINE)}

    def allow(self, *rows):
        """Runs the commands of these rows of the table."""
        commands = self.manual_commands()
        for row in rows:
            self.cluster.tool("acls", *commands[row])
