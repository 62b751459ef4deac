#!/usr/bin/env python3
"""A TCP proxy before a broker, for faults of the network. Commands come as lines on its control
port, each answered by one line, `ok` or a number; `Proxy` is the client for them.

  pass                all as it should be; what is held goes on
  stall [up|down]     hold all bytes (of one direction: up is to the broker); connections stay
  drop up|down        swallow all bytes of one direction
  dribble [MS]        one byte at a time, one each MS milliseconds (default 1)
  delay MS            hold all bytes for so long, in both directions
  cut                 reset the connections that there are
  refuse              cut, and reset each new one
  trap KEY before     hold the connection on which the next request with this API key comes, the
                      request not sent on (0 produce, 8 offset commit, 26 end of a transaction, ...)
  trap KEY after      as well, the request sent on, its answer held
  trapped             how many connections are held by traps
  connections         how many are open

`pass` lets go what a trap holds; `cut` cuts it."""
import argparse
import asyncio
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys

UP, DOWN = "up", "down"
CHUNK = 64 * 1024
MOST_FRAME = 128 * 2**20


class Rules:
    """What the proxy does now; whoever waits is woken by each change."""

    def __init__(self):
        self.held, self.dropped = set(), set()
        self.dribble_ms = self.delay_ms = 0
        self.refuses = False
        self.trap = None
        self.trapped = set()
        self._changed = asyncio.Event()

    def change(self):
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_while(self, condition):
        while condition():
            await self._changed.wait()


