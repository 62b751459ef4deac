"""An engine that hangs on one record, or is killed by it: the worker ends, says why, and finds the
record."""
import signal
import time
import unittest

import records
from brokers import REPOSITORY
from cases import SHORT_SESSION, BrokerCase
from records import Record

RECORDS = 200
CULPRIT = 77
SLOTS_START = 64 << 10
# As often as the largest number of the record says, the model turns it around.
MODEL = REPOSITORY / "Tests" / "Fixtures" / "onnx" / "hostile" / "hanging.onnx"
ENDED_BY_SIGNAL = -signal.SIGSEGV


class HangingEngineCase(BrokerCase):
    def setUp(self):
        super().setUp()
        self.source, self.sink, self.dead = \
            self.topic("in", 1), self.topic("out", 1), self.topic("dead", 1)
        self.journal = REPOSITORY / ".build" / f"{self.group}.journal"
        self.addCleanup(self.journal.unlink, missing_ok=True)
        sent = [Record(b"%d" % n, b'{"a":%s,"b":0}' % (b"1e18" if n == CULPRIT else b"%d" % n), [],
                       None, 0) for n in range(RECORDS)]
        records.load(self.bootstrap, self.source, sent)

    def content(self, **more):
        content = self.pipeline(self.source, self.sink, dead=self.dead,
                                kafka={"consumer": SHORT_SESSION}, **more)
        content["model"] = {"file": str(MODEL), "inputs": {"x": ["/a", "/b"]}}
        content["append"] = {"y": "y"}
        return content

    def noted(self):
        """What the journal says of the call that runs; empty while none does."""
        if not self.journal.exists():
            return b""
        slot = self.journal.read_bytes()[SLOTS_START:].partition(b"\n")[0]
        return slot.strip(b"\0").removeprefix(b"-")

    def is_stuck(self):
        """Whether one call has run for a second."""
        noted = self.noted()
        time.sleep(1)
        return noted and noted == self.noted()

    def assert_only_the_culprit_is_dead(self):
        letters = records.read_all(self.bootstrap, self.dead)[0]
        self.assertEqual([(r.key, r.header("millrace-error-class")) for r in letters],
                         [(b"%d" % CULPRIT, "inference")])
        scored = [int(r.key) for r in records.read_all(self.bootstrap, self.sink)[0]]
        self.assertEqual(set(scored), set(range(RECORDS)) - {CULPRIT})
        self.assertEqual(self.watcher.lag(self.group, self.source), 0)


class HangTests(HangingEngineCase):
    def test_readiness_tells_and_the_process_ends(self):
        worker = self.worker(self.content(inference_timeout="6s"))
        worker.wait_not_ready("a call of the model has taken")
        self.assertEqual(worker.get("/livez")[0], 200)
        self.assertEqual(worker.wait_exit(), 75, worker.tail())
        self.assertIn("longer than 6s (inference_timeout)", worker.stderr)

    def test_the_record_becomes_a_dead_letter_after_three_ends(self):
        content = self.content(inference_timeout="2s", crash_journal=str(self.journal))
        for _ in range(3):
            worker = self.worker(content, "--until-end")
            self.assertEqual(worker.wait_exit(), 75, worker.tail())
        worker = self.worker(content, "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        self.assertIn("a record has ended the process again and again", worker.stderr)
        self.assert_only_the_culprit_is_dead()


class CrashTests(HangingEngineCase):
    def test_the_record_becomes_a_dead_letter_after_three_crashes(self):
        """The signal of a bad pointer, during the call, stands for the engine's own crash."""
        content = self.content(inference_timeout="1h", crash_journal=str(self.journal))
        for _ in range(3):
            worker = self.worker(content, "--until-end")
            worker.wait_for(self.is_stuck, "a call that does not end")
            worker.process.send_signal(signal.SIGSEGV)
            self.assertEqual(worker.wait_exit(), ENDED_BY_SIGNAL, worker.tail())
        worker = self.worker(content, "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        self.assert_only_the_culprit_is_dead()


if __name__ == "__main__":
    unittest.main()
