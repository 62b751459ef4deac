"""The progress line of `run` on a terminal. Tests/CommandTests has what needs no broker."""
import json
import os
import pty
import re
import signal
import subprocess
import threading
import unittest

import bench_data
import records
from brokers import scratch, wait_until
from cases import BrokerCase
from worker import binary

PARTITIONS = 4
COUNT = 60_000
ERASING = "\r\x1b[K"
EVENT = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z (DEBUG|INFO |WARN |ERROR) \S.*")
SHARE = re.compile(r"(\d+) %  [\d.]+(?: k)? of 60 k records  [\d.]+(?: [kM])?/s  0 dead"
                   r"(?:  \d+ \w+(?: \d+ \w+)? left)?")
RATES = re.compile(r"[\d.]+(?: k)?/s in  [\d.]+(?: k)?/s out  0 dead  lag \d+  \S+ [KM]?i?B of "
                   r"\d+ MiB in flight")


class Watched:
    """A worker whose log is a terminal."""

    def __init__(self, content, *arguments):
        file = scratch() / f"{records.new_name('watched')}.yaml"
        file.write_text(json.dumps(content))
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [binary(), "run", file, *arguments], stdin=subprocess.DEVNULL, stderr=theirs,
            stdout=subprocess.PIPE, text=True, env=os.environ | {"TERM": "xterm"})
        os.close(theirs)
        self._seen = bytearray()
        self._reader = threading.Thread(target=self._read, args=(ours,))
        self._reader.start()

    def _read(self, ours):
        try:
            while data := os.read(ours, 65536):
                self._seen.extend(data)
        except OSError:
            pass  # the worker has ended
        os.close(ours)

    @property
    def seen(self):
        return self._seen.decode(errors="replace")

    def shown(self):
        """All that stood in the last line of the screen, in order."""
        return [p for p in re.split(r"\r\x1b\[K|\r\n", self.seen) if p and not EVENT.match(p)]

    def end(self):
        """Waits for the end: exit code, stdout and the lines that stay on the screen."""
        stdout = self.process.communicate(timeout=120)[0]
        self._reader.join()
        lines = [line.rsplit(ERASING, 1)[-1] for line in self.seen.split("\r\n")]
        return self.process.returncode, stdout, lines

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.end()


class ProgressTests(BrokerCase):
    def watched(self, content, *arguments):
        worker = Watched(content, *arguments)
        self.addCleanup(worker.close)
        return worker

    def assert_clean(self, lines):
        """What stays are whole log lines, and the cursor in an empty last one."""
        self.assertEqual(lines[-1], "")
        for line in lines[:-1]:
            self.assertRegex(line, re.compile(EVENT.pattern + r"\Z"))

    def test_a_run_with_an_end_tells_its_share(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        records.load(self.bootstrap, source, [
            records.numbered(n, bench_data.rows(), PARTITIONS) for n in range(COUNT)])
        # One record a batch: slow enough to be watched.
        content = self.pipeline(source, sink, batch={"max_records": 1}, lanes=1)
        worker = self.watched(content, "--until-end")
        code, stdout, lines = worker.end()
        self.assertEqual((code, stdout[:14]), (0, "records=60000 "), lines[-5:])
        shares = [int(m[1]) for m in map(SHARE.fullmatch, worker.shown()) if m]
        self.assertTrue(any(0 < share < 100 for share in shares), worker.shown())
        self.assertEqual(shares, sorted(shares))
        self.assertTrue(any(" left" in line for line in worker.shown()), worker.shown())
        self.tell(f"{len(shares)} lines, one of them: {worker.shown()[-2]}")
        self.assert_clean(lines)

    def test_a_service_tells_rates_and_lag(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        worker = self.watched(self.pipeline(source, sink))
        self.feed(source, PARTITIONS, 2_000)
        wait_until(lambda: any(map(RATES.fullmatch, worker.shown())),
                   lambda: worker.shown()[-5:])
        worker.process.send_signal(signal.SIGTERM)
        code, _, lines = worker.end()
        self.assertEqual(code, 0, lines[-5:])
        self.assert_clean(lines)


if __name__ == "__main__":
    unittest.main()
