"""What 10,000 connections to the worker's HTTP server cost the records: `scripts/bench connections`.
They are opened from as many addresses as the server serves one from, send a byte now and then, and
are opened anew when the server closes them."""
import argparse
import datetime
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys
import time

from bench import TREES, Service, buckets, count, cpu_ns, feed
from bench_kit import (CONNECTION_MARKS, REPOSITORY, complain, prepare, say, verdict_of, wait_until,
                       write_section)

CONNECTIONS = 10_000
ADDRESSES = 500
SECONDS = 4
WARM_UP_SECONDS = 3
TARGET = 0.9


class Crowd:
    """Connections that are not what a server likes; a process of its own, as it needs a core."""

    def __init__(self, address):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--crowd", address], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


def crowd(address):
    """Opens them, says so, and keeps them open and slow until it is ended."""
    host, port = address.removeprefix("http://").rsplit(":", 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (CONNECTIONS + 200,) * 2)
    held = {}

    def connect(number):
        one = socket.socket()
        one.setblocking(False)
        one.bind((f"127.0.{number % ADDRESSES // 200 + 1}.{number % ADDRESSES % 200 + 1}", 0))
        one.connect_ex((host, int(port)))
        held[number] = one

    for number in range(CONNECTIONS):
        connect(number)
    print("open", flush=True)
    while True:
        for number in range(CONNECTIONS):
            try:
                held[number].send(b"G" if number % 2 else b"\r\n")
                held[number].recv(1)
                closed = True
            except BlockingIOError:
                closed = False
            except OSError as error:
                closed = error.errno != 107 and error.errno != 115  # not connected yet
            if closed:
                held.pop(number).close()
                connect(number)
            time.sleep(0.0002)


def measure(bench, pairs):
    """One loaded worker, in turn left alone and crowded: its CPU a record and its records."""
    source, sink = bench.fresh_topic(), bench.fresh_topic()
    file = bench.pipeline(source, sink, TREES.model, http={"listen": "127.0.0.1:0"})
    found = {False: [], True: []}
    with Service(bench, file) as service:
        service.ready_after()
        rate = 100_000
        feeding = feed(bench, source, rate, round(WARM_UP_SECONDS + 2 * pairs * (SECONDS + 4) + 20))

        def records():
            grown = wait_until(lambda: metrics_count(service), "metrics", seconds=60, every=0.2)
            return grown

        wait_until(lambda: buckets(service.get("/metrics")[1])[-1][1] > 0, "records arrive")
        time.sleep(WARM_UP_SECONDS)
        for phase in range(2 * pairs):
            is_crowded = phase % 4 in (1, 2)
            begun, cpu = records(), cpu_ns(service.process.pid)
            started = time.monotonic()
            if is_crowded:
                with Crowd(service.address):
                    time.sleep(SECONDS)
            else:
                time.sleep(SECONDS)
            cpu = cpu_ns(service.process.pid) - cpu
            seconds = time.monotonic() - started
            done = records() - begun
            say(f"crowded={is_crowded}: {done / seconds:.0f} records/s, {cpu / done:.0f} ns each")
            found[is_crowded].append((done / seconds, done / cpu))
        feeding.communicate(timeout=300)
    bench.drop(source)
    bench.drop(sink)
    ratios = [[crowded[index] / alone[index]
               for alone, crowded in zip(found[False], found[True])] for index in (0, 1)]
    shown = [f"**{statistics.median(all_):.2f}** ({' '.join(f'{r:.2f}' for r in all_)})"
             for all_ in ratios]
    met = verdict_of(all(statistics.median(all_) >= TARGET for all_ in ratios))
    return "\n".join([
        f"{datetime.date.today()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at "
        f"the end. {TREES.label}, one lane, fed with {count(rate)} records/s; medians of {pairs} "
        f"interleaved pairs of {SECONDS} s.", "",
        "| connections | ratio of records/s | ratio of records/CPU-s | target |",
        "|---|---|---|---|",
        f"| {count(CONNECTIONS)} from {ADDRESSES} addresses, beside none | {shown[0]} | {shown[1]} "
        f"| {TARGET:.2f}: {met} |"]) + "\n"


def metrics_count(service):
    """Records so far, told by the page of metrics; None while the crowd keeps us from asking."""
    status, text = service.get("/metrics")
    found = buckets(text) if status == 200 else []
    return found[-1][1] if found else None


def main():
    if sys.argv[1:2] == ["--crowd"]:
        crowd(sys.argv[2])
    parser = argparse.ArgumentParser(prog="scripts/bench connections")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--binary", type=lambda text: pathlib.Path(text).resolve(),
                        default=REPOSITORY / ".build" / "release" / "millrace")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    arguments.records = 1000
    if not arguments.binary.exists():
        complain(f"no binary {arguments.binary}")
    table = measure(prepare(arguments), arguments.pairs)
    print(table, end="")
    if arguments.write:
        write_section(CONNECTION_MARKS, table)


if __name__ == "__main__":
    main()
