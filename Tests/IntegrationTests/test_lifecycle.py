"""What the worker says of itself when topics or rights are not as they should be."""
import unittest

import bench_data
import records
from cases import BrokerCase, SecureCase
from worker import debian_library, version

PARTITIONS = 4


class TopicTests(BrokerCase):
    def test_a_missing_topic_is_named_and_awaited(self):
        source, sink = self.topic("in", PARTITIONS), records.new_name("out")
        worker = self.worker(self.pipeline(source, sink))
        worker.wait_not_ready(f"topic '{sink}' does not exist")
        self.assertEqual(worker.get("/livez")[0], 200)
        self.assertNotIn(sink, self.watcher.consumer.list_topics(timeout=60).topics,
                         "the worker must not create topics")
        records.create_topic(self.bootstrap, sink, PARTITIONS)
        worker.wait_ready()
        records.load(self.bootstrap, source, [
            records.numbered(n, bench_data.rows(), PARTITIONS) for n in range(1_000)])
        self.wait_no_lag(worker, source)
        self.stop(worker)
        self.assert_numbered(sink, 1_000, PARTITIONS)

    def test_other_partition_counts_need_partitioning_by_key(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS + 1)
        worker = self.worker(self.pipeline(source, sink))
        self.assertEqual(worker.wait_exit(), 65, worker.tail())
        for text in (f"'{sink}' has {PARTITIONS + 1} partitions",
                     f"'{source}' has {PARTITIONS}", "sink.partitioning"):
            self.assertIn(text, worker.stderr)

    def test_partitioning_by_key_is_that_of_javas_clients(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS + 1)
        same = self.topic("same", PARTITIONS + 1)
        sent = [records.numbered(n, bench_data.rows(), PARTITIONS) for n in range(2_000)]
        records.load(self.bootstrap, source, sent)
        producer = records.new_producer(self.bootstrap, partitioner="murmur2_random")
        for record in sent:
            producer.produce(same, b"", record.key)
        records.flush(producer)
        content = self.pipeline(source, sink)
        content["sink"]["partitioning"] = "key"
        worker = self.worker(content, "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        expected = [sorted(r.key for r in p) for p in records.read_all(self.bootstrap, same)]
        found = [sorted(r.key for r in p) for p in records.read_all(self.bootstrap, sink)]
        self.assertEqual(found, expected)


class SecureTests(SecureCase):
    def test_works_with_the_least_rights(self):
        records.load(self.bootstrap, self.source, [
            records.numbered(n, bench_data.rows(), PARTITIONS) for n in range(2_000)])
        self.allow("source topic", "group", "output topic")
        worker = self.worker(self.secure_pipeline(), environment=self.PASSWORD).wait_ready()
        self.wait_no_lag(worker, self.source)
        self.stop(worker)
        self.assertEqual(self.assert_numbered(self.sink, 2_000, PARTITIONS), 0)
        self.assertNotIn("worker-secret", worker.stderr + worker.stdout)

    def test_a_wrong_password_is_told_without_it(self):
        wrong = "not-the-password-7391"
        worker = self.worker(self.secure_pipeline(), environment={"WORKER_PASSWORD": wrong})
        worker.wait_for(lambda: "uthentication" in worker.stderr, "a complaint of the login")
        status, said = worker.get("/readyz")
        self.assertEqual(status, 503, said)
        self.assertEqual(worker.get("/livez")[0], 200)
        shown = worker.stderr + worker.stdout + said + worker.get("/metrics")[1]
        self.stop(worker)
        self.assertNotIn(wrong, shown + worker.stderr)

    def test_scram_with_debians_librdkafka_is_refused_at_start(self):
        if "librdkafka 2.0.2" not in version(debian_library()):
            self.skipTest("needs Debian's librdkafka 2.0.2")
        worker = self.worker(self.secure_pipeline(), environment=debian_library() | self.PASSWORD)
        self.assertEqual(worker.wait_exit(30), 65, worker.tail())
        self.assertIn("librdkafka 2.0.2 cannot log in with SCRAM", worker.stderr)
        self.assertNotIn("worker-secret", worker.stderr)


if __name__ == "__main__":
    unittest.main()
