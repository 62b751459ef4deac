"""The proxy of Tests/Faults does what it is told, before an echoing server."""
import socket
import struct
import sys
import threading
import time
import unittest

from brokers import REPOSITORY, wait_until

sys.path.insert(0, str(REPOSITORY / "Tests" / "Faults"))

from proxy import Proxy  # noqa: E402

SOON = 0.2


class ProxyTests(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        threading.Thread(target=self.serve, daemon=True).start()
        self.proxy = Proxy()
        self.addCleanup(self.proxy.close)
        self.proxy.start(f"127.0.0.1:{self.server.getsockname()[1]}")
        self.received = b""

    def serve(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.echo, args=(client,), daemon=True).start()

    def echo(self, client):
        with client:
            try:
                while data := client.recv(65536):
                    self.received += data
                    client.sendall(data)
            except OSError:
                return

    def client(self):
        made = socket.create_connection(("127.0.0.1", self.proxy.port), 10)
        self.addCleanup(made.close)
        return made

    def read(self, client, count, seconds=10):
        client.settimeout(seconds)
        found = b""
        try:
            while len(found) < count and (data := client.recv(count - len(found))):
                found += data
        except TimeoutError:
            pass
        return found

    def is_reset(self, client):
        client.settimeout(10)
        try:
            return client.recv(1) == b""
        except ConnectionResetError:
            return True

    @staticmethod
    def request(key, body):
        return struct.pack(">ih", 2 + len(body), key) + body

    def test_bytes_pass_both_ways(self):
        client = self.client()
        sent = self.request(3, bytes(200_000))
        client.sendall(sent)
        self.assertEqual(self.read(client, len(sent)), sent)
        self.assertEqual(self.proxy.tell("connections"), 1)

    def test_stall_holds_and_pass_lets_go(self):
        client, sent = self.client(), self.request(3, b"abc")
        for way, reaches in ("up", False), ("down", True):
            self.received = b""
            self.proxy.tell(f"stall {way}")
            client.sendall(sent)
            self.assertEqual(self.read(client, 1, SOON), b"")
            self.assertEqual(self.received == sent, reaches)
            self.proxy.tell("pass")
            self.assertEqual(self.read(client, len(sent)), sent)

    def test_drop_swallows_one_direction(self):
        client, sent = self.client(), self.request(3, b"abc")
        self.proxy.tell("drop down")
        client.sendall(sent)
        wait_until(lambda: self.received == sent, "the request at the server", 10)
        self.assertEqual(self.read(client, 1, SOON), b"")
        self.proxy.tell("pass")
        client.sendall(sent)
        self.assertEqual(self.read(client, 2 * len(sent), SOON), sent)

    def test_dribble_and_delay_take_their_time(self):
        client, sent = self.client(), self.request(3, b"x" * 94)
        for command, least in ("dribble 2", 0.2), ("delay 150", 0.3):
            self.proxy.tell(command)
            begun = time.monotonic()
            client.sendall(sent)
            self.assertEqual(self.read(client, len(sent)), sent)
            self.assertGreaterEqual(time.monotonic() - begun, least, command)
            self.proxy.tell("pass")

    def test_cut_resets_and_refuse_stays(self):
        client = self.client()
        client.sendall(self.request(3, b"abc"))
        self.read(client, 9)
        self.proxy.tell("cut")
        self.assertTrue(self.is_reset(client))
        again = self.client()
        again.sendall(self.request(3, b"abc"))
        self.assertEqual(len(self.read(again, 9)), 9)
        self.proxy.tell("refuse")
        self.assertTrue(self.is_reset(again))
        self.assertTrue(self.is_reset(self.client()))
        self.proxy.tell("pass")
        client = self.client()
        client.sendall(self.request(3, b"abc"))
        self.assertEqual(len(self.read(client, 9)), 9)

    def test_a_trap_holds_the_one_request_that_it_is_set_for(self):
        other, wanted = self.request(3, b"abc"), self.request(26, b"end")
        for moment, reaches in ("before", False), ("after", True):
            client, free = self.client(), self.client()
            self.received = b""
            self.proxy.tell(f"trap 26 {moment}")
            client.sendall(other)
            self.assertEqual(self.read(client, len(other)), other)
            client.sendall(wanted)
            wait_until(lambda: self.proxy.tell("trapped") == 1, "the trap", 10)
            if reaches:
                wait_until(lambda: wanted in self.received, "the request at the server", 10)
            self.assertEqual(self.read(client, 1, SOON), b"")
            self.assertEqual(wanted in self.received, reaches)
            free.sendall(wanted)
            self.assertEqual(self.read(free, len(wanted)), wanted)
            self.proxy.tell("pass")
            self.assertEqual(self.read(client, len(wanted)), wanted)
            self.assertEqual(self.proxy.tell("trapped"), 0)

    def test_a_wrong_command_is_told(self):
        with self.assertRaisesRegex(AssertionError, "unknown"):
            self.proxy.tell("explode")


if __name__ == "__main__":
    unittest.main()
