"""The clusters of the fault matrix, each behind a proxy: one node, one with logins and rights, and
three, of which one at a time may die."""
import atexit

import origin  # noqa: F401  makes Tests/IntegrationTests importable
import brokers
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from proxy import Proxy

# Transactions of killed workers must not hold the readers of these tests up for long.
SETTINGS = ["--set", "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
            "--set", "log.cleaner.backoff.ms=500",
            "--set", "group.consumer.session.timeout.ms=4000",
            "--set", "group.consumer.heartbeat.interval.ms=500"]
NODES = 3


class OneNode(brokers.Cluster):
    nodes = 1

    def __init__(self, name, *options):
        self.proxy = Proxy()
        atexit.register(self.proxy.close)
        super().__init__(name, "--advertise", self.proxy.address, *SETTINGS, *options)
        self.proxy.start(self.proxied_target)


class ThreeNodes(brokers.Cluster):
    """Every partition has three replicas and needs two of them.

    Brokers that die must be such ones: Kafka 4.3.1 takes a partition without a leader for a deleted
    one and ends transactions without their markers there (KAFKA-20734), so that readers of
    committed records wait for ever. A lone node's partitions have no leader while it comes back."""
    nodes = NODES

    def __init__(self, name, *options):
        super().__init__(name, "--nodes", NODES, *SETTINGS, *options)
        # The tool lets only the first node advertise another address.
        self.tool("down", self.folder)
        proxies = [Proxy() for _ in range(NODES)]
        for proxy, port, home in zip(proxies, brokers.free_ports(NODES),
                                     sorted(self.folder.glob("node*"))):
            atexit.register(proxy.close)
            target = f"127.0.0.1:{port}"
            add_listener(home / "server.properties", target, proxy.address)
            proxy.start(target)
        self.tool("up", self.folder)
        self.proxy = Proxies(proxies)
        self.proxied_bootstrap = ",".join(proxy.address for proxy in proxies)


class Proxies:
    """Proxies that are told the same."""

    def __init__(self, proxies):
        self.proxies = proxies

    def tell(self, command):
        return sum(proxy.tell(command) or 0 for proxy in self.proxies)


def add_listener(path, address, advertised):
    """A listener PROXIED in a node's settings."""
    more = {"listeners": f"PROXIED://{address}", "advertised.listeners": f"PROXIED://{advertised}",
            "listener.security.protocol.map": "PROXIED:PLAINTEXT"}
    lines = []
    for line in path.read_text().splitlines():
        name = line.partition("=")[0]
        lines.append(f"{line},{more[name]}" if name in more else line)
    path.write_text("\n".join(lines) + "\n")


CLUSTERS = {"faults": (OneNode,), "faults-secure": (OneNode, "--secure"),
            "faults-three": (ThreeNodes,)}


def cluster(name):
    """Started once."""
    make, *options = CLUSTERS[name]
    return brokers.cluster(name, *options, make=make)


def out_of_sync(bootstrap):
    """How many partitions lack a replica; None while no broker answers."""
    try:
        topics = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(
            timeout=10).topics.values()
    except KafkaException:
        return None
    return sum(len(p.isrs) < len(p.replicas) for t in topics for p in t.partitions.values())