class Connection:
    """A client's connection and ours to the broker."""

    def __init__(self, rules, client, broker):
        self.rules = rules
        self.ends = {UP: (client[0], broker[1]), DOWN: (broker[0], client[1])}

    async def run(self):
        tasks = [asyncio.create_task(one) for one in
                 (self._pump(UP), self._pump(DOWN))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.cut()

    def cut(self):
        for _, writer in self.ends.values():
            # Reset, not closed in good order: unsent bytes are gone.
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _pump(self, way):
        """Reads without waiting for the rules, up to a bound, so that `delay` delays each byte by
        as much and does not slow the flow."""
        waiting = asyncio.Queue(64)
        clock = asyncio.get_running_loop().time
        reader = self.ends[way][0]
        frames = Frames() if way == UP else None

        async def read():
            try:
                while data := await reader.read(CHUNK):
                    for part in frames.split(data) if frames else [(None, data)]:
                        await waiting.put((clock(), *part))
            except OSError:
                pass
            await waiting.put((clock(), None, b""))

        reading = asyncio.create_task(read())
        try:
            while True:
                came, key, data = await waiting.get()
                if not data:
                    return
                if self.rules.delay_ms:
                    await asyncio.sleep(max(0, came + self.rules.delay_ms / 1e3 - clock()))
                await self._forward(way, key, data)
        finally:
            reading.cancel()

    async def _forward(self, way, key, data):
        rules, writer = self.rules, self.ends[way][1]
        moment = self._trapped(key)
        if moment == "before":
            await rules.wait_while(lambda: self in rules.trapped)
        if way == DOWN:
            await rules.wait_while(lambda: self in rules.trapped)
        await rules.wait_while(lambda: way in rules.held)
        if way in rules.dropped:
            return
        if rules.dribble_ms:
            for place in range(len(data)):
                if not rules.dribble_ms:
                    writer.write(data[place:])
                    break
                await rules.wait_while(lambda: way in rules.held)
                writer.write(data[place:place + 1])
                await writer.drain()
                await asyncio.sleep(rules.dribble_ms / 1e3)
        else:
            writer.write(data)
        await writer.drain()

    def _trapped(self, key):
        """Springs the trap where it is set for this request; when, before or after it is sent."""
        if key is None or self.rules.trap is None or key != self.rules.trap[0]:
            return None
        moment, self.rules.trap = self.rules.trap[1], None
        self.rules.trapped.add(self)
        return moment


class Frames:
    """Splits what a client sends into its requests. What does not look like one is left whole."""

    def __init__(self):
        self._rest = b""
        self._broken = False

    def split(self, data):
        """Pairs of API key and bytes; a request comes when it is complete."""
        if self._broken:
            return [(None, data)]
        self._rest += data
        found = []
        while len(self._rest) >= 6:
            size, key = struct.unpack(">ih", self._rest[:6])
            if not 0 < size <= MOST_FRAME:
                self._broken = True
                found.append((None, self._rest))
                self._rest = b""
                return found
            if len(self._rest) < 4 + size:
                break
            found.append((key, self._rest[:4 + size]))
            self._rest = self._rest[4 + size:]
        return found


class Server:
    def __init__(self, target):
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._rules = Rules()
        self._connections = set()

    async def connected(self, reader, writer):
        if self._rules.refuses:
            writer.transport.abort()
            return
        try:
            broker = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(self._rules, (reader, writer), broker)
        self._connections.add(connection)
        try:
            await connection.run()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            connection.cut()
            self._connections.discard(connection)
            self._rules.trapped.discard(connection)

    async def controlled(self, reader, writer):
        while line := await reader.readline():
            try:
                answer = self._obey(*line.decode().split())
            except (ValueError, TypeError, KeyError) as failure:
                answer = f"unknown: {failure}"
            writer.write(f"{answer}\n".encode())
            await writer.drain()
        writer.close()

    def _obey(self, word, *arguments):
        rules = self._rules
        ways = [one for one in arguments if one in (UP, DOWN)] or [UP, DOWN]
        match word:
            case "trapped":
                return len(rules.trapped)
            case "connections":
                return len(self._connections)
            case "pass":
                rules.held, rules.dropped, rules.refuses, rules.trap = set(), set(), False, None
                rules.dribble_ms = rules.delay_ms = 0
                rules.trapped.clear()
            case "stall":
                rules.held |= set(ways)
            case "drop":
                rules.dropped |= set(ways)
            case "dribble":
                rules.dribble_ms = float(*arguments) if arguments else 1
            case "delay":
                rules.delay_ms = float(*arguments)
            case "trap":
                key, moment = arguments
                rules.trap = int(key), {"before": "before", "after": "after"}[moment]
            case "cut" | "refuse":
                rules.refuses = rules.refuses or word == "refuse"
                for connection in list(self._connections):
                    connection.cut()
            case _:
                raise ValueError(word)
        rules.change()
        return "ok"


class Proxy:
    """A proxy process and its control. The port is fixed when it is made, the target when it
    starts: a broker has to know the port first. Until then the port is held, so that no connection
    of another process begins there."""

    def __init__(self):
        self._held = socket.socket()
        self._held.bind(("127.0.0.1", 0))
        self.port = self._held.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._process = None

    def start(self, target):
        self._process = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__).resolve(), "--socket",
             str(self._held.fileno()), "--target", target],
            stdout=subprocess.PIPE, text=True, pass_fds=[self._held.fileno()])
        self._held.close()
        control = int(self._process.stdout.readline().split()[-1])
        self._control = socket.create_connection(("127.0.0.1", control), 30)
        self._lines = self._control.makefile("r")
        return self

    def tell(self, command):
        """Sends the command; returns its number, or None for `ok`."""
        self._control.sendall(f"{command}\n".encode())
        answer = self._lines.readline().strip()
        if answer != "ok" and not answer.isdigit():
            raise AssertionError(f"the proxy answers '{answer}' to '{command}'")
        return None if answer == "ok" else int(answer)

    def close(self):
        self._held.close()
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


async def leave_with(parent):
    """Ends the process soon after the one that started it, however that ends."""
    while os.getppid() == parent:
        await asyncio.sleep(1)
    os._exit(1)


async def serve(options):
    server = Server(options.target)
    front = await asyncio.start_server(
        server.connected, sock=socket.socket(fileno=options.socket))
    back = await asyncio.start_server(server.controlled, "127.0.0.1", options.control)
    listening, control = (one.sockets[0].getsockname()[1] for one in (front, back))
    print(f"listening {listening} control {control}", flush=True)
    async with front, back:
        await asyncio.gather(front.serve_forever(), back.serve_forever(),
                             leave_with(os.getppid()))


def main():
    made = argparse.ArgumentParser(description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--socket", type=int, required=True, metavar="FD",
                      help="bound, to listen at")
    made.add_argument("--target", required=True, metavar="HOST:PORT")
    made.add_argument("--control", type=int, default=0, metavar="PORT")
    # Who started it needs it for its own cleanup when all are asked to stop; it ends with that one.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asyncio.run(serve(made.parse_args()))


if __name__ == "__main__":
    main()
