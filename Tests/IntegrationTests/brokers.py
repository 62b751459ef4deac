"""Real brokers for the tests: clusters of our own by `shared/kafka/kafka`, or the one that
KAFKA_BOOTSTRAP names. All that is started here ends with the process."""
import atexit
import functools
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def wait_until(condition, what, seconds=120, every=0.05):
    """Asks `condition` until it gives something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


@functools.cache
def shared_folder():
    """The folder with kafka/ and bench/: MILLRACE_SHARED, or `shared` beside the repository."""
    named = os.environ.get("MILLRACE_SHARED")
    places = [pathlib.Path(named)] if named else [REPOSITORY.parent / "shared"]
    if not named:  # a worktree lies elsewhere than the repository that it belongs to
        done = subprocess.run(["git", "-C", REPOSITORY, "rev-parse", "--git-common-dir"],
                              capture_output=True, text=True)
        if done.returncode == 0:
            common = (REPOSITORY / done.stdout.strip()).resolve()
            places.append(common.parent.parent / "shared")
    return next((p.resolve() for p in places if (p / "kafka" / "kafka").exists()), None)


@functools.cache
def scratch():
    """The folder of this run, removed at its end."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def own_cluster_missing():
    """Why no cluster can be started here; None where it can."""
    if shared_folder() is None:
        return "needs shared/kafka to start brokers (MILLRACE_SHARED names its folder's parent)"
    return None if shutil.which("java") else "needs java to start brokers"


def free_ports(count):
    """Different ones, free at the moment; where there are such, of those that no connection takes
    for its own end."""
    setting = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    least, greatest = map(int, setting.split())
    every = range(10_000, 1 << 16)
    quiet = [port for port in every if not least <= port <= greatest]
    ports = []
    for port in random.sample(quiet or every, len(quiet or every)):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise AssertionError("no free ports")


class Cluster:
    """Brokers of our own; one where the options do not say more."""

    def __init__(self, name, *options, environment=None):
        self.folder = scratch() / f"kafka-{name}"
        self._environment = os.environ | (environment or {})
        atexit.register(self.stop)
        done = self.tool("up", self.folder, *options)
        values = dict(line.split("=", 1) for line in done.splitlines() if "=" in line)
        self.bootstrap = values["BOOTSTRAP"]
        self.secure_bootstrap = values.get("SECURE_BOOTSTRAP")
        self.certificate = values.get("CA")
        self.proxied_bootstrap = values.get("PROXIED_BOOTSTRAP")
        self.proxied_target = values.get("PROXIED_TARGET")

    def tool(self, *arguments):
        """Runs the `kafka` tool; returns what it prints."""
        command = [str(shared_folder() / "kafka" / "kafka"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180,
                              env=self._environment)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def node(self, action, number=1):
        """kill, stop, pause, resume or start. A controller that has no time takes a killed node for
        one that lives, and refuses it, until the tool gives up: then again."""
        for tries in range(3 if action == "start" else 1):
            if tries:
                self.tool("node", self.folder, number, "kill")
            try:
                return self.tool("node", self.folder, number, action)
            except AssertionError as error:
                failure = error
        raise failure

    def stop(self):
        self.tool("down", self.folder)


class NamedCluster:
    """The cluster of KAFKA_BOOTSTRAP, which is not ours to stop."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap


_clusters = {}


def cluster(name="shared", *options, make=Cluster):
    """The cluster of that name, started once a run; the test is skipped where it cannot be.
    Only `shared` may be the one of KAFKA_BOOTSTRAP: others are killed, paused and filled."""
    if name not in _clusters:
        named = os.environ.get("KAFKA_BOOTSTRAP")
        if name == "shared" and named:
            _clusters[name] = NamedCluster(named)
        elif reason := own_cluster_missing():
            raise unittest.SkipTest(reason)
        else:
            _clusters[name] = make(name, *options)
    return _clusters[name]


def end_cluster(name):
    """Stops a cluster that no later test needs."""
    if name in _clusters:
        _clusters.pop(name).stop()
