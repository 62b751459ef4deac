"""Brokers that die, are not there yet, or stop answering."""
import os
import signal
import time
import unittest

import bench_data
import brokers
import records
from cases import SHORT_SESSION, BrokerCase
from worker import MemorySampler

PARTITIONS = 4


class BrokerRestartTests(BrokerCase):
    cluster_name = "restarted"

    @classmethod
    def tearDownClass(cls):
        brokers.end_cluster(cls.cluster_name)

    def test_a_killed_broker_comes_back_under_load(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        feed = self.feed(source, PARTITIONS, 12_000)
        worker = self.worker(self.pipeline(source, sink)).wait_ready()
        for _ in range(2):
            worker.wait_metric("millrace_records_scored_total",
                               (worker.metric("millrace_records_scored_total") or 0) + 20_000)
            self.cluster.node("kill")
            self.cluster.node("start")
        worker.wait_metric("millrace_records_scored_total",
                           worker.metric("millrace_records_scored_total") + 20_000)
        count = feed.stop()
        self.wait_no_lag(worker, source)
        worker.wait_ready()
        self.stop(worker)
        duplicates = self.assert_numbered(sink, count, PARTITIONS)
        self.tell(f"{count} records, {duplicates} came twice after 2 kills of the broker")

    def test_the_worker_starts_before_the_broker(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        rows = bench_data.rows()
        records.load(self.bootstrap, source,
                     (records.numbered(n, rows, PARTITIONS) for n in range(5_000)))
        self.cluster.node("kill")
        worker = self.worker(self.pipeline(source, sink))
        said = worker.wait_not_ready("no broker answers")
        self.assertEqual(worker.get("/livez")[0], 200, said)
        self.cluster.node("start")
        worker.wait_ready()
        self.wait_no_lag(worker, source)
        self.stop(worker)
        self.assertEqual(self.assert_numbered(sink, 5_000, PARTITIONS), 0, "records came twice")


class BlockedOutputTests(BrokerCase):
    """The output's broker stops answering while input is there at full rate."""
    blocked_seconds = 20
    backlog = 800_000

    def setUp(self):
        super().setUp()
        self.output = brokers.cluster("blocked")
        self.addCleanup(self.output.node, "resume")
        self.rows = bench_data.rows()

    def output_topic(self):
        return records.create_topic(self.output.bootstrap, records.new_name("out"), PARTITIONS)

    def two_clusters(self):
        return {"consumer": SHORT_SESSION,
                "producer": {"bootstrap.servers": self.output.bootstrap}}

    def numbered(self, numbers):
        return (records.numbered(n, self.rows, PARTITIONS) for n in numbers)

    def block(self, memory_mib):
        source, sink = self.topic("in", PARTITIONS), self.output_topic()
        content = self.pipeline(
            source, sink, memory=f"{memory_mib}MiB",
            kafka=self.two_clusters())
        records.load(self.bootstrap, source, self.numbered(range(20_000)))
        worker = self.worker(content).wait_ready()
        sampler = MemorySampler(worker.process)
        self.wait_no_lag(worker, source)
        stages = [sampler.take()]
        self.output.node("pause")
        blocked_at = time.monotonic()
        records.load(self.bootstrap, source, self.numbered(range(20_000, self.backlog)),
                     linger_ms=50)
        worker.wait_metric("millrace_paused", 1)
        in_flight = worker.metric("millrace_in_flight_bytes")
        left = self.blocked_seconds - (time.monotonic() - blocked_at)
        stays = time.monotonic() + max(left, 5)
        worker.wait_for(lambda: time.monotonic() > stays, "the blocked time to pass",
                        self.blocked_seconds + 60)
        stages.append(sampler.take())
        self.output.node("resume")
        self.wait_no_lag(worker, source, 300)
        stages.append(sampler.stop())
        self.stop(worker)
        bound = memory_mib * 2**20 + 80 * 10**6
        self.tell("highest resident memory in MiB: {:.0f} before, {:.0f} blocked, {:.0f} after".format(
            *(stage / 2**20 for stage in stages))
            + f" (bound {bound / 2**20:.0f}), {in_flight / 2**20:.0f} taken in")
        self.bootstrap = self.output.bootstrap
        duplicates = self.assert_numbered(sink, self.backlog, PARTITIONS)
        self.tell(f"{self.backlog} records, {duplicates} came twice")
        self.assertLess(max(stages), bound)

    def test_memory_stays_bounded_with_64_mib(self):
        self.block(64)

    def test_memory_stays_bounded_with_256_mib(self):
        self.block(256)

    def test_a_second_stop_signal_ends_at_once(self):
        source, sink = self.topic("in", PARTITIONS), self.output_topic()
        content = self.pipeline(source, sink, kafka=self.two_clusters())
        worker = self.worker(content).wait_ready()
        self.output.node("pause")
        records.load(self.bootstrap, source, self.numbered(range(5_000)))
        worker.wait_metric("millrace_in_flight_bytes", 1)
        worker.terminate()
        worker.wait_not_ready("stopping")
        worker.process.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait_exit(10), 75, worker.tail())
        self.output.node("resume")
        again = self.worker(content)
        self.wait_no_lag(again, source)
        self.stop(again)
        self.bootstrap = self.output.bootstrap
        duplicates = self.assert_numbered(sink, 5_000, PARTITIONS)
        self.tell(f"{duplicates} of 5000 came twice")

    def test_a_stop_that_takes_too_long_ends_by_itself(self):
        source, sink = self.topic("in", PARTITIONS), self.output_topic()
        content = self.pipeline(source, sink, shutdown_timeout="2s", kafka=self.two_clusters())
        worker = self.worker(content).wait_ready()
        self.output.node("pause")
        records.load(self.bootstrap, source, self.numbered(range(5_000)))
        worker.wait_metric("millrace_in_flight_bytes", 1)
        worker.terminate()
        self.assertEqual(worker.wait_exit(30), 75, worker.tail())
        self.assertEqual(sum(self.watcher.committed(self.group, source).values()), 0)


@unittest.skipUnless(os.environ.get("MILLRACE_LONG_TESTS"),
                     "takes long; MILLRACE_LONG_TESTS=1 runs it")
class MinuteBlockedOutputTests(BlockedOutputTests):
    """The same for a whole minute and three million records."""
    blocked_seconds = 60
    backlog = 3_000_000
    test_a_second_stop_signal_ends_at_once = None
    test_a_stop_that_takes_too_long_ends_by_itself = None


if __name__ == "__main__":
    unittest.main()
