"""Writes records at a steady rate, for scripts/bench: the events of a file, keys as they come,
each with the time of its writing.
usage: bench-feeder.py BROKERS TOPIC FILE RATE SECONDS    prints the rate that was reached"""
import gc
import sys
import time

from confluent_kafka import Producer

TICK_SECONDS = 0.002
SAMPLE = 20_000  # events that repeat


def feed(brokers, topic, path, rate, seconds):
    with open(path, "rb") as file:
        lines = [line.rstrip(b"\n") for _, line in zip(range(SAMPLE), file)]
    # Dictionaries made before the clock runs; the partition goes round, so that a tick's records
    # are spread evenly.
    messages = [{"value": line, "key": b"%d" % n, "partition": n % 4}
                for n, line in enumerate(lines)]
    producer = Producer({
        "bootstrap.servers": brokers, "linger.ms": 1, "acks": 1,
        "queue.buffering.max.messages": 1_000_000, "socket.nagle.disable": True})
    gc.disable()
    started, sent = time.monotonic(), 0
    while (now := time.monotonic() - started) < seconds:
        due = int(now * rate) - sent
        if due > 0:
            first = sent % SAMPLE
            part = messages[first:first + min(due, SAMPLE - first)]
            sent += producer.produce_batch(topic, part)
        producer.poll(0)
        if due <= len(messages) // 100:
            time.sleep(TICK_SECONDS)
    reached = sent / (time.monotonic() - started)
    left = producer.flush(60)
    print(f"{reached:.0f} {left}")


if __name__ == "__main__":
    brokers, topic, path, rate, seconds = sys.argv[1:]
    feed(brokers, topic, path, float(rate), float(seconds))
