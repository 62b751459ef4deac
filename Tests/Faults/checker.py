#!/usr/bin/env python3
"""Says what became of every record of an input topic: reads input, output (committed and all that
is written), dead letters and the group's offsets, and knows each record by its header `origin`
(origin.py). No code of Millrace is in it.

What it finds, by name:
  lost        neither in the output nor a dead letter
  duplicates  more than once in the committed view (allowed where delivery is at_least_once)
  order       a record before an earlier one of its partition (at_least_once: first occurrences)
  beyond      a committed offset behind an unwritten record, or behind the end of the partition
  behind      a committed offset before the last record, though all should be done
  changed     another value, key, timestamp, headers or partition than the input's; another
              prediction for the same value; a number that is not the model's (--scores)
  unknown     a record of no origin, or of one that the input does not have
  phantom     a reader that ran beside (--reader) saw what is not committed
  missed      that reader did not see a committed record, or saw one twice or out of order
  vanished    committed, but not among all that is written
  open        a transaction is still open: readers do not get to the end of the topic

Exit code 0 where nothing is found, 1 where something is, 2 where it cannot be checked."""
import argparse
import array
import bisect
import json
import math
import sys
import time

import origin  # also makes Tests/IntegrationTests importable
import records
from confluent_kafka import KafkaException

KINDS = ("lost", "duplicates", "order", "beyond", "behind", "changed", "unknown", "phantom",
         "missed", "vanished", "open")
EXAMPLES = 5
OURS = "millrace-"
TOLERANCE = 1e-6


class Findings:
    """Counts by kind, with the first examples of each."""

    def __init__(self):
        self.counts = dict.fromkeys(KINDS, 0)
        self.examples = {kind: [] for kind in KINDS}

    def add(self, kind, text, count=1):
        self.counts[kind] += count
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(text)


class Part:
    """What is known of the records of one input partition, by their place in it."""

    def __init__(self):
        self.numbers = array.array("q")
        self.offsets = array.array("q")
        self.values = array.array("l")  # an index of Input.values
        self.marks = array.array("q")   # hash of key, timestamp and headers
        self.seen = array.array("H")

    def find(self, number):
        """The place of the record of that number; None where it is not there."""
        place = bisect.bisect_left(self.numbers, number)
        return place if place < len(self.numbers) and self.numbers[place] == number else None


def mark(message):
    """Stands for key, timestamp and headers, without those that Millrace adds at the end."""
    headers = list(message.headers() or ())
    while headers and headers[-1][0].startswith(OURS):
        headers.pop()
    return hash((message.key(), message.timestamp()[1], tuple(headers)))


class Input:
    """The input topic's records."""

    def __init__(self, topic):
        self.topic = topic
        self.parts = {}
        self.values = [None]
        self._indexes = {None: 0}

    def read(self, bootstrap, starts):
        for message in records.scan(bootstrap, self.topic, starts=starts):
            found = origin.read(message.headers())
            if found is None or found[:2] != (self.topic, message.partition()):
                raise AssertionError(f"{self.topic}[{message.partition()}] {message.offset()} has "
                                     f"the origin {found}: not a topic of our feeder")
            part = self.parts.setdefault(message.partition(), Part())
            if part.numbers and part.numbers[-1] >= found[2]:
                raise AssertionError(f"the feeder wrote number {found[2]} of partition "
                                     f"{message.partition()} behind {part.numbers[-1]}")
            part.numbers.append(found[2])
            part.offsets.append(message.offset())
            part.values.append(self._index(message.value()))
            part.marks.append(mark(message))
            part.seen.append(0)

    def _index(self, value):
        index = self._indexes.setdefault(value, len(self.values))
        if index == len(self.values):
            self.values.append(value)
        return index

    @property
    def count(self):
        return sum(len(part.numbers) for part in self.parts.values())


