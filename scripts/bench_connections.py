"""What 10,000 connections to the worker's HTTP server cost the records: `scripts/bench connections`.
They come from many addresses, send a byte now and then and read nothing, and are opened anew when
the server closes them."""
import datetime
import errno
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

from bench import TREES, count, run_worker
from bench_kit import CONNECTION_MARKS, complain, run_pairs, verdict_of

CONNECTIONS = 10_000
ADDRESSES = 500
TARGET = 0.9
PENDING = {errno.EAGAIN, errno.EINPROGRESS, errno.ENOTCONN}


def crowd(port):
    """Keeps them open and slow until the process is ended; prints how often the server had let one
    in and closed it."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (CONNECTIONS + 200,) * 2)
    held, closed = {}, 0

    def end(*_):
        print(closed, flush=True)
        os._exit(0)

    def connect(number):
        one = socket.socket()
        one.setblocking(False)
        place = number % ADDRESSES
        one.bind((f"127.0.{place // 200 + 1}.{place % 200 + 1}", 0))
        one.connect_ex(("127.0.0.1", port))
        held[number] = one

    signal.signal(signal.SIGTERM, end)
    for number in range(CONNECTIONS):
        connect(number)
    print("open", flush=True)
    while True:
        for number in range(CONNECTIONS):
            try:
                held[number].send(b"G")
                held[number].recv(1)
            except OSError as error:
                if error.errno in PENDING:
                    continue
                closed += error.errno != errno.ECONNREFUSED
            else:
                closed += 1
            held.pop(number).close()
            connect(number)
        time.sleep(0.1)


def crowded(bench, port):
    """A run among them, and how often one was closed."""
    process = subprocess.Popen([sys.executable, __file__, "--crowd", str(port)],
                               stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    try:
        return alone(bench, port), process
    finally:
        process.terminate()


def alone(bench, port):
    return run_worker(bench, TREES, http={"listen": f"127.0.0.1:{port}"})


def measure(bench, pairs):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ratios, closed = {"per_second": [], "per_cpu_second": []}, 0
    for _ in range(pairs):
        without = alone(bench, port)
        among, process = crowded(bench, port)
        closed += int(process.stdout.read())
        for name, all_ in ratios.items():
            all_.append(getattr(among, name) / getattr(without, name))
    if not closed:
        complain("the server has closed no connection: nobody was there")
    shown = [f"**{statistics.median(all_):.2f}** ({' '.join(f'{r:.2f}' for r in all_)})"
             for all_ in ratios.values()]
    met = verdict_of(statistics.median(ratios["per_cpu_second"]) >= TARGET)
    return "\n".join([
        f"{datetime.date.today()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at "
        f"the end. {TREES.label}, one lane, {count(bench.records)} records; medians of {pairs} "
        f"interleaved pairs; {count(closed)} connections were let in and closed meanwhile.", "",
        "| connections | ratio of records/s | ratio of records/CPU-s | target |",
        "|---|---|---|---|",
        f"| {count(CONNECTIONS)} from {ADDRESSES} addresses, beside none | {shown[0]} | {shown[1]} "
        f"| {TARGET:.2f} a CPU-second: {met} |"]) + "\n"


def main():
    if sys.argv[1:2] == ["--crowd"]:
        crowd(int(sys.argv[2]))
    run_pairs("connections", measure, CONNECTION_MARKS)


if __name__ == "__main__":
    main()
