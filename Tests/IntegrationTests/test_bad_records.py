"""Records that cannot be scored hurt nobody else and are never lost."""
import base64
import re
import unittest

import bench_data
import records
from brokers import REPOSITORY
from cases import BrokerCase
from records import Record
from worker import model_header

PARTITIONS = 3
FIELD = b"fraud_score"  # some records of the corpus have this field already
LARGE = 20_000
FIRST_MS = 1_700_000_000_000
BROKEN = b'{"amount":'


def corpus():
    """The bad records of Tests/Corpus: kind and bytes."""
    found = []
    for line in (REPOSITORY / "Tests/Corpus/bad-records.tsv").read_bytes().split(b"\n"):
        if not line or line.startswith(b"#"):
            continue
        kind, mode, text = line.split(b"\t", 2)
        if mode == b"base64":
            value = base64.b64decode(text)
        else:
            value = re.sub(rb"\\x([0-9a-fA-F]{2})", lambda m: bytes([int(m[1], 16)]), text)
        found.append((kind.decode(), value))
    return found


class BadRecordCase(BrokerCase):
    def mix(self, bad, good_between):
        """Bad values among good ones: records with the kind (None: good) and the event's number."""
        rows = bench_data.rows()
        mixed = []
        for kind, value in bad:
            for _ in range(good_between):
                number = len(mixed)
                mixed.append((None, number, self.record(number, rows[number])))
            mixed.append((kind, len(mixed), self.record(len(mixed), value)))
        return mixed

    @staticmethod
    def record(number, value):
        headers = [("n", b"%d" % number), ("n", b"again"), ("null", None)]
        return Record(b"k%d" % number, value, headers, FIRST_MS + number,
                      number % PARTITIONS)

    def assert_good_ones_scored(self, sink, mixed):
        """The output has exactly the good records of `mixed`, in order."""
        output = records.read_all(self.bootstrap, sink)
        found, numbers = [], []
        for partition, got in enumerate(output):
            want = [(n, r) for kind, n, r in mixed if kind is None and r.partition == partition]
            self.assertEqual([r.key for r in got], [r.key for _, r in want])
            for one, (number, record) in zip(got, want):
                found.append(float(self.score_text(one.value, record.value, FIELD)))
                numbers.append(number)
        self.assert_scores(found, numbers)

    def offsets(self, mixed):
        """Place of each record of `mixed`: (partition, offset) to its index."""
        places, next_offset = {}, [0] * PARTITIONS
        for index, (_, _, record) in enumerate(mixed):
            places[record.partition, next_offset[record.partition]] = index
            next_offset[record.partition] += 1
        return places


