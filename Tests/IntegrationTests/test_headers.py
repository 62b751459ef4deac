"""What other systems put into headers reaches those who read the output."""
import unittest

import bench_data
import records
from cases import BrokerCase
from records import Record

PARTITIONS = 2
COUNT = 200
BAD_EVERY = 10


def trace_headers(number):
    """W3C Trace Context, level 1: another trace for each record, in the record's own order."""
    return [("traceparent", b"00-%032x-%016x-01" % (number + 1, number + 7)),
            ("tracestate", b"rojo=%016x,congo=t61rcWkgMzE" % number), ("baggage", b"user=%d" % number)]


class TraceHeaderTests(BrokerCase):
    def test_traceparent_and_tracestate_go_through_untouched(self):
        source, sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)
        dead = self.topic("dead", 1)
        rows = bench_data.rows()
        sent = [Record(b"%d" % n, rows[n] if n % BAD_EVERY else b"oops", trace_headers(n), None,
                       n % PARTITIONS) for n in range(COUNT)]
        records.load(self.bootstrap, source, sent)
        worker = self.worker(self.pipeline(source, sink, dead=dead), "--until-end")
        self.assertEqual(worker.wait_exit(), 0, worker.tail())
        for topic, is_bad in ((sink, False), (dead, True)):
            found = [r for part in records.read_all(self.bootstrap, topic) for r in part]
            want = [n for n in range(COUNT) if (n % BAD_EVERY == 0) == is_bad]
            self.assertEqual(sorted(int(r.key) for r in found), want)
            for record in found:
                expected = trace_headers(int(record.key))
                # Ours come behind them, and none of ours has the name of one of them.
                self.assertEqual(record.headers[:len(expected)], expected)
                self.assertTrue(all(name.startswith("millrace-")
                                    for name, _ in record.headers[len(expected):]), record.headers)


if __name__ == "__main__":
    unittest.main()
