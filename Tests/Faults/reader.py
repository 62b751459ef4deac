#!/usr/bin/env python3
"""Reads a topic as it grows, read committed, and logs partition, offset and time in ms of each
record: what a consumer of the output sees while workers and brokers are killed. After SIGTERM it
reads on to the end of the topic, then ends; `reading` on stdout says that it may be stopped. The
checker compares the log with what is committed."""
import argparse
import json
import os
import signal
import sys
import threading
import time

import origin  # noqa: F401  makes Tests/IntegrationTests importable
import records
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition


def main():
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--bootstrap", required=True)
    made.add_argument("--topic", required=True)
    made.add_argument("--log", required=True)
    made.add_argument("--start", help="a file of `checker.py --save`")
    made.add_argument("--isolation", default="read_committed")
    options = made.parse_args()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    print("reading", flush=True)
    starts = json.load(open(options.start)).get(options.topic, {}) if options.start else {}
    watcher = records.Watcher(options.bootstrap)
    partitions = watcher.partitions(options.topic)
    watcher.close()
    consumer = Consumer(records.QUIET | {
        "bootstrap.servers": options.bootstrap, "group.id": "beside", "enable.auto.commit": False,
        "enable.partition.eof": True, "isolation.level": options.isolation,
        "auto.offset.reset": "error"})

    def first(partition):
        """Where a check has ended, or behind what was deleted after it: markers of transactions lie
        behind the last record."""
        place = TopicPartition(options.topic, partition)
        for _ in range(60):
            try:
                return max(consumer.get_watermark_offsets(place, 60)[0],
                           starts.get(str(partition), 0))
            except KafkaException as error:  # the leader moves
                failure = error
                time.sleep(1)
        raise failure

    places = {p: first(p) for p in partitions}

    def assign():
        consumer.assign([TopicPartition(options.topic, p, place) for p, place in places.items()])

    assign()
    at_end, stopping, parent = set(), False, os.getppid()
    with open(options.log, "w") as log:
        while not (stopping and len(at_end) == len(partitions)):
            if os.getppid() != parent:
                sys.exit("reader: whoever started it is gone")
            if over.is_set() and not stopping:
                # Ends that were seen before say nothing of what came since: they are told again.
                stopping, at_end = True, set()
                assign()
            for message in consumer.consume(5_000, 0.2):
                partition = message.partition()
                if message.error() is None:
                    at_end.discard(partition)
                    places[partition] = message.offset() + 1
                    log.write(f"{partition} {message.offset()} {time.time_ns() // 1_000_000}\n")
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    at_end.add(partition)
                elif message.error().code() == KafkaError._AUTO_OFFSET_RESET:
                    sys.exit(f"reader: {message.error()}")
    consumer.close()


if __name__ == "__main__":
    main()
