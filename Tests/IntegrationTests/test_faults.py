"""The shortened fault matrix: rows of Tests/Faults as CI runs them; scripts/faults runs them in
full. The checker's own tests are in test_checker.py, the proxy's in test_proxy.py."""
import sys
import unittest

import brokers
from brokers import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "Tests" / "Faults"))

import rows  # noqa: E402
import rows_network  # noqa: E402
import rows_topics  # noqa: E402
from scenario import AT_LEAST_ONCE, EXACTLY_ONCE, Setting  # noqa: E402


class FaultTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if reason := brokers.own_cluster_missing():
            raise unittest.SkipTest(reason)

    def check(self, row, *arguments, delivery=EXACTLY_ONCE, protocol="range", records=3_000):
        result = row(Setting(delivery, protocol, records=records, changes=8, load_seconds=10),
                     *arguments)
        self.assertEqual(result.wrong, [], result)
        self.assertEqual(result.lost, 0)
        print(f"    {self.id().split('.', 1)[-1]}: {result.records} records, {result.faults}"
              f" faults, {result.duplicates} came twice", flush=True)

    def test_kill_9_of_workers_exactly_once(self):
        self.check(rows.matrix, "worker", "kill")

    def test_kill_9_of_workers_at_least_once(self):
        self.check(rows.matrix, "worker", "kill", delivery=AT_LEAST_ONCE)

    def test_frozen_workers_exactly_once(self):
        self.check(rows.zombie, protocol="cooperative")

    def test_kill_9_of_the_broker_exactly_once(self):
        self.check(rows.matrix, "broker", "kill", protocol="consumer")

    def test_kills_between_the_steps_of_a_commit(self):
        self.check(rows.steps)

    # A cut connection leaves rd_kafka_send_offsets_to_transaction waiting for ever (librdkafka #5456,
    # #5511): the worker ends with 75 and is started again.
    def test_a_network_that_is_cut_exactly_once(self):
        self.check(rows_network.network, ["cut"] * 5)

    def test_a_network_that_is_cut_at_least_once(self):
        self.check(rows_network.network, ["cut"] * 5, delivery=AT_LEAST_ONCE)

    def test_members_come_and_go(self):
        self.check(rows.storm, protocol="cooperative")

    def test_records_deleted_before_they_were_read(self):
        self.check(rows_topics.out_of_range_is_an_error, delivery=AT_LEAST_ONCE)

    def test_records_deleted_before_they_were_read_are_counted(self):
        self.check(rows_topics.out_of_range)


if __name__ == "__main__":
    unittest.main()
