"""`score` over lines is what `run` makes of the same records."""
import json
import os
import subprocess
import unittest

import bench_data
import records
from cases import BrokerCase
from records import Record
from worker import binary

BROKEN = [b"{", b"oops", b'{"amount":"text"}', b'{"amount":1}', b"[]", b"\xff", b"{}\t", b"1e",
          b'{"amount":1e999}', b'{"a":"\\u12"}', b'{"a":"\x01"}']
EVERY = 100


class ScoreTests(BrokerCase):
    def test_lines_come_out_as_records_do(self):
        rows = bench_data.rows()[:20_000]
        for number, place in enumerate(range(7, len(rows), EVERY)):
            rows.insert(place, BROKEN[number % len(BROKEN)])
        source, sink, dead = self.topic("in", 1), self.topic("out", 1), self.topic("dead", 1)
        records.load(self.bootstrap, source, [Record(None, row, [], 1, 0) for row in rows])
        worker = self.worker(self.pipeline(source, sink, dead=dead), "--until-end")
        self.assertEqual(worker.wait_exit(300), 0, worker.tail())

        letters = worker.folder / "dead.jsonl"
        scored = subprocess.run(
            [binary(), "score", "--strict", "--lanes", "3", "--dead", letters, worker.file],
            input=b"\n".join(rows), capture_output=True, timeout=300, env=os.environ)
        self.assertEqual(scored.returncode, 65, scored.stderr[-500:])
        [output] = records.read_all(self.bootstrap, sink)
        self.assertTrue(scored.stdout.splitlines() == [one.value for one in output],
                        "the lines are not the records of the topic")

        [expected] = records.read_all(self.bootstrap, dead)
        found = [json.loads(line) for line in letters.read_text().splitlines()]
        self.assertEqual(
            [(one["line"] - 1, one["class"], one["message"]) for one in found],
            [(int(one.header("millrace-error-offset")), one.header("millrace-error-class"),
              one.header("millrace-error-message")) for one in expected])
        self.assertEqual({one.get("value", "").encode() for one in found} - {b""},
                         {one.value for one in expected} - {b"\xff"})
        self.tell(scored.stderr.decode().splitlines()[-1])


if __name__ == "__main__":
    unittest.main()