class CorpusTests(BadRecordCase):
    def setUp(self):
        super().setUp()
        self.bad = corpus()
        self.assertGreaterEqual(len(self.bad), 100)
        self.source, self.sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)

    def test_dead_letters_are_exact_and_neighbours_scored(self):
        dead = self.topic("dead", 2)
        mixed = self.mix(self.bad, 9)
        records.load(self.bootstrap, self.source, [r for _, _, r in mixed])
        worker = self.worker(
            self.pipeline(self.source, self.sink, dead=dead, append=FIELD.decode()),
            "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        summary = worker.summary()
        self.assertEqual((summary["records"], summary["dead"]), (len(mixed), len(self.bad)))
        self.assertEqual(self.watcher.lag(self.group, self.source), 0)
        self.assert_good_ones_scored(self.sink, mixed)

        places = self.offsets(mixed)
        letters = sum(records.read_all(self.bootstrap, dead), [])
        seen = set()
        for letter in letters:
            origin = (int(letter.header("millrace-error-partition")),
                      int(letter.header("millrace-error-offset")))
            kind, _, record = mixed[places[origin]]
            seen.add(origin)
            self.assert_letter(letter, kind, record)
        self.assertEqual(len(seen), len(self.bad))
        self.assertEqual(len(letters), len(self.bad))

    def assert_letter(self, letter, kind, record):
        """The original with its reason behind its own headers."""
        own, added = letter.headers[:len(record.headers)], letter.headers[len(record.headers):]
        self.assertEqual((letter.key, letter.value, own, letter.timestamp),
                         (record.key, record.value, record.headers, record.timestamp))
        added = dict(added)
        self.assertEqual(list(added), ["millrace-error-" + name for name in (
            "class", "message", "topic", "partition", "offset", "model")])
        self.assertEqual(added["millrace-error-class"].decode(), kind, record.value)
        self.assertEqual(added["millrace-error-topic"].decode(), self.source)
        self.assertEqual(added["millrace-error-model"].decode(),
                         model_header(bench_data.model("gbt")))
        message = added["millrace-error-message"].decode()
        self.assertTrue(message and message.isprintable(), message)

    def test_pass_lets_bad_records_through_unchanged(self):
        mixed = self.mix(self.bad, 2)
        records.load(self.bootstrap, self.source, [r for _, _, r in mixed])
        worker = self.worker(
            self.pipeline(self.source, self.sink, append=FIELD.decode(), on_error="pass"),
            "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        self.assertEqual(self.watcher.lag(self.group, self.source), 0)
        for partition, got in enumerate(records.read_all(self.bootstrap, self.sink)):
            want = [(kind, r) for kind, _, r in mixed if r.partition == partition]
            self.assertEqual(len(got), len(want))
            for one, (kind, record) in zip(got, want):
                self.assertEqual((one.key, one.timestamp), (record.key, record.timestamp))
                if kind is None:
                    self.score_text(one.value, record.value, FIELD)
                else:
                    self.assertEqual((one.value, one.headers), (record.value, record.headers))

    def test_stop_ends_at_the_bad_record(self):
        source, sink = self.topic("in", 1), self.topic("out", 1)
        rows = bench_data.rows()
        bad_offset = 1234
        sent = [Record(b"%d" % n, BROKEN if n == bad_offset else rows[n], [], None, 0)
                for n in range(3_000)]
        records.load(self.bootstrap, source, sent)
        for _ in range(2):  # started again it stops at the same record
            worker = self.worker(self.pipeline(source, sink, on_error="stop"))
            self.assertEqual(worker.wait_exit(), 65, worker.tail())
            self.assertIn(f"partition 0 offset {bad_offset}", worker.stderr)
            self.assertNotIn(BROKEN.decode(), worker.stderr)
            self.assertLessEqual(self.watcher.committed(self.group, source)[0], bad_offset)
        numbers = [int(r.key) for r in records.read_all(self.bootstrap, sink)[0]]
        self.assertLess(max(numbers, default=0), bad_offset)
        self.assertEqual(list(dict.fromkeys(numbers)), list(range(len(set(numbers)))))


class MostlyBadTests(BadRecordCase):
    """More than half bad: something larger is wrong, and the topic is not drained."""

    def setUp(self):
        super().setUp()
        rows = bench_data.rows()
        self.source, self.sink = self.topic("in", 1), self.topic("out", 1)
        self.dead = self.topic("dead", 1)
        records.load(self.bootstrap, self.source, [
            Record(b"%d" % n, rows[n] if n % 3 == 0 else BROKEN, [], None, 0)
            for n in range(5_000)])

    def test_the_worker_holds_and_says_so(self):
        worker = self.worker(self.pipeline(self.source, self.sink, dead=self.dead))
        said = worker.wait_not_ready("holding")
        self.assertIn("dead_letter.max_ratio", said)
        worker.wait_for(lambda: any(e.get("try") == "3" for e in worker.log()), "a third try")
        self.assertLessEqual(self.watcher.count(self.dead), 100)
        self.assertEqual(worker.get("/livez")[0], 200)
        self.stop(worker)
        self.assertLessEqual(self.watcher.count(self.dead), 100)
        committed = self.watcher.committed(self.group, self.source)[0]
        self.assertEqual(committed,
                         self.watcher.count(self.dead) + self.watcher.count(self.sink))

    def test_until_end_gives_up(self):
        worker = self.worker(self.pipeline(self.source, self.sink, dead=self.dead), "--until-end")
        self.assertEqual(worker.wait_exit(), 69, worker.tail())
        self.assertIn("dead_letter.max_ratio", worker.stderr)

    def test_a_ratio_of_one_lets_them_all_go(self):
        content = self.pipeline(self.source, self.sink)
        content["dead_letter"] = {"topic": self.dead, "max_ratio": 1}
        worker = self.worker(content, "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        self.assertEqual(self.watcher.count(self.dead) + self.watcher.count(self.sink), 5_000)


class OddRecordTests(BadRecordCase):
    def test_tombstones_pass_and_empty_values_are_dead(self):
        source, sink, dead = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS), \
            self.topic("dead", 1)
        rows = bench_data.rows()
        values = [rows[n] if n % 10 else (b"" if n % 20 else None) for n in range(900)]
        sent = [self.record(n, value) for n, value in enumerate(values)]
        records.load(self.bootstrap, source, sent)
        worker = self.worker(self.pipeline(source, sink, dead=dead), "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        output = records.read_all(self.bootstrap, sink)
        for partition, got in enumerate(output):
            want = [r for r in sent if r.partition == partition and r.value != b""]
            self.assertEqual([r.key for r in got], [r.key for r in want])
            for one, record in zip(got, want):
                if record.value is None:
                    self.assertEqual((one.value, one.headers), (None, record.headers))
                else:
                    self.score_text(one.value, record.value)
        letters = records.read_all(self.bootstrap, dead)[0]
        self.assertEqual(len(letters), 45)
        self.assertEqual({r.value for r in letters}, {b""})
        self.assertEqual({r.header("millrace-error-class") for r in letters}, {"malformed"})

    def first_letters(self, dead):
        """The dead letters in order. A refused record makes its neighbours and their letters come
        again, so only first occurrences count."""
        return list({r.key: r for r in reversed(records.read_all(self.bootstrap, dead)[0])}
                    .values())[::-1]

    @staticmethod
    def last_of_each(keys):
        """The keys in the order of their last occurrences: where a refused group was more than one
        request, its later part may be there before the replay repeats all of it in order."""
        return list(dict.fromkeys(reversed(keys)))[::-1]

    def check_too_large(self, kafka, letter_value, **sink_config):
        """A record of each hundred fits the input topic and, enriched, not the output topic."""
        source, sink = self.topic("in", 1), self.topic("out", 1, **sink_config)
        dead = self.topic("dead", 1)
        rows = bench_data.rows()
        sent = []
        for number in range(1_000):
            value = rows[number]
            if number % 100 == 50:
                value = value[:-1] + b',"note":"' + b"x" * (LARGE - len(value) - 10) + b'"}'
            sent.append(Record(b"%d" % number, value, [], None, 0))
        records.load(self.bootstrap, source, sent)
        worker = self.worker(self.pipeline(source, sink, dead=dead, kafka=kafka), "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        large = [r for r in sent if len(r.value) == LARGE]
        letters = self.first_letters(dead)
        self.assertEqual([r.key for r in letters], [r.key for r in large])
        for letter, record in zip(letters, large):
            self.assertEqual(letter.value, letter_value(record))
        scored = [r.key for r in records.read_all(self.bootstrap, sink)[0]]
        self.assertEqual(self.last_of_each(scored),
                         [r.key for r in sent if len(r.value) != LARGE])
        self.tell(f"{len(scored) - len(set(scored))} came twice")
        return letters

    def test_too_large_for_the_producer(self):
        """With its reason the letter is too large as well: the value stays in the source topic."""
        letters = self.check_too_large({"producer": {"message.max.bytes": str(LARGE)}},
                                       lambda record: None)
        for letter in letters:
            self.assertEqual(letter.header("millrace-error-class"), "too_large")
            self.assertEqual(letter.header("millrace-error-value-omitted"), "true")

    def test_too_large_for_the_output_topic(self):
        """The broker refuses whole requests; the neighbours must not suffer."""
        letters = self.check_too_large({}, lambda record: record.value,
                                       max_message_bytes=LARGE)
        self.assertEqual({r.header("millrace-error-class") for r in letters}, {"rejected"})

    def test_a_timestamp_that_the_output_topic_refuses(self):
        source = self.topic("in", 1)
        sink = self.topic("out", 1, message_timestamp_before_max_ms=3_600_000)
        dead = self.topic("dead", 1)
        rows = bench_data.rows()
        sent = [Record(b"%d" % n, rows[n], [], FIRST_MS if n % 50 == 7 else None, 0)
                for n in range(1_000)]
        records.load(self.bootstrap, source, sent)
        worker = self.worker(self.pipeline(source, sink, dead=dead), "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        letters = self.first_letters(dead)
        self.assertEqual([(r.key, r.value, r.timestamp) for r in letters],
                         [(r.key, r.value, FIRST_MS) for r in sent if r.timestamp])
        self.assertEqual({r.header("millrace-error-class") for r in letters}, {"rejected"})
        scored = [r.key for r in records.read_all(self.bootstrap, sink)[0]]
        self.assertEqual(self.last_of_each(scored), [r.key for r in sent if not r.timestamp])

    def refused_letters(self, sent, **dead_config):
        """The letters of a run over records whose dead letters their topic refuses at first."""
        source, sink, dead = self.topic("in", 2), self.topic("out", 2), \
            self.topic("dead", 1, **dead_config)
        records.load(self.bootstrap, source, sent)
        worker = self.worker(self.pipeline(source, sink, dead=dead), "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        output = [r.key for part in records.read_all(self.bootstrap, sink) for r in part]
        letters = self.first_letters(dead)
        self.assertEqual({r.header("millrace-error-class") for r in letters}, {"malformed"})
        self.assertEqual(sorted(set(output) | {r.key for r in letters}),
                         sorted(r.key for r in sent))
        return letters

    def test_a_dead_letter_that_its_topic_refuses_for_its_age(self):
        rows = bench_data.rows()
        sent = [Record(b"%03d" % n, rows[n] if n % 150 else b"{", [], None if n % 150 else FIRST_MS,
                       n % 2) for n in range(300)]
        letters = self.refused_letters(sent, message_timestamp_before_max_ms=3_600_000)
        self.assertEqual([r.key for r in letters], [b"%03d" % n for n in range(0, 300, 150)])
        for letter in letters:
            self.assertEqual(letter.header("millrace-error-timestamp"), str(FIRST_MS))
            self.assertEqual(letter.header("millrace-error-value-omitted"), "true")
            self.assertGreater(letter.timestamp, FIRST_MS)

    def test_a_dead_letter_that_its_topic_refuses_for_its_size(self):
        rows = bench_data.rows()
        bad = b'{"amount":"' + b"x" * 20_000
        sent = [Record(b"%03d" % n, rows[n] if n % 150 else bad, [], None, n % 2)
                for n in range(300)]
        letters = self.refused_letters(sent, max_message_bytes=LARGE // 4)
        self.assertEqual({r.value for r in letters}, {None})


class OddRecordExactlyOnceTests(OddRecordTests):
    """The same in transactions: what was refused with its neighbours is thrown away with them."""

    # These say nothing of transactions.
    test_too_large_for_the_producer = None
    test_tombstones_pass_and_empty_values_are_dead = None
    test_a_dead_letter_that_its_topic_refuses_for_its_size = None
    test_a_dead_letter_that_its_topic_refuses_for_its_age = None

    def pipeline(self, source, sink, **more):
        return super().pipeline(source, sink, **({"delivery": "exactly_once"} | more))

    def first_letters(self, dead):
        return records.read_all(self.bootstrap, dead)[0]

    def last_of_each(self, keys):
        self.assertEqual(len(set(keys)), len(keys), "duplicates")
        return keys


if __name__ == "__main__":
    unittest.main()
