"""The checker of Tests/Faults finds each planted fault, and nothing where there is none."""
import json
import pathlib
import subprocess
import sys

import records
from brokers import REPOSITORY, scratch
from cases import BrokerCase
from confluent_kafka import Consumer, Producer, TopicPartition
from records import Record, new_name

FAULTS = REPOSITORY / "Tests" / "Faults"
sys.path.insert(0, str(FAULTS))

import checker  # noqa: E402

PARTITIONS = 2
COUNT = 60


def scored(record, offset=None):
    """What a worker writes for a record."""
    value = record.value[:-1] + b',"score":0.%s}' % record.key.rjust(3, b"0")
    return Record(record.key, value, record.headers + [("millrace-model", b"m@1")],
                  record.timestamp, record.partition)


class CheckerTests(BrokerCase):
    def setUp(self):
        super().setUp()
        self.source, self.sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        self.dead = self.topic("dead", 1)
        self.input = [Record(
            b"%d" % n, b'{"amount":%d}' % n,
            [("origin", b"%s/%d/%d" % (self.source.encode(), n % 2, n // 2)), ("other", None)],
            1_700_000_000_000 + n, n % 2) for n in range(COUNT)]
        records.load(self.bootstrap, self.source, self.input)
        self.output = [scored(r) for r in self.input]

    def write(self, output, *, aborted=(), letters=()):
        """Each half of the output in a transaction, with an aborted one between them."""
        producer = Producer(records.QUIET | {
            "bootstrap.servers": self.bootstrap, "transactional.id": new_name("planted")})
        producer.init_transactions(60)
        middle = len(output) // 2
        parts = [(output[:middle], True), (aborted, False), (output[middle:], True)]
        for part, is_kept in parts:
            producer.begin_transaction()
            for record in part:
                records.put(producer, self.sink, record)
            if part is parts[0][0]:
                for letter in letters:
                    records.put(producer, self.dead, letter)
            producer.flush(60)
            producer.commit_transaction(60) if is_kept else producer.abort_transaction(60)

    def commit(self, offsets=None):
        consumer = Consumer(records.QUIET | {
            "bootstrap.servers": self.bootstrap, "group.id": self.group})
        places = offsets or [COUNT // 2] * PARTITIONS
        consumer.commit(offsets=[TopicPartition(self.source, p, o)
                                 for p, o in enumerate(places)], asynchronous=False)
        consumer.close()

    def arguments(self, delivery, *more):
        return ["--bootstrap", self.bootstrap, "--source", self.source, "--sink", self.sink,
                "--dead", self.dead, "--group", self.group, "--delivery", delivery,
                "--settle", "5", "--json", *map(str, more)]

    def check(self, *arguments, delivery="exactly_once"):
        """The report, without the start of a process for each."""
        options = checker.parser().parse_args(self.arguments(delivery, *arguments))
        done = checker.Check(options).run()
        if options.save:
            done.save(options.save)
        return done.report()

    def check_by_command(self):
        done = subprocess.run(
            [sys.executable, FAULTS / "checker.py", *self.arguments("exactly_once")],
            capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if report["faults"] else 0)
        return report

    def assert_found(self, report, **counts):
        """Exactly these kinds, so often each."""
        self.assertEqual({k: n for k, n in report["counts"].items() if n}, counts, report)

    def letter(self, record, offset):
        return Record(record.key, record.value, record.headers + [
            ("millrace-error-topic", self.source.encode()),
            ("millrace-error-partition", b"%d" % record.partition),
            ("millrace-error-offset", b"%d" % offset)], record.timestamp, 0)

    def test_nothing_is_found_in_a_clean_run(self):
        self.write(self.output[1:], aborted=self.output[30:50],
                   letters=[self.letter(self.input[0], 0)])
        self.commit()
        report = self.check_by_command()
        self.assert_found(report)
        self.assertEqual(report["faults"], [])
        self.assertEqual(report["figures"], {"records": COUNT, "scored": COUNT - 1, "dead": 1,
                                             "aborted": 20})

    def test_a_loss(self):
        self.write(self.output[:20] + self.output[21:])
        self.commit()
        self.assert_found(self.check_by_command(), lost=1, beyond=1)

    def test_a_loss_that_the_group_has_not_passed_is_none_yet_in_a_running_group(self):
        self.write(self.output[:20])
        self.commit([10, 10])
        self.assert_found(self.check("--running"))
        self.assert_found(self.check(), lost=COUNT - 20, behind=PARTITIONS)

    def test_a_duplicate(self):
        self.write(self.output[:21] + self.output[20:])
        self.commit()
        report = self.check()
        self.assert_found(report, duplicates=1)
        self.assertEqual(report["faults"], ["duplicates"])
        self.assertEqual(self.check(delivery="at_least_once")["faults"], [])
        for most, faults in ("1", []), ("0", ["duplicates"]):
            report = self.check("--max-duplicates", most, delivery="at_least_once")
            self.assertEqual(report["faults"], faults)

    def test_a_record_that_is_a_dead_letter_as_well(self):
        self.write(self.output, letters=[self.letter(self.input[4], 2)])
        self.commit()
        self.assert_found(self.check(), duplicates=1)

    def test_two_that_changed_places(self):
        self.output[20], self.output[22] = self.output[22], self.output[20]
        self.write(self.output)
        self.commit()
        self.assert_found(self.check(), order=1)
        self.assert_found(self.check(delivery="at_least_once"), order=1)

    def test_a_replay_is_no_break_of_order_at_least_once(self):
        self.write(self.output[:30] + self.output[20:])
        self.commit()
        self.assert_found(self.check(delivery="at_least_once"), duplicates=10)
        self.assert_found(self.check(), duplicates=10, order=8)

    def test_a_wrong_value_and_a_wrong_key(self):
        self.output[3].value = self.output[3].value.replace(b"amount", b"amounT")
        self.output[5].key = b"other"
        self.output[8].headers = self.output[8].headers[:1]
        self.output[9].partition = 0
        self.write(self.output)
        self.commit()
        self.assert_found(self.check(), changed=4)

    def test_another_prediction_for_the_same_value(self):
        source = self.topic("in", 1)
        same = [Record(b"k", b'{"amount":1}', [("origin", b"%s/0/%d" % (source.encode(), n))], None,
                       0) for n in range(3)]
        self.source = source
        records.load(self.bootstrap, source, same)
        sent = [m for m in records.read_all(self.bootstrap, source)[0]]
        output = [Record(r.key, r.value[:-1] + b',"score":0.%d}' % (5 + (n == 2)), r.headers,
                         r.timestamp, 0) for n, r in enumerate(sent)]
        self.write(output)
        self.commit([3])
        self.assert_found(self.check(), changed=1)

    def test_a_letter_that_says_a_wrong_place(self):
        self.write(self.output[1:], letters=[self.letter(self.input[0], 1)])
        self.commit()
        self.assert_found(self.check(), changed=1)

    def test_an_offset_too_far(self):
        self.write(self.output)
        self.commit([COUNT // 2 + 1, COUNT // 2])
        self.assert_found(self.check(), beyond=1)

    def test_an_offset_left_behind(self):
        self.write(self.output)
        self.commit([COUNT // 2, COUNT // 2 - 1])
        self.assert_found(self.check(), behind=1)

    def test_a_record_of_no_input(self):
        stranger = Record(b"x", b"{}", [("origin", b"%s/0/99" % self.source.encode())], None, 0)
        self.write([*self.output, stranger, Record(b"y", b"{}", [], None, 0)])
        self.commit()
        self.assert_found(self.check(), unknown=2)

    def test_an_aborted_record_that_a_reader_saw(self):
        """A reader of all that is written stands for a broken reader of what is committed."""
        self.write(self.output, aborted=self.output[30:50])
        self.commit()
        for isolation, found in ("read_committed", {}), ("read_uncommitted", {"phantom": 20}):
            log = scratch() / f"{self.sink}.log"
            reader = subprocess.Popen(
                [sys.executable, FAULTS / "reader.py", "--bootstrap", self.bootstrap, "--topic",
                 self.sink, "--log", log, "--isolation", isolation], stdout=subprocess.PIPE)
            self.addCleanup(reader.kill)
            with reader.stdout:
                self.assertEqual(reader.stdout.readline(), b"reading\n")
            reader.terminate()
            self.assertEqual(reader.wait(60), 0)
            self.assert_found(self.check("--reader", log), **found)
        lines = log.read_text().splitlines()
        kept = [line for line in lines if int(line.split()[1]) < 5]
        log.write_text("\n".join([*kept, kept[0]]) + "\n")
        self.assertIn("missed", self.check("--reader", log)["faults"])

    def test_a_transaction_left_open(self):
        self.write(self.output)
        self.commit()
        producer = Producer(records.QUIET | {
            "bootstrap.servers": self.bootstrap, "transactional.id": new_name("open")})
        producer.init_transactions(60)
        producer.begin_transaction()
        records.put(producer, self.sink, self.output[0])
        producer.flush(60)
        report = self.check()
        producer.abort_transaction(60)
        self.assert_found(report, open=1)

    def test_a_check_from_where_another_ended(self):
        state = pathlib.Path(scratch() / f"{self.sink}.json")
        self.write(self.output)
        self.commit()
        self.assert_found(self.check("--save", state))
        more = [Record(b"%d" % n, b'{"amount":%d}' % n, [
            ("origin", b"%s/%d/%d" % (self.source.encode(), n % 2, n // 2))], 1_700_000_000_000,
            n % 2) for n in range(COUNT, COUNT + 4)]
        records.load(self.bootstrap, self.source, more)
        self.write([scored(r) for r in more] + [self.output[7]])
        self.commit([COUNT // 2 + 2] * 2)
        report = self.check("--start", state, "--save", state)
        self.assert_found(report, duplicates=1)
        self.assertEqual(report["figures"]["records"], 4)
        self.assertEqual(self.check("--start", state)["figures"]["records"], 0)
