"""`check --connect`: what the brokers know of a pipeline; and what `run` says of missing rights."""
import socket
import struct
import subprocess
import unittest

import records
from brokers import shared_folder, wait_until
from cases import BrokerCase, SecureCase
from confluent_kafka import Consumer
from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, AdminClient,
                                   ResourcePatternType, ResourceType)
from worker import check, debian_library, version

PARTITIONS = 4


class CheckTests(BrokerCase):
    """Brokers that check no rights."""

    def test_check_asks_the_brokers(self):
        source, sink = self.topic("in", PARTITIONS), records.new_name("out")
        code, complaints, _ = check(self.pipeline(source, sink))
        self.assertEqual(code, 65)
        self.assertEqual([c["message"] for c in complaints],
                         [f"topic '{sink}' does not exist; create it or correct its name"])
        records.create_topic(self.bootstrap, sink, PARTITIONS)
        code, complaints, told = check(self.pipeline(source, sink))
        self.assertEqual((code, complaints), (0, []))
        self.assertIn(f"'{source}' has {PARTITIONS} partitions", told)
        self.assertNotIn("rights", told)


class RightsTests(SecureCase):
    NEEDED = ["source topic", "group", "output topic", "dead-letter topic"]

    def complaint(self, row):
        return {
            "source topic": f"no right to read topic '{self.source}': the consumer's user needs"
                            " the operation Read on it",
            "group": f"no right to use group '{self.group}': the consumer's user needs the"
                     " operation Read on it",
            "output topic": f"no right to write topic '{self.sink}': the producer's user needs the"
                            " operation Write on it",
            "dead-letter topic": f"no right to write topic '{self.dead}': the producer's user"
                                 " needs the operation Write on it",
        }[row]

    def assert_missing(self, content, rows, hides=None):
        """`check` has these complaints and no others, and `run` ends with them; of the row that it
        hides it learns later."""
        expected = [self.complaint(row) for row in rows]

        def found():
            code, complaints, told = check(content, self.PASSWORD)
            messages = [c["message"] for c in complaints]
            return messages == expected and (code, {c["severity"] for c in complaints}, told)

        # A broker learns of an ACL some time after the command has ended.
        code, severities, told = wait_until(found, lambda: f"{check(content, self.PASSWORD)}", 20)
        self.assertEqual((code, severities), (65, {"error"}))
        self.assertNotIn("rights were not checked", told)
        worker = self.worker(content, environment=self.PASSWORD)
        self.assertEqual(worker.wait_exit(30), 65, worker.tail())
        ended = "; ".join(self.complaint(row) for row in rows if row != hides)
        self.assertEqual(worker.stderr.splitlines()[-1], f"millrace: {ended}")

    def test_each_missing_right_is_named(self):
        content = self.secure_pipeline(dead=self.dead)
        self.assert_missing(content, self.NEEDED)
        self.allow_describe()
        self.assert_missing(content, self.NEEDED, hides="group")
        for number, row in enumerate(self.NEEDED[:-1], 1):
            self.allow(row)
            self.assert_missing(content, self.NEEDED[number:], hides="group")
        self.allow(self.NEEDED[-1])
        _, _, told = wait_until(lambda: (found := check(content, self.PASSWORD))[:2] == (0, [])
                                and found, "no complaint", 20)
        self.assertNotIn("rights", told)
        self.stop(self.worker(content, environment=self.PASSWORD).wait_ready())

    def allow_describe(self):
        """The topics and the group may be seen, which is not enough for any of them."""
        places = [(ResourceType.TOPIC, name) for name in (self.source, self.sink, self.dead)]
        self.create_rules(AclOperation.DESCRIBE, [*places, (ResourceType.GROUP, self.group)])

    def create_rules(self, operation, places):
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        rules = [AclBinding(kind, name, ResourcePatternType.LITERAL, "User:worker", "*",
                            operation, AclPermissionType.ALLOW) for kind, name in places]
        for done in admin.create_acls(rules).values():
            done.result(60)

    def test_a_right_that_comes_late(self):
        self.allow(*self.NEEDED[1:])
        worker = self.worker(self.secure_pipeline(dead=self.dead), environment=self.PASSWORD)
        worker.wait_not_ready("no right to read topic")
        self.allow_reading()
        self.stop(worker.wait_ready(60))

    def test_a_group_that_may_only_be_described(self):
        """`run` learns of it when it joins, and goes on when the right is there."""
        self.allow("source topic", "output topic", "dead-letter topic")
        self.allow_describe()
        content = self.secure_pipeline(dead=self.dead)
        worker = self.worker(content, environment=self.PASSWORD)
        worker.wait_not_ready(f"input: {self.complaint('group')}", 60)
        self.allow("group")
        self.feed(self.source, self.PARTITIONS, 100)
        self.wait_no_lag(worker, self.source)
        self.stop(worker.wait_ready(60))

    def test_a_right_that_is_taken_away_and_given_back(self):
        content = self.secure_pipeline(dead=self.dead)
        self.allow(*self.NEEDED)
        wait_until(lambda: check(content, self.PASSWORD)[0] == 0, "no complaint", 20)
        worker = self.worker(content, environment=self.PASSWORD).wait_ready()
        self.feed(self.source, self.PARTITIONS, 100)
        self.take("source topic")
        worker.wait_not_ready(f"input: {self.complaint('source topic')}", 60)
        self.allow_reading()
        self.stop(worker.wait_ready(60))

    def allow_reading(self):
        """The source topic, by a client that need not start a Java machine first."""
        self.create_rules(AclOperation.READ, [(ResourceType.TOPIC, self.source)])

    def take(self, row):
        """The opposite of `allow`."""
        command = ["--remove" if word == "--add" else word for word in self.manual_commands()[row]]
        self.cluster.tool("acls", *command, "--force")

    def test_debians_librdkafka_says_that_it_cannot_ask(self):
        library = debian_library()
        if "librdkafka 2.0.2" not in version(library):
            self.skipTest("needs Debian's librdkafka 2.0.2")
        content = self.secure_pipeline("PLAIN", dead=self.dead)
        code, complaints, _ = check(content, self.PASSWORD | library)
        self.assertEqual((code, [c["message"] for c in complaints]),
                         (65, [self.complaint(row) for row in self.NEEDED]))
        self.allow_describe()
        self.allow("output topic")  # the producer's id needs the right to write anywhere
        code, complaints, told = wait_until(
            lambda: (found := check(content, self.PASSWORD | library))[0] == 0 and found,
            "no complaint", 20)
        self.assertEqual(complaints, [])
        self.assertIn("rights were not checked: librdkafka 2.0.2 cannot ask for them, 2.3.0 or"
                      " newer can", told)


