"""One broker with a listener for each way to log in, the certificates around it, and a server that
gives out OAuth tokens. Standard library and openssl."""
import base64
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import brokers
from brokers import REPOSITORY
from confluent_kafka import KafkaException
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType,
                                   AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   ResourcePatternType, ResourceType, ScramCredentialInfo,
                                   ScramMechanism, UserScramCredentialUpsertion)

sys.path.insert(0, str(REPOSITORY / "Tests" / "Faults"))

from proxy import Proxy  # noqa: E402

QUIET = {"log_level": "0"}
SASL = {"SECURE": "SASL_SSL", "OAUTH": "SASL_SSL", "TLS": "SSL", "MTLS": "SSL"}
# A session must log in again after this, so that a changed password is asked for soon.
SESSION_MS = 2_000


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, check=True,
                          capture_output=True).stdout


class Authority:
    """A certificate authority with the certificates that it has signed, as files."""

    def __init__(self, folder, key=None, certificate=None):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key = key or folder / "ca.key"
        self.certificate = certificate or folder / "ca.pem"
        if key is None:
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 30, "-subj",
                    "/CN=stranger", "-keyout", self.key, "-out", self.certificate)

    def sign(self, name, subject, alternative=None, days=30, password=None):
        """Certificate and key in one PEM file (the key first); with a password the key is a file
        of its own beside it, NAME.key."""
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        certificate, more = self.folder / f"{name}.crt", self.folder / f"{name}.ext"
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={subject}", "-keyout", key,
                "-out", request)
        more.write_text(f"subjectAltName={alternative}\n" if alternative else "")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-CAcreateserial", "-days", days, "-extfile", more, "-out", certificate)
        plain = openssl("pkcs8", "-topk8", "-nocrypt", "-in", key)
        if password:
            key.write_bytes(openssl("pkcs8", "-topk8", "-in", key, "-passout", f"pass:{password}"))
        whole = self.folder / f"{name}.pem"
        whole.write_bytes(plain + certificate.read_bytes() + self.certificate.read_bytes())
        return whole


class TokenServer:
    """Gives signed tokens to who has the client's secret. What it answers to others repeats what
    they sent, as a careless server may."""

    CLIENT, SECRET = "worker", "tok3n-client-secret"

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.key = folder / "token.key"
        openssl("genrsa", "-out", self.key, 2048)
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip()
        self.keys = folder / "jwks.json"
        self.keys.write_text(json.dumps({"keys": [{
            "kty": "RSA", "kid": "test", "use": "sig", "alg": "RS256", "e": "AQAB",
            "n": _base64(bytes.fromhex(modulus.split("=")[1]))}]}))
        self.secret = self.SECRET
        self.life_s = 300
        self.given = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer._answer(self)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def _answer(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0)).decode()
        sent = request.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, secret = base64.b64decode(sent).decode().partition(":")
        found = urllib.parse.unquote(user), urllib.parse.unquote(secret)
        isRight = found == (self.CLIENT, self.secret) and "client_credentials" in body
        answer = ({"access_token": self.token(), "token_type": "bearer", "expires_in": self.life_s}
                  if isRight else {"error": "invalid_client",
                                   "error_description": f"no client {found[0]} has {found[1]}"})
        text = json.dumps(answer).encode()
        request.send_response(200 if isRight else 401)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def token(self):
        now = int(time.time())
        claims = {"sub": "worker", "aud": "kafka", "iss": "millrace-tests", "iat": now,
                  "exp": now + self.life_s}
        head = {"alg": "RS256", "typ": "JWT", "kid": "test"}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
        token = signed + "." + _base64(
            openssl("dgst", "-sha256", "-sign", self.key, data=signed.encode()))
        self.given.append(token)
        return token


