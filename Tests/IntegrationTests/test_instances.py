"""Instances that come, go and die under load: nothing lost, order kept."""
import unittest

from brokers import wait_until
from cases import SHORT_SESSION, BrokerCase
from worker import debian_library, version

PARTITIONS = 6
PER_SECOND = 12_000


class ScaleTests(BrokerCase):
    """From one instance to three and back, each protocol of rebalancing."""

    def scale(self, kafka):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        content = self.pipeline(source, sink, kafka=kafka)
        feed = self.feed(source, PARTITIONS, PER_SECOND)
        first = self.worker(content).wait_ready()
        self.wait_grown(first, sink)
        others = [self.worker(content), self.worker(content)]
        for worker in [first, *others]:
            worker.wait_for(lambda w=worker: w.metric("millrace_assigned_partitions") == 2,
                            "two of six partitions for each of three instances")
        self.wait_grown(first, sink)
        for worker in others:
            worker.wait_metric("millrace_records_scored_total", 1)
            self.stop(worker)
        first.wait_for(lambda: first.metric("millrace_assigned_partitions") == PARTITIONS,
                       "all partitions back at the first instance")
        self.wait_grown(first, sink)
        count = feed.stop()
        self.wait_no_lag(first, source)
        self.stop(first)
        self.assertEqual(self.watcher.lag(self.group, source), 0)
        duplicates = self.assert_numbered(sink, count, PARTITIONS)
        self.tell(f"{count} records, {duplicates} came twice")

    def wait_grown(self, worker, sink, by=10_000):
        before = self.watcher.count(sink)
        worker.wait_for(lambda: self.watcher.count(sink) >= before + by, f"{by} more records")

    def test_scale_out_and_back_with_range(self):
        self.scale({"consumer": {"partition.assignment.strategy": "range"}})

    def test_scale_out_and_back_with_cooperative_sticky(self):
        self.scale({"consumer": {"partition.assignment.strategy": "cooperative-sticky"}})

    def test_scale_out_and_back_with_the_new_group_protocol(self):
        self.scale({"consumer": {"group.protocol": "consumer"}})


class KillTests(BrokerCase):
    """kill -9 five times under load."""

    def kill_five_times(self, environment=None):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        content = self.pipeline(source, sink, kafka={"consumer": SHORT_SESSION})
        feed = self.feed(source, PARTITIONS, PER_SECOND)
        count = self.killed_five_times(source, sink, content, feed, environment)
        duplicates = self.assert_numbered(sink, count, PARTITIONS)
        self.tell(f"{count} records, {duplicates} came more than once after 5 kills")

    def test_nothing_is_lost_by_kill_9(self):
        self.kill_five_times()

    def test_nothing_is_lost_by_kill_9_with_debians_librdkafka(self):
        if "librdkafka 2.0.2" not in version(debian_library()):
            self.skipTest("needs Debian's librdkafka 2.0.2")
        self.kill_five_times(debian_library())


class StopTests(BrokerCase):
    """SIGTERM under load."""

    def test_stopped_in_good_order_nothing_comes_twice(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        content = self.pipeline(source, sink)
        feed = self.feed(source, PARTITIONS, PER_SECOND)
        for _ in range(3):
            before = self.watcher.count(sink)
            worker = self.worker(content)
            worker.wait_for(lambda: self.watcher.count(sink) >= before + 8_000,
                            "output of this run")
            self.stop(worker)
        count = feed.stop()
        last = self.worker(content)
        self.wait_no_lag(last, source)
        self.stop(last)
        self.assertEqual(self.assert_numbered(sink, count, PARTITIONS), 0, "records came twice")

    def test_until_end_run_again_finds_nothing(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        feed = self.feed(source, PARTITIONS, PER_SECOND)
        self.wait_loaded(source, 5_000)
        count = feed.stop()
        for expected in (count, 0):
            worker = self.worker(self.pipeline(source, sink), "--until-end")
            self.assertEqual(worker.wait_exit(), 0, worker.tail())
            summary = worker.summary()
            self.assertEqual((summary["records"], summary["dead"]), (expected, 0))
        self.assertEqual(self.assert_numbered(sink, count, PARTITIONS), 0, "records came twice")

    def wait_loaded(self, topic, count):
        wait_until(lambda: self.watcher.count(topic) >= count, f"{count} records in {topic}")


if __name__ == "__main__":
    unittest.main()
