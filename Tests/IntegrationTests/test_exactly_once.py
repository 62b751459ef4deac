"""delivery: exactly_once: readers of committed records see each output once, whatever dies."""
import os
import signal
import unittest

import bench_data
import records
from brokers import wait_until
from cases import SHORT_SESSION, BrokerCase
from records import Record
from worker import debian_library, version

PARTITIONS = 6
PER_SECOND = 12_000


class ExactlyOnceTests(BrokerCase):
    def exactly_once(self, source, sink, **more):
        return self.pipeline(source, sink, **({"delivery": "exactly_once"} | more))

    def assert_once(self, sink, count):
        self.assertEqual(self.assert_numbered(sink, count, PARTITIONS), 0, "duplicates")

    def test_a_run_to_the_end_commits_all_of_it(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        rows, count = bench_data.rows(), 100_000
        records.load(self.bootstrap, source,
                     [records.numbered(n, rows, PARTITIONS) for n in range(count)])
        worker = self.worker(self.exactly_once(source, sink), "--until-end")
        self.assertEqual(worker.wait_exit(300), 0, worker.tail())
        self.assertEqual(worker.summary()["records"], count)
        self.assertEqual(self.watcher.committed(self.group, source), self.watcher.ends(source))
        self.assert_once(sink, count)

    def test_output_is_seen_while_the_worker_runs(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        worker = self.worker(self.exactly_once(source, sink, commit_interval="50ms")).wait_ready()
        feed = self.feed(source, PARTITIONS, 2_000)
        worker.wait_metric("millrace_records_scored_total", 5_000)
        count = feed.stop()
        worker.wait_metric("millrace_records_scored_total", count)
        self.wait_no_lag(worker, source)
        self.assert_once(sink, count)
        self.assertGreater(worker.metric("millrace_transactions_total"), 5)
        self.stop(worker)

    def kill_five_times(self, environment=None, **more):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        content = self.exactly_once(
            source, sink, kafka={"consumer": SHORT_SESSION,
                                 "producer": {"transaction.timeout.ms": "4000"}}, **more)
        feed = self.feed(source, PARTITIONS, PER_SECOND)
        count = self.killed_five_times(source, sink, content, feed, environment)
        self.assert_once(sink, count)
        self.tell(f"{count} records once each after 5 kills")

    def test_kill_9_of_a_worker_with_a_name_of_its_own(self):
        self.kill_five_times(instance="only")

    def test_kill_9_of_workers_without_names(self):
        self.kill_five_times()

    def test_kill_9_with_debians_librdkafka(self):
        if "librdkafka 2.0.2" not in version(debian_library()):
            self.skipTest("needs Debian's librdkafka 2.0.2")
        self.kill_five_times(debian_library(), instance="only")

    def scale(self, kafka):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        content = self.exactly_once(source, sink, kafka=kafka)
        feed = self.feed(source, PARTITIONS, PER_SECOND)
        first = self.worker(content).wait_ready()
        for _ in range(3):
            other = self.worker(content)
            other.wait_metric("millrace_records_scored_total", 5_000)
            first.wait_for(lambda: first.metric("millrace_assigned_partitions") == 3, "half")
            self.stop(other)
            first.wait_for(lambda: first.metric("millrace_assigned_partitions") == 6, "all")
        count = feed.stop()
        self.wait_no_lag(first, source)
        aborted = first.get("/metrics")[1]
        self.stop(first)
        self.assert_once(sink, count)
        lines = [line for line in aborted.splitlines() if "transactions_total{" in line]
        self.tell(f"{count} records once each; {lines}")

    def test_instances_come_and_go_with_range(self):
        self.scale({"consumer": {"partition.assignment.strategy": "range"}})

    def test_instances_come_and_go_with_cooperative_sticky(self):
        self.scale({"consumer": {"partition.assignment.strategy": "cooperative-sticky"}})

    def test_instances_come_and_go_with_the_new_group_protocol(self):
        self.scale({"consumer": {"group.protocol": "consumer"}})

    def test_a_stopped_worker_that_wakes_up_writes_nothing(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        content = self.exactly_once(
            source, sink, kafka={"consumer": SHORT_SESSION,
                                 "producer": {"transaction.timeout.ms": "4000"}})
        feed = self.feed(source, PARTITIONS, PER_SECOND)
        zombie = self.worker(content).wait_ready()
        zombie.wait_metric("millrace_records_scored_total", 10_000)
        twin = self.worker(content)
        twin.wait_metric("millrace_records_scored_total", 5_000)
        os.kill(zombie.process.pid, signal.SIGSTOP)
        twin.wait_for(lambda: twin.metric("millrace_assigned_partitions") == PARTITIONS, "all")
        before = twin.metric("millrace_records_scored_total")
        twin.wait_metric("millrace_records_scored_total", before + 20_000)
        os.kill(zombie.process.pid, signal.SIGCONT)
        zombie.wait_for(lambda: zombie.metric("millrace_assigned_partitions") == 3, "half again")
        count = feed.stop()
        self.wait_no_lag(twin, source)
        self.stop(zombie)
        self.stop(twin)
        self.assert_once(sink, count)

    def test_two_workers_with_one_name_do_not_fight_for_ever(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        content = self.exactly_once(source, sink, instance="same")
        feed = self.feed(source, PARTITIONS, 4_000)
        workers = [self.worker(content), self.worker(content)]
        wait_until(lambda: not all(worker.is_running for worker in workers), "the end of one")
        ended = next(worker for worker in workers if not worker.is_running)
        self.assertEqual(ended.wait_exit(), 69, ended.tail())
        self.assertIn("give each worker an instance name of its own", ended.stderr)
        other = next(worker for worker in workers if worker is not ended)
        count = feed.stop()
        self.wait_no_lag(other, source)
        self.stop(other)
        self.assert_once(sink, count)

    def test_dead_letters_are_in_the_transaction(self):
        source, sink = self.topic("in", 1), self.topic("out", 1)
        dead = self.topic("dead", 1)
        rows, part, parts = bench_data.rows(), 20_000, 4
        content = self.exactly_once(source, sink, dead=dead, instance="only",
                                    kafka={"consumer": SHORT_SESSION})

        def load(first):
            records.load(self.bootstrap, source, [
                Record(b"%d" % n, b"{" if n % 10 == 3 else rows[n % len(rows)], [], None, 0)
                for n in range(first, first + part)])

        # Each worker has records of its own to put out: one that dies late has done all the others.
        for number in range(parts - 1):
            load(number * part)
            worker = self.worker(content)
            worker.wait_metric("millrace_transactions_total", 1)
            worker.kill()
        load((parts - 1) * part)
        last = self.worker(content, "--until-end")
        self.assertEqual(last.wait_exit(300), 0, last.tail())
        scored = [int(one.key) for one in records.read_all(self.bootstrap, sink)[0]]
        letters = [int(one.key) for one in records.read_all(self.bootstrap, dead)[0]]
        every = range(parts * part)
        self.assertEqual(scored, [n for n in every if n % 10 != 3])
        self.assertEqual(letters, [n for n in every if n % 10 == 3])


if __name__ == "__main__":
    unittest.main()