def _base64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SecureCluster(brokers.Cluster):
    """`kafka up --secure` with more listeners, each behind a proxy: SECURE (PLAIN, SCRAM), OAUTH,
    TLS and MTLS."""

    PASSWORD = "worker-secret"

    def __init__(self, name):
        folder = brokers.scratch() / "secure"
        self.tokens = TokenServer(folder)
        self.proxies = [Proxy() for _ in SASL]
        taken = {proxy.port for proxy in self.proxies}
        plain, control, *rest = [p for p in brokers.free_ports(2 + 2 * len(SASL)) if p not in taken]
        behind = {n: f"127.0.0.1:{p}" for n, p in zip(SASL, rest)}
        for proxy, target in zip(self.proxies, behind.values()):
            proxy.start(target)
        self.at = {n: f"localhost:{proxy.port}" for n, proxy in zip(SASL, self.proxies)}
        inner = f"PLAINTEXT://127.0.0.1:{plain}"
        oauth = "listener.name.oauth.oauthbearer."
        login = "org.apache.kafka.common.security.oauthbearer.OAuthBearer"
        settings = {
            "listeners": ",".join([inner, f"CONTROLLER://127.0.0.1:{control}"]
                                  + [f"{n}://{a}" for n, a in behind.items()]),
            "advertised.listeners": ",".join(
                [inner] + [f"{n}://{a}" for n, a in self.at.items()]),
            "controller.quorum.voters": f"1@127.0.0.1:{control}",
            "listener.security.protocol.map": ",".join(
                ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT"]
                + [f"{n}:{p}" for n, p in SASL.items()]),
            "listener.name.mtls.ssl.client.auth": "required",
            "ssl.allow.dn.changes": "true", "ssl.allow.san.changes": "true",
            "ssl.principal.mapping.rules": "RULE:^.*CN=([a-zA-Z0-9.-]*).*$/$1/",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            oauth + "sasl.server.callback.handler.class": login + "ValidatorCallbackHandler",
            oauth + "sasl.jaas.config": login + "LoginModule required;",
            oauth + "sasl.oauthbearer.jwks.endpoint.url": self.tokens.keys.as_uri(),
            oauth + "sasl.oauthbearer.expected.audience": "kafka",
            oauth + "sasl.oauthbearer.expected.issuer": "millrace-tests",
            **{f"listener.name.{n}.connections.max.reauth.ms": SESSION_MS
               for n in ("secure", "oauth")},
        }
        # Kafka's own guard against being sent to another server.
        allowed = "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=" + self.tokens.keys.as_uri()
        super().__init__(name, "--secure", "--port", plain, *(
            word for key, value in settings.items() for word in ("--set", f"{key}={value}")),
            environment={"JAVA_TOOL_OPTIONS": allowed})
        self.secure_bootstrap = self.at["SECURE"]
        self.admin = AdminClient(QUIET | {"bootstrap.servers": self.bootstrap})
        tls = pathlib.Path(self.certificate).parent
        self.authority = Authority(folder / "own", tls / "ca.key", tls / "ca.pem")
        self.stranger = Authority(folder / "stranger")
        hosts = "DNS:localhost,IP:127.0.0.1"
        self.certificates = {
            "right": self.authority.sign("server-right", "localhost", hosts),
            "expired": self.authority.sign("server-expired", "localhost", hosts, days=-1),
            "wrong host": self.authority.sign("server-other", "other", "DNS:kafka.other"),
            "unknown CA": self.stranger.sign("server", "localhost", hosts),
        }

    def configure(self, **values):
        """Changes settings of the running broker; `__` stands for a dot in the names."""
        entries = [ConfigEntry(name.replace("__", "."), value,
                               incremental_operation=AlterConfigOpType.SET)
                   for name, value in values.items()]
        resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(60)

    def show(self, certificate):
        """What the broker shows from now on: on all listeners, or on each of its own."""
        shown = certificate if isinstance(certificate, dict) else dict.fromkeys(SASL, certificate)
        paths = {listener: self.certificates[name] for listener, name in shown.items()}
        self.configure(**{f"listener__name__{n.lower()}__ssl__keystore__location": str(path)
                          for n, path in paths.items()})
        for listener, proxy in zip(SASL, self.proxies):
            own = paths[listener].with_suffix(".crt").read_text().strip()
            brokers.wait_until(lambda proxy=proxy, own=own: self._shown(proxy.port) == own,
                               f"another certificate of {listener}", 20)

    @staticmethod
    def _shown(port):
        try:
            return ssl.get_server_certificate(("127.0.0.1", port), timeout=10).strip()
        except OSError:
            return None

    def cut(self):
        """Ends all connections of the listeners: clients have to come in anew."""
        for proxy in self.proxies:
            proxy.tell("cut")

    def stop(self):
        super().stop()
        for proxy in self.proxies:
            proxy.close()

    def set_scram(self, password):
        for kind in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            change = UserScramCredentialUpsertion("worker", ScramCredentialInfo(kind, 4096),
                                                  password.encode())
            self.admin.alter_user_scram_credentials([change])["worker"].result(60)

    def rule(self, operation, kind, name):
        return AclBinding(kind, name, ResourcePatternType.LITERAL, "User:worker", "*", operation,
                          AclPermissionType.ALLOW)

    def allow(self, *rules):
        for done in self.admin.create_acls(list(rules)).values():
            done.result(60)

    def deny(self, *rules):
        """Takes rules away."""
        filters = [AclBindingFilter(r.restype, r.name, r.resource_pattern_type, r.principal,
                                    r.host, r.operation, r.permission_type) for r in rules]
        for done in self.admin.delete_acls(filters).values():
            if not done.result(60):
                raise KafkaException(f"no such rule among {rules}")

    def rights(self, source, sink, dead, group):
        """The rules of docs/operations.md, by what they are for."""
        topic = ResourceType.TOPIC
        return {"input": self.rule(AclOperation.READ, topic, source),
                "output": self.rule(AclOperation.WRITE, topic, sink),
                "dead letters": self.rule(AclOperation.WRITE, topic, dead),
                "group": self.rule(AclOperation.READ, ResourceType.GROUP, group)}


def secure_cluster():
    """The one secure broker of a run."""
    return brokers.cluster("secure", make=SecureCluster)