class Predictions:
    """The text that was appended must be the same for the same value, and the model's number."""

    def __init__(self, field, events=None, scores=None):
        self._field = b',"' + field.encode() + b'":'
        self._texts = {}
        self._expected = {}
        if events:
            import numpy
            with open(events, "rb") as file:
                self._expected = dict(zip(file.read().splitlines(), numpy.load(scores).tolist()))

    def fault(self, value, index, output):
        """What is wrong with an output for the input `value`; None where nothing is."""
        if value is None or output is None:
            return None if value is output else "a null value became another one, or the reverse"
        start = value[:-1] + self._field
        if not (output.startswith(start) and output.endswith(b"}")):
            return "the value is not the input's with a prediction"
        text = output[len(start):-1]
        if self._texts.setdefault(index, text) != text:
            return f"predictions {self._texts[index]!r} and {text!r} for the same value"
        # A NaN, which a model whose numbers are known does not give.
        if text == b"null" and not self._expected:
            return None
        try:
            number = float(text)
        except ValueError:
            return f"the prediction {text!r} is no number"
        expected = self._expected.get(value)
        if not math.isfinite(number) or (
                expected is not None and abs(number - expected) > TOLERANCE):
            return f"the prediction is {number}, the model's is {expected}"
        return None


class Check:
    """One look at all topics."""

    def __init__(self, options):
        self.options = options
        self.findings = Findings()
        self.input = Input(options.source)
        self.predictions = Predictions(options.field, options.events, options.scores)
        self.starts = json.load(open(options.start)) if options.start else {}
        self.once = options.delivery == "exactly_once"
        self.committed_offsets = {}   # of the output topic, by partition
        self.figures = {}
        self._last = {}               # place of the last record by (input, output partition)
        self._ends = {}

    def _starts(self, topic):
        return {int(p): offset for p, offset in self.starts.get(topic, {}).items()}

    def run(self):
        options = self.options
        watcher = records.Watcher(options.bootstrap)
        group = watcher.committed(options.group, options.source)
        ends = watcher.ends(options.source)
        watcher.close()
        self._settle(options.sink)
        self.input.read(options.bootstrap, self._starts(options.source))
        scored = self._scan(options.sink, self._take_output)
        dead = self._scan(options.dead, self._take_letter) if options.dead else 0
        aborted = self._compare_views()
        self._check_seen(group, ends)
        if options.reader:
            self._check_reader(options.reader)
        self.figures |= {"records": self.input.count, "scored": scored, "dead": dead,
                         "aborted": aborted}
        return self

    def save(self, path):
        """Writes where the next check may start: behind what this one has read."""
        state = self._ends | {self.options.source: {
            p: part.offsets[-1] + 1 for p, part in self.input.parts.items()}}
        for topic, starts in self.starts.items():
            state[topic] = starts | {str(p): n for p, n in state.get(topic, {}).items()}
        with open(path, "w") as file:
            json.dump(state, file)

    # Reading

    def _settle(self, topic):
        """Waits until no transaction is open: where readers of committed records may go is the
        end of the topic."""
        watcher = records.Watcher(self.options.bootstrap)
        deadline = time.monotonic() + self.options.settle
        while (found := watcher.unsettled(topic)) and time.monotonic() < deadline:
            time.sleep(0.25)
        watcher.close()
        for text in found if not self.options.running else ():
            self.findings.add("open", text)

    def _scan(self, topic, take):
        count = 0
        ends = self._ends.setdefault(topic, {})
        for message in records.scan(self.options.bootstrap, topic, starts=self._starts(topic)):
            count += 1
            ends[message.partition()] = message.offset() + 1
            take(message)
        return count

    def _place(self, message):
        """The input partition, and the record's place there, of an output record or dead letter;
        None, with a finding, where there is none."""
        at = f"{message.topic()}[{message.partition()}] {message.offset()}"
        found = origin.read(message.headers())
        if found is None or found[0] != self.input.topic:
            self.findings.add("unknown", f"{at} has the origin {found}")
            return None
        _, partition, number = found
        part = self.input.parts.get(partition)
        place = part.find(number) if part else None
        if place is not None:
            return partition, part, place
        if self.starts and (part is None or not part.numbers or number < part.numbers[0]):
            self.findings.add("duplicates", f"{at} is number {number} of partition {partition}, "
                                            "which was done before")
        elif not (self.options.running and part and number > part.numbers[-1]):
            self.findings.add("unknown", f"{at} is number {number} of partition {partition}, "
                                         "which the input does not have")
        return None

    def _see(self, message, partition, part, place):
        """Counts an occurrence; True where it is the first one."""
        part.seen[place] = min(part.seen[place] + 1, 65535)
        if part.seen[place] == 1:
            return True
        self.findings.add("duplicates", f"number {part.numbers[place]} of partition {partition} "
                          f"again at {message.topic()}[{message.partition()}] {message.offset()}")
        return False

    def _take_output(self, message):
        self.committed_offsets.setdefault(message.partition(), array.array("q")).append(
            message.offset())
        found = self._place(message)
        if found is None:
            return
        partition, part, place = found
        at = f"{message.topic()}[{message.partition()}] {message.offset()}"
        first = self._see(message, partition, part, place)
        key = partition, message.partition()
        last = self._last.get(key, -1)
        if place < last and (first or self.once):
            self.findings.add("order", f"{at} is number {part.numbers[place]} of partition "
                                       f"{partition}, behind {part.numbers[last]}")
        if first or self.once:
            self._last[key] = max(last, place)
        if self.options.partitioning == "preserve" and partition != message.partition():
            self.findings.add("changed", f"{at} comes from partition {partition}")
        if mark(message) != part.marks[place]:
            self.findings.add("changed", f"{at}: another key, timestamp or headers")
        index = part.values[place]
        if fault := self.predictions.fault(self.input.values[index], index, message.value()):
            self.findings.add("changed", f"{at}: {fault}")

    def _take_letter(self, message):
        found = self._place(message)
        if found is None:
            return
        partition, part, place = found
        at = f"{message.topic()}[{message.partition()}] {message.offset()}"
        self._see(message, partition, part, place)
        said = dict(message.headers() or ())
        told = [said.get(f"millrace-error-{word}") for word in ("topic", "partition", "offset")]
        true = [self.input.topic, partition, part.offsets[place]]
        if told != [str(one).encode() for one in true]:
            self.findings.add("changed", f"{at} says that it comes from {told}, not {true}")
        if ("millrace-error-value-omitted" not in said
                and message.value() != self.input.values[part.values[place]]):
            self.findings.add("changed", f"{at}: another value than the input's")
        if ("millrace-error-headers-omitted" not in said
                and "millrace-error-timestamp" not in said and mark(message) != part.marks[place]):
            self.findings.add("changed", f"{at}: another key, timestamp or headers")

    def _compare_views(self):
        """Walks all that is written beside what is committed; returns how many are not."""
        aborted = 0
        topic = self.options.sink
        at = dict.fromkeys(self.committed_offsets, 0)
        for message in records.scan(self.options.bootstrap, topic, "read_uncommitted",
                                    self._starts(topic)):
            partition, offset = message.partition(), message.offset()
            committed = self.committed_offsets.get(partition, ())
            place = at.get(partition, 0)
            while place < len(committed) and committed[place] < offset:
                self.findings.add("vanished", f"{topic}[{partition}] {committed[place]}")
                place += 1
            if place < len(committed) and committed[place] == offset:
                place += 1
            else:
                aborted += 1
            at[partition] = place
        for partition, committed in self.committed_offsets.items():
            left = len(committed) - at[partition]
            if left:
                self.findings.add("vanished", f"{topic}[{partition}] {committed[-left]}", left)
        return aborted

    # Judging

    def _check_seen(self, group, ends):
        for partition, end in ends.items():
            committed = group.get(partition, 0)
            if committed > end:
                self.findings.add("beyond", f"the group is at {committed} of partition "
                                            f"{partition}, which ends at {end}")
        for partition, part in sorted(self.input.parts.items()):
            committed = group.get(partition, 0)
            for place, times in enumerate(part.seen):
                if times:
                    continue
                text = (f"number {part.numbers[place]} of partition {partition}, offset "
                        f"{part.offsets[place]}")
                passed = part.offsets[place] < committed
                if passed:
                    self.findings.add("beyond", f"{text}, is not written, and the group is at "
                                                f"{committed}")
                if passed or not self.options.running:
                    self.findings.add("lost", text)
            if not self.options.running and committed <= part.offsets[-1]:
                self.findings.add("behind", f"the group is at {committed} of partition {partition}"
                                            f", whose last record is {part.offsets[-1]}")

    def _check_reader(self, path):
        """The log of reader.py: lines of output partition, offset and time in ms."""
        last, seen, times = {}, dict.fromkeys(self.committed_offsets, 0), array.array("q")
        with open(path) as file:
            for line in file:
                partition, offset, ms = map(int, line.split())
                times.append(ms)
                if offset <= last.get(partition, -1):
                    self.findings.add("missed", f"the reader got [{partition}] {offset} behind "
                                                f"{last[partition]}")
                    continue
                last[partition] = offset
                committed = self.committed_offsets.get(partition, ())
                place = bisect.bisect_left(committed, offset)
                if place < len(committed) and committed[place] == offset:
                    seen[partition] += 1
                else:
                    self.findings.add("phantom", f"the reader got [{partition}] {offset}, which is"
                                                 " not committed")
        if not self.options.running:
            for partition, committed in self.committed_offsets.items():
                if len(committed) > seen[partition]:
                    self.findings.add("missed", f"the reader got {seen[partition]} of "
                                      f"{len(committed)} committed records of [{partition}]",
                                      len(committed) - seen[partition])
        self.figures["burst"] = burst(times, self.options.window)

    # Telling

    @property
    def faults(self):
        """The kinds that this delivery does not allow."""
        counts = self.findings.counts
        allowed = 0 if self.once else self.options.max_duplicates
        return [kind for kind in KINDS if counts[kind] > 0 and not (
            kind == "duplicates" and (allowed is None or counts[kind] <= allowed))]

    def report(self):
        return {"faults": self.faults, "figures": self.figures, "counts": self.findings.counts,
                "examples": {k: v for k, v in self.findings.examples.items() if v}}


