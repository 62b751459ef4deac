"""TLS and SASL through the pass-through: every way to log in, what is said where it fails, and what
mends it. See docs/security-kafka.part.md."""
import contextlib
import unittest

import bench_data
import records
import secure
from cases import BrokerCase
from worker import check, debian_library, pipeline, version

WAYS = ["TLS", "mTLS", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
PASSWORDS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
WRONG = "wr0ng-password"
KEY_PASSWORD = "k3y-password"
COUNT = 100


class Pipeline:
    """Topics, group, rights and secret file of one worker."""

    def __init__(self, case, way):
        self.case, self.way, self.cluster = case, way, case.cluster
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
        at = {"TLS": "TLS", "mTLS": "MTLS", "OAUTHBEARER": "OAUTH"}.get(self.way, "SECURE")
        return pipeline(self.cluster.at[at], self.source, self.sink, group=self.group,
                        dead=self.dead, kafka=kafka | changes)

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

    def finish(self):
        """Everything has come through, and no secret has come out."""
        self.worker.wait_ready(60)
        self.case.wait_no_lag(self, 60)
        self.case.assert_secret_free(self.worker)
        self.case.stop(self.worker)
        self.case.assertEqual(self.case.assert_numbered(self.sink, self.sent, 1), 0)
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

    def assert_logged(self, worker, text):
        self.assertTrue([e for e in worker.log() if e["level"] != "info"
                         and text in e["message"]], f"'{text}' is not in the log")

    def assert_refused(self, lane, text, seconds=30):
        """Not ready, with these words in /readyz and in the log, and no secret anywhere."""
        said = lane.worker.wait_not_ready(text, seconds)
        lane.worker.wait_for(lambda: any(
            text in str(e) and "not started yet" in e["message"] or text in e["message"]
            for e in lane.worker.log()), f"'{text}' in the log", 10)
        self.assert_secret_free(lane.worker)
        return said


class WayTests(SecurityCase):
    def test_every_way_to_log_in(self):
        lanes = self.lanes(WAYS)
        for lane in lanes:
            lane.start().send()
        for lane in lanes:
            lane.finish()

    def assert_broker_refused(self, certificate, text):
        """No worker talks to the broker, and each goes on once it shows another certificate."""
        lanes = self.lanes(WAYS)
        self.cluster.show(certificate)
        with contextlib.ExitStack() as stack:
            stack.callback(self.cluster.show, "right")
            for lane in lanes:
                lane.start().send()
            for lane in lanes:
                self.assert_refused(lane, text)
        for lane in lanes:
            lane.finish()

    def test_an_expired_certificate(self):
        self.assert_broker_refused("expired", "certificate verify failed")

    def test_a_certificate_of_another_host(self):
        self.assert_broker_refused("wrong host", "certificate verify failed")

    def test_a_certificate_of_an_unknown_authority(self):
        self.assert_broker_refused("unknown CA", "certificate verify failed")


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
            said = self.assert_refused(lane, self.REFUSED)
            self.assertIn("input: ", said)
            lane.worker.wait_not_ready("output: ", 30)
            lane.send()
        for lane in lanes:
            lane.write(fresh)
        for lane in lanes:
            lane.finish()


class TokenTests(SecurityCase):
    pass


class CertificateTests(SecurityCase):
    pass


class RuntimeRightsTests(SecurityCase):
    pass


if __name__ == "__main__":
    unittest.main()
