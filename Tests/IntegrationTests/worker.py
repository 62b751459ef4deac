"""The binary under test: pipeline files, processes, their logs, health and metrics."""
import hashlib
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid

import bench_data
from brokers import REPOSITORY, scratch, wait_until


def binary():
    """MILLRACE_BINARY, or what `swift build -c release` has made."""
    path = pathlib.Path(os.environ.get("MILLRACE_BINARY")
                        or REPOSITORY / ".build" / "release" / "millrace")
    if not path.exists():
        raise unittest.SkipTest(f"needs {path}: swift build -c release --product millrace")
    return path


def debian_library():
    """The environment that makes the loader take Debian's librdkafka."""
    return {"LD_LIBRARY_PATH": f"/usr/lib/{platform.machine()}-linux-gnu"}


def version(environment=None):
    """What `millrace --version` prints."""
    return subprocess.run([binary(), "--version"], capture_output=True, text=True, timeout=60,
                          env=os.environ | (environment or {})).stdout


def model_header(path):
    """The value of the header millrace-model for a model file."""
    digest = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    return f"{pathlib.Path(path).stem}@{digest[:12]}"


def pipeline(bootstrap, source, sink, *, group, model="gbt", append="score", dead=None,
             kafka=None, **more):
    """A pipeline file's content over the benchmark's 16 fields. YAML takes JSON as it is."""
    content = {
        "name": "test", "source": {"topic": source, "group": group},
        "kafka": {"bootstrap.servers": bootstrap} | (kafka or {}),
        "model": {"file": str(bench_data.model(model)),
                  "inputs": {bench_data.INPUTS[model]: bench_data.FIELDS}},
        "append": {append: "probabilities[1]"}, "sink": {"topic": sink},
        "http": {"listen": "127.0.0.1:0"},
    }
    if dead:
        content["dead_letter"] = {"topic": dead}
    return content | more


def check(content, environment=None):
    """`millrace check --connect --json`: exit code, complaints, and what is on stderr."""
    path = scratch() / f"check-{uuid.uuid4().hex[:10]}.yaml"
    path.write_text(json.dumps(content))
    done = subprocess.run([binary(), "check", "--connect", "--json", path], capture_output=True,
                          text=True, timeout=120, env=os.environ | (environment or {}))
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


class Worker:
    """One process `millrace run`; `wrapper` is a command that becomes it, `before` is called in the
    new process."""

    def __init__(self, content, *arguments, environment=None, wrapper=(), before=None):
        self.started = time.monotonic()
        self.folder = pathlib.Path(
            subprocess.check_output(["mktemp", "-d", "-p", scratch()], text=True).strip())
        self.file = self.folder / "pipeline.yaml"
        self.file.write_text(json.dumps(content, indent=1))
        if wrapper:  # it may become another user's
            self.folder.chmod(0o755)
        self._log = open(self.folder / "stderr", "wb")
        self._out = open(self.folder / "stdout", "wb")
        self.process = subprocess.Popen(
            [*wrapper, binary(), "run", self.file, *arguments], stdin=subprocess.DEVNULL,
            stdout=self._out, stderr=self._log, env=os.environ | (environment or {}),
            preexec_fn=before)
        self._address = None

    # What it says

    @property
    def stdout(self):
        return (self.folder / "stdout").read_text(errors="replace")

    @property
    def stderr(self):
        return (self.folder / "stderr").read_text(errors="replace")

    def log(self):
        """The log's events; lines that are no JSON are left out."""
        events = []
        for line in self.stderr.splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
        return events

    def summary(self):
        """The numbers of the line that `--until-end` ends with."""
        pairs = re.findall(r"(\S+)=(\S+)", self.stdout.splitlines()[-1])
        return {name: float(value) for name, value in pairs if value != "-"}

    def _listens(self):
        return next((e["http"] for e in self.log() if "http" in e), None)

    @property
    def address(self):
        """Where it serves HTTP; None while it does not."""
        if self._address is None:
            self._address = self._listens()
        return self._address

    def get(self, path):
        """Status and text of a GET; (0, "") while nothing answers."""
        if self.address is None:
            return 0, ""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name):
        """The metric's value, all its samples added; None while nothing answers."""
        found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return sum(map(float, found)) if found else None

    # Conditions

    @property
    def is_running(self):
        return self.process.poll() is None

    def _wait(self, condition, what, seconds):
        def look():
            value = condition()
            if not value and not self.is_running:
                raise AssertionError(f"the worker has ended with {self.process.returncode}; "
                                     f"waited for: {what}\n{self.tail()}")
            return value
        return wait_until(look, lambda: f"{what}\n{self.tail()}", seconds)

    def wait_ready(self, seconds=120):
        self._wait(lambda: self.get("/readyz")[0] == 200, "ready", seconds)
        return self

    def wait_not_ready(self, text, seconds=120):
        """Until /readyz says 503 with `text` in it; returns all that it says."""
        def look():
            status, said = self.get("/readyz")
            return said if status == 503 and text in said else None
        return self._wait(look, f"not ready with '{text}'; last {self.get('/readyz')}", seconds)

    def wait_metric(self, name, least, seconds=120):
        self._wait(lambda: (self.metric(name) or 0) >= least, f"{name} >= {least}", seconds)

    def wait_for(self, condition, what, seconds=120):
        """Until the condition holds; fails at once where the worker ends before."""
        return self._wait(condition, what, seconds)

    def wait_exit(self, seconds=120):
        """The exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s\n{self.tail()}") from None

    def tail(self):
        return "\n".join(self.stderr.splitlines()[-12:])

    # Ends

    def terminate(self):
        """SIGTERM, once the process listens to it: before its first word it may not."""
        wait_until(lambda: self.stderr or not self.is_running, "a first word", 60)
        self.process.send_signal(signal.SIGTERM)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.is_running:
            self.kill()
        self._log.close()
        self._out.close()


class MemorySampler:
    """Reads the resident memory of a process each 100 ms."""

    def __init__(self, process):
        self.highest = 0
        self._path = pathlib.Path(f"/proc/{process.pid}/statm")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._over.wait(0.1):
            try:
                resident = int(self._path.read_text().split()[1]) * self._page
            except (OSError, IndexError):
                return
            self.highest = max(self.highest, resident)

    def take(self):
        """The highest number of bytes seen since the last call."""
        highest, self.highest = self.highest, 0
        return highest

    def stop(self):
        """As `take`; the last one."""
        self._over.set()
        self._thread.join()
        return self.take()