def burst(times, window_ms):
    """The most records within any `window_ms`."""
    ordered, first, most = sorted(times), 0, 0
    for last, ms in enumerate(ordered):
        while ordered[first] < ms - window_ms:
            first += 1
        most = max(most, last - first + 1)
    return most


def print_report(report):
    figures = " ".join(f"{name}={value}" for name, value in report["figures"].items())
    counts = " ".join(f"{kind}={n}" for kind, n in report["counts"].items())
    print(f"{figures}\n{counts}")
    for kind, examples in report["examples"].items():
        for text in examples:
            print(f"{kind}: {text}")
    print("faults: " + (", ".join(report["faults"]) or "none"))


def parser():
    made = argparse.ArgumentParser(description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bootstrap", "source", "sink", "group"):
        made.add_argument(f"--{name}", required=True)
    made.add_argument("--dead", help="the dead-letter topic")
    made.add_argument("--delivery", choices=["at_least_once", "exactly_once"],
                      default="at_least_once")
    made.add_argument("--max-duplicates", type=int, metavar="N",
                      help="at_least_once: more than these are a fault")
    made.add_argument("--partitioning", choices=["preserve", "key"], default="preserve")
    made.add_argument("--field", default="score", help="the prediction field")
    made.add_argument("--events", help="values, one a line, whose scores --scores has")
    made.add_argument("--scores", help="the model's numbers for them, a .npy file")
    made.add_argument("--reader", metavar="FILE", help="the log of reader.py")
    made.add_argument("--window", type=int, default=2000, metavar="MS",
                      help="with --reader: `burst` is the most records it got within this time")
    made.add_argument("--running", action="store_true",
                      help="workers go on meanwhile: only what the group has passed must be there")
    made.add_argument("--settle", type=float, default=60, metavar="S",
                      help="how long open transactions are waited for")
    made.add_argument("--start", metavar="FILE", help="begin where --save of an earlier check says")
    made.add_argument("--save", metavar="FILE")
    made.add_argument("--json", action="store_true")
    return made


def main():
    options = parser().parse_args()
    try:
        done = Check(options).run()
        if options.save:
            done.save(options.save)
    except (AssertionError, KafkaException, OSError) as failure:
        print(f"checker: {failure}", file=sys.stderr)
        return 2
    report = done.report()
    print(json.dumps(report)) if options.json else print_report(report)
    return 1 if report["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
