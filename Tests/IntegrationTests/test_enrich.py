"""The main promise: every record comes out once, with all of its bytes and one number more."""
import itertools
import unittest

import bench_data
import records
from cases import BrokerCase
from records import Record
from worker import debian_library, model_header, version

PARTITIONS = 4
FIRST_MS = 1_700_000_000_000

# Headers that must come out as they went in: none, one, the same name twice, null, empty, bytes.
HEADERS = [
    [],
    [("trace", b"4bf92f3577b34da6")],
    [("tag", b"b"), ("tag", b"a"), ("tag", b"b")],
    [("nothing", None), ("empty", b""), ("bytes", bytes(range(256)))],
]
KEYS = [b"c%06d", b"", None]


def record(number, value):
    key = KEYS[0] % number if number % 10 else KEYS[1 + number // 10 % 2]
    return Record(key, value, HEADERS[number % len(HEADERS)], FIRST_MS + 7 * number,
                  (number * 7 // 3) % PARTITIONS)


class EnrichTests(BrokerCase):
    def enrich(self, model, count, environment=None):
        """Runs `count` events through a worker and compares all that comes out."""
        rows = bench_data.rows()[:count]
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        sent = [record(number, value) for number, value in enumerate(rows)]
        records.load(self.bootstrap, source, sent)
        worker = self.worker(self.pipeline(source, sink, model=model), "--until-end",
                             environment=environment)
        self.assertEqual(worker.wait_exit(300), 0, worker.tail())

        summary = worker.summary()
        self.assertEqual((summary["records"], summary["dead"]), (count, 0))
        self.assertGreater(summary["rec/s"], 0)
        self.assertAlmostEqual(summary["rec/s"], count / summary["wall"],
                               delta=count / summary["wall"] * 0.01)
        self.assertEqual(self.watcher.committed(self.group, source), self.watcher.ends(source))
        self.assert_same(source, sink, sent, model)
        self.tell(worker.stdout.splitlines()[-1])

    def assert_same(self, source, sink, sent, model):
        """Same partition, order and count; key, headers, timestamp and bytes kept."""
        expected = [[] for _ in range(PARTITIONS)]
        for number, one in enumerate(sent):
            expected[one.partition].append(number)
        added = ("millrace-model", model_header(bench_data.model(model)).encode())
        output = records.read_all(self.bootstrap, sink)
        self.assertEqual([len(p) for p in output], [len(p) for p in expected])
        found = []
        for got, numbers in zip(output, expected):
            for one, number in zip(got, numbers):
                want = sent[number]
                found.append(float(self.score_text(one.value, want.value)))
                if (one.key, one.headers, one.timestamp) != (
                        want.key, want.headers + [added], want.timestamp):
                    self.fail(f"key, headers or timestamp changed: {want} became {one}")
        self.assert_scores(found, list(itertools.chain.from_iterable(expected)), model)

    def test_all_events_through_the_tree_model(self):
        self.enrich("gbt", bench_data.EVENTS)

    def test_all_events_through_the_network(self):
        self.enrich("mlp", bench_data.EVENTS)

    def test_events_through_debians_librdkafka(self):
        if "librdkafka 2.0.2" not in version(debian_library()):
            self.skipTest("needs Debian's librdkafka 2.0.2")
        self.enrich("gbt", 50_000, environment=debian_library())


if __name__ == "__main__":
    unittest.main()