class GroupTests(BrokerCase):
    """Groups that others are in already."""

    def setUp(self):
        super().setUp()
        self.source, self.sink = self.topic("in", PARTITIONS), self.topic("out", PARTITIONS)

    def found(self, **consumer):
        """The complaints as severity and message."""
        content = self.pipeline(self.source, self.sink, kafka={"consumer": consumer})
        return [(c["severity"], c["message"]) for c in check(content)[1]]

    def join(self, **config):
        """A consumer in the group, with partitions."""
        consumer = Consumer(records.QUIET | {
            "bootstrap.servers": self.bootstrap, "group.id": self.group} | config)
        self.addCleanup(consumer.close)
        consumer.subscribe([self.source])
        wait_until(lambda: consumer.poll(0.1) or consumer.assignment(), "an assignment", 60)

    def other_protocol(self, theirs, ours):
        return ("warning", f"group '{self.group}' has members of the {theirs} protocol,"
                f" group.protocol here is {ours}: it comes in only where the brokers'"
                " group.consumer.migration.policy lets groups change")

    def test_consumers_of_the_classic_protocol(self):
        self.join()
        self.assertEqual(self.found(), [])
        self.assertEqual(self.found(**{"group.protocol": "consumer"}),
                         [self.other_protocol("classic", "consumer")])

    def test_consumers_of_the_new_protocol(self):
        self.join(**{"group.protocol": "consumer"})
        self.assertEqual(self.found(**{"group.protocol": "consumer"}), [])
        self.assertEqual(self.found(), [self.other_protocol("consumer", "classic")])

    def test_workers_of_kafka_connect(self):
        member = ConnectMember(self.bootstrap, self.group)
        self.addCleanup(member.close)
        for consumer in ({}, {"group.protocol": "consumer"}):
            self.assertEqual(self.found(**consumer), [(
                "error", f"group '{self.group}' is in use by clients of the kind 'connect'; choose"
                " another name")])

    def test_a_share_group(self):
        if shared_folder() is None:
            self.skipTest("needs shared/kafka for a consumer of a share group")
        jars = shared_folder() / "kafka" / "lib" / "*"
        consumer = subprocess.Popen(
            ["java", "-Xmx128m", "-XX:+UseSerialGC", "-cp", jars,
             "org.apache.kafka.tools.consumer.ConsoleShareConsumer", "--bootstrap-server",
             self.bootstrap, "--topic", self.source, "--group", self.group],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(consumer.wait, 60)
        self.addCleanup(consumer.kill)
        expected = [("error", f"group '{self.group}' is none of consumers but of another kind,"
                     " such as a share group; choose another name")]
        wait_until(self.found, "a complaint", 60, every=0.5)
        for protocol in ({}, {"group.protocol": "consumer"}):
            self.assertEqual(self.found(**protocol), expected)


class ConnectMember:
    """A member of a group as Kafka Connect's workers are one: another type of protocol. No client
    library can say that, so it is written in the words of the wire."""
    FIND_COORDINATOR, JOIN_GROUP = 10, 11
    SESSION_MS = 60_000

    def __init__(self, bootstrap, group):
        host, port = bootstrap.split(",")[0].rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        # The brokers make their own topic for groups at the first question.
        wait_until(lambda: self._ask(self.FIND_COORDINATOR, 0, self._text(group))[:2] == bytes(2),
                   "a coordinator", 60, every=0.2)
        protocols = struct.pack(">i", 1) + self._text("default") + struct.pack(">i", 0)
        body = (self._text(group) + struct.pack(">ii", self.SESSION_MS, self.SESSION_MS)
                + self._text("") + self._text("connect") + protocols)
        # Version 3: the error follows 4 bytes of throttle time.
        wait_until(lambda: self._ask(self.JOIN_GROUP, 3, body)[4:6] == bytes(2), "joined", 60,
                   every=0.2)

    @staticmethod
    def _text(text):
        return struct.pack(">h", len(text)) + text.encode()

    def _ask(self, api, api_version, body):
        """Sends a request; its answer without the header."""
        request = struct.pack(">hhi", api, api_version, 0) + self._text("connect-1") + body
        self._socket.sendall(struct.pack(">i", len(request)) + request)
        return self._read(struct.unpack(">i", self._read(4))[0])[4:]

    def _read(self, count):
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise AssertionError("the broker has closed the connection")
            data += part
        return data

    def close(self):
        self._socket.close()


if __name__ == "__main__":
    unittest.main()
