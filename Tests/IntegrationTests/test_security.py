"""TLS and SASL through the pass-through: every way to log in, what is said where it fails, and what
mends it. See docs/security.md."""
import contextlib
import os
import pathlib
import unittest

import bench_data
import brokers
import records
import secure
from cases import BrokerCase
from confluent_kafka.admin import AclOperation, ResourceType
from worker import check, pipeline

WAYS = ["TLS", "mTLS", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
PASSWORDS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
FAULTS = {"expired": "the broker's certificate has expired",
          "wrong host": "the broker's certificate is for another host",
          "unknown CA": "is of an authority that is not in ssl.ca.location"}
WRONG = "wr0ng-password"
KEY_PASSWORD = "k3y-password"
COUNT = 100


class Pipeline:
    """Topics, group, rights and secret file of one worker."""

    def __init__(self, case, way, **more):
        self.case, self.way, self.cluster, self.more = case, way, case.cluster, more
        self.listener = {
            "TLS": "TLS", "mTLS": "MTLS", "OAUTHBEARER": "OAUTH"}.get(way, "SECURE")
        self.source, self.sink, self.dead = (case.topic(w, 1) for w in ("in", "out", "dead"))
        self.group = records.new_name("group")
        self.rights = self.cluster.rights(self.source, self.sink, self.dead, self.group)
        self.cluster.allow(*self.rights.values())
        self.file = secure.brokers.scratch() / f"{self.group}.secret"
        self.sent = 0
        self.worker = None

    def write(self, secret):
        self.file.write_text(secret + "\n")
        self.file.chmod(0o600)
        return self

    def content(self, **changes):
        own = {
            "TLS": lambda: {}, "mTLS": self._certificate, "OAUTHBEARER": self._token,
        }.get(self.way, self._password)()
        kafka = {
            "security.protocol": "ssl" if self.way.endswith("TLS") else "sasl_ssl",
            "ssl.ca.location": str(self.cluster.certificate), "reconnect.backoff.max.ms": "500",
            "consumer": {"session.timeout.ms": "6000"}} | own
        return pipeline(self.cluster.at[self.listener], self.source, self.sink, group=self.group,
                        dead=self.dead, kafka=kafka | changes, **self.more)

    def _certificate(self):
        signed = self.cluster.client_certificate
        return {"ssl.certificate.location": str(signed.with_suffix(".crt")),
                "ssl.key.location": str(signed.with_suffix(".key")),
                "ssl.key.password": KEY_PASSWORD}

    def _password(self):
        if not self.file.exists():
            self.write(self.cluster.PASSWORD)
        return {"sasl.mechanisms": self.way, "sasl.username": "worker",
                "sasl.password": {"file": str(self.file)}}

    def _token(self):
        if not self.file.exists():
            self.write(self.cluster.tokens.SECRET)
        return {"sasl.mechanisms": "OAUTHBEARER", "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.client.id": self.cluster.tokens.CLIENT,
                "sasl.oauthbearer.client.secret": {"file": str(self.file)},
                "sasl.oauthbearer.token.endpoint.url": self.cluster.tokens.url}

    def start(self, **changes):
        self.worker = self.case.worker(self.content(**changes))
        return self

    def send(self, count=COUNT):
        rows = bench_data.rows()
        records.load(self.cluster.bootstrap, self.source, [
            records.numbered(n, rows, 1) for n in range(self.sent, self.sent + count)])
        self.sent += count

    def finish(self, may_repeat=False):
        """Everything has come through, and no secret has come out."""
        self.worker.wait_ready(60)
        self.case.wait_no_lag(self, 60)
        self.case.assert_secret_free(self.worker)
        self.case.stop(self.worker)
        repeated = self.case.assert_numbered(self.sink, self.sent, 1)
        if not may_repeat:
            self.case.assertEqual(repeated, 0)
        self.case.assert_secret_free(self.worker)


class SecurityCase(BrokerCase):
    cluster_name = "secure"

    def setUp(self):
        cluster = secure.secure_cluster()
        super().setUp()
        if not hasattr(cluster, "client_certificate"):
            cluster.client_certificate = cluster.authority.sign(
                "worker", "worker", password=KEY_PASSWORD)
        self.secrets = [cluster.PASSWORD, WRONG, KEY_PASSWORD, cluster.tokens.SECRET]

    def wait_no_lag(self, lane, seconds):
        lane.worker.wait_for(lambda: self.watcher.lag(lane.group, lane.source) == 0, "no lag",
                             seconds)

    def assert_secret_free(self, worker):
        said = {"log": worker.stderr, "stdout": worker.stdout}
        if worker.is_running:
            said |= {path: worker.get(path)[1] for path in ("/readyz", "/status.json", "/metrics")}
        for place, text in said.items():
            for secret in [*self.secrets, *self.cluster.tokens.given, "PRIVATE KEY"]:
                self.assertNotIn(secret, text, place)

    def lanes(self, ways):
        return [Pipeline(self, way) for way in ways]

    def assert_refused(self, lane, text, seconds=30):
        """Not ready, with these words in /readyz and in the log, and no secret anywhere."""
        said = lane.worker.wait_not_ready(text, seconds)
        lane.worker.wait_for(
            lambda: any(text in " ".join(e.values()) for e in lane.worker.log()
                        if e["level"] in ("warning", "error")), f"'{text}' in the log", 10)
        self.assert_secret_free(lane.worker)
        return said


class WayTests(SecurityCase):
    def test_every_way_to_log_in(self):
        lanes = self.lanes(WAYS)
        for lane in lanes:
            lane.start().send()
        for lane in lanes:
            lane.finish()

    def assert_broker_refused(self, certificates):
        """No worker talks to the broker, and each goes on once it shows another certificate."""
        lanes = self.lanes(WAYS)
        with contextlib.ExitStack() as stack:
            stack.callback(self.cluster.show, "right")
            self.cluster.show(certificates)
            for lane in lanes:
                lane.start().send()
            for lane in lanes:
                self.assert_refused(lane, FAULTS[certificates[lane.listener]])
        for lane in lanes:
            lane.finish()

    def test_certificates_of_brokers(self):
        """Each fault on a listener; all faults on all of them: EveryCertificateTests."""
        self.assert_broker_refused({"TLS": "expired", "MTLS": "wrong host",
                                    "SECURE": "unknown CA", "OAUTH": "expired"})

    def test_a_certificate_that_expires_while_it_runs(self):
        lanes = self.lanes(WAYS)
        for lane in lanes:
            lane.start().send()
        for lane in lanes:
            lane.worker.wait_ready()
        with contextlib.ExitStack() as stack:
            stack.callback(self.cluster.show, "right")
            self.cluster.show("expired")
            self.cluster.cut()
            for lane in lanes:
                for client in ("input", "output"):
                    self.assert_refused(lane, f"{client}: no broker answers: ")
                self.assert_refused(lane, FAULTS["expired"])
        for lane in lanes:
            lane.send()
            lane.finish(may_repeat=True)

    def test_a_crash_leaves_no_image_of_the_memory(self):
        worker = Pipeline(self, "TLS").start().worker.wait_ready()
        limits = pathlib.Path(f"/proc/{worker.process.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 ")
        self.stop(worker)


@unittest.skipUnless(os.environ.get("MILLRACE_LONG_TESTS"),
                     "takes long; MILLRACE_LONG_TESTS=1 runs it")
class EveryCertificateTests(WayTests):
    """Each fault of a broker's certificate with every way to log in."""

    def test_certificates_of_brokers(self):
        for fault in FAULTS:
            with self.subTest(fault):
                self.assert_broker_refused(dict.fromkeys(secure.SASL, fault))

    test_every_way_to_log_in = None
    test_a_certificate_that_expires_while_it_runs = None
    test_a_crash_leaves_no_image_of_the_memory = None


class PasswordTests(SecurityCase):
    REFUSED = "SASL authentication error: Authentication failed"

    def test_a_wrong_password_is_mended_in_its_file(self):
        lanes = self.lanes(PASSWORDS)
        for lane in lanes:
            lane.write(WRONG).start().send()
        for lane in lanes:
            self.assert_refused(lane, self.REFUSED)
            code, complaints, _ = check(lane.content())
            self.assertEqual(code, 65)
            self.assertIn(self.REFUSED, complaints[0]["message"])
            self.assertNotIn(WRONG, str(complaints))
        for lane in lanes:
            lane.write(self.cluster.PASSWORD)
        for lane in lanes:
            lane.finish()

    def test_a_password_that_changes_while_it_runs(self):
        fresh = "fr3sh-password"
        self.secrets.append(fresh)
        lanes = self.lanes(["SCRAM-SHA-256", "SCRAM-SHA-512"])
        for lane in lanes:
            lane.start().send()
        for lane in lanes:
            lane.worker.wait_ready()
        self.addCleanup(self.cluster.set_scram, self.cluster.PASSWORD)
        self.cluster.set_scram(fresh)
        for lane in lanes:
            for client in ("input", "output"):
                self.assert_refused(lane, f"{client}: no broker answers: sasl_ssl://")
            self.assert_refused(lane, self.REFUSED)
            lane.send()
        for lane in lanes:
            lane.write(fresh)
        for lane in lanes:
            lane.finish(may_repeat=True)

    def test_a_file_that_changes_while_it_runs(self):
        """Brokers read the passwords of PLAIN at their start; so the file is wrong for a time."""
        lane = Pipeline(self, "PLAIN").start()
        lane.send()
        lane.worker.wait_ready()
        lane.write(WRONG)
        self.cluster.cut()
        self.assert_refused(lane, self.REFUSED)
        self.assertIn("login changed", lane.worker.stderr)
        lane.send()
        lane.write(self.cluster.PASSWORD).finish(may_repeat=True)


class TokenTests(SecurityCase):
    """OAUTHBEARER with tokens of a server of our own, which repeats the secret where it refuses."""

    def setUp(self):
        super().setUp()
        self.tokens = self.cluster.tokens
        self.addCleanup(setattr, self.tokens, "secret", self.tokens.SECRET)
        self.addCleanup(setattr, self.tokens, "life_s", self.tokens.life_s)

    def test_what_the_token_server_refuses(self):
        """The secret is wrong; then the server takes it."""
        lane = Pipeline(self, "OAUTHBEARER").write(WRONG).start()
        lane.send()
        refused = "failed to acquire SASL OAUTHBEARER token"
        self.assert_refused(lane, refused)
        # The file counts from the next start on: only the questions before the start have it now.
        lane.write(self.tokens.SECRET)
        self.assert_refused(lane, f"input: no broker answers: {refused}")
        self.tokens.secret = WRONG
        lane.finish()

    def test_a_token_server_that_is_not_there(self):
        port = brokers.free_ports(1)[0]
        lane = Pipeline(self, "OAUTHBEARER").start(**{
            "sasl.oauthbearer.token.endpoint.url": f"http://127.0.0.1:{port}/token"})
        self.assert_refused(lane, "failed to acquire SASL OAUTHBEARER token")

    def test_a_token_that_is_not_renewed(self):
        self.tokens.life_s = 6
        lane = Pipeline(self, "OAUTHBEARER").start()
        lane.send()
        lane.worker.wait_ready()
        self.wait_no_lag(lane, 60)
        self.tokens.secret = "changed-secret"
        self.assert_refused(lane, "no broker answers")
        lane.send()
        self.tokens.secret = self.tokens.SECRET
        lane.finish()


class CertificateTests(SecurityCase):
    def test_clients_that_the_broker_does_not_know(self):
        """Certificates that are replaced on disk count from the next start on."""
        for name, authority, days, alert in (
                ("expired", self.cluster.authority, -1, "alert certificate unknown"),
                ("unknown", self.cluster.stranger, 30, "alert bad certificate")):
            signed = authority.sign(name, "worker", days=days)
            lane = Pipeline(self, "mTLS").start(**{
                "ssl.certificate.location": str(signed.with_suffix(".crt")),
                "ssl.key.location": str(signed.with_suffix(".key"))})
            self.assert_refused(lane, alert)
            self.stop(lane.worker)
            lane.send()
            lane.start().finish()

    def test_a_wrong_password_of_the_key(self):
        lane = Pipeline(self, "mTLS")
        code, complaints, _ = check(lane.content(**{"ssl.key.password": WRONG}))
        self.assertEqual((code, [c["message"] for c in complaints]), (65, [
            "ssl.key.location failed: error:0A080009:SSL routines::PEM lib"]))

    def test_an_authority_that_the_worker_does_not_know(self):
        """Its own file is wrong: the brokers' authority is not in it."""
        file = secure.brokers.scratch() / "ca.pem"
        file.write_bytes(self.cluster.stranger.certificate.read_bytes())
        lane = Pipeline(self, "SCRAM-SHA-512").start(**{"ssl.ca.location": str(file)})
        lane.send()
        self.assert_refused(lane, FAULTS["unknown CA"])
        self.stop(lane.worker)
        file.write_bytes(self.cluster.authority.certificate.read_bytes())
        lane.start(**{"ssl.ca.location": str(file)}).finish()


class RuntimeRightsTests(SecurityCase):
    """Rights that are taken away while records flow. Those of the source topic and at the start:
    test_check.py."""

    def lose(self, lane, name, text):
        """Takes the right away, waits for the words, gives it back."""
        self.cluster.deny(lane.rights[name])
        self.send_both(lane)
        self.assert_refused(lane, text)
        self.cluster.allow(lane.rights[name])
        lane.worker.wait_ready(60)
        self.wait_no_lag(lane, 60)

    def send_both(self, lane):
        """Good records, and one that is a dead letter."""
        lane.send(10)
        records.load(self.cluster.bootstrap, lane.source, [
            records.Record(b"bad", b"{", [], None, 0)])

    def test_rights_that_are_taken_away(self):
        lane = Pipeline(self, "SCRAM-SHA-512").start()
        lane.worker.wait_ready()
        self.lose(lane, "output", f"no right to write topic '{lane.sink}'")
        self.lose(lane, "dead letters", f"'{lane.dead}': the producer's user needs")
        self.lose(lane, "group", f"no right to use group '{lane.group}'")
        self.stop(lane.worker)
        dead = records.read_all(self.bootstrap, lane.dead)[0]
        self.assertEqual(len({letter.header("millrace-error-offset") for letter in dead}), 3)
        self.assert_numbered(lane.sink, lane.sent, 1)

    def test_the_right_to_the_transactional_id(self):
        instance = records.new_name("instance")
        lane = Pipeline(self, "SCRAM-SHA-512", delivery="exactly_once", instance=instance)
        lane.rights["transactional id"] = self.cluster.rule(
            AclOperation.WRITE, ResourceType.TRANSACTIONAL_ID, f"test-{instance}")
        lane.start().send()
        missing = f"no right to use the transactional id 'test-{instance}'"
        self.assert_refused(lane, missing)
        self.cluster.allow(lane.rights["transactional id"])
        lane.worker.wait_ready(60)
        self.wait_no_lag(lane, 60)
        self.lose(lane, "transactional id", missing)
        self.stop(lane.worker)
        self.assertEqual(self.assert_numbered(lane.sink, lane.sent, 1), 0, "records came twice")


if __name__ == "__main__":
    unittest.main()
