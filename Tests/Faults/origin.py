"""Where a record comes from, in a header that the feeder puts on it and that Millrace copies: the
input topic, its partition and the record's number there, which counts from 0."""
import itertools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "IntegrationTests"))

from records import Record  # noqa: E402

HEADER = "origin"


def header(topic, partition, number):
    return (HEADER, b"%s/%d/%d" % (topic.encode(), partition, number))


def read(headers):
    """(topic, partition, number) of a message's headers; None where there is none to read."""
    for name, value in headers or ():
        if name == HEADER and value is not None:
            try:
                topic, partition, number = value.rsplit(b"/", 2)
                return topic.decode(), int(partition), int(number)
            except ValueError:
                return None
    return None


def numbered(topic):
    """For `records.Feed` and lists: makes record n of all, which is record n // partitions of its
    partition. A feeder of the topic must be its only one, and count from 0 without gaps."""
    def make(number, rows, partitions):
        partition = number % partitions
        return Record(b"%d" % number, rows[number % len(rows)],
                      [header(topic, partition, number // partitions)], None, partition)
    return make


def records(topic, rows, partitions, count, value=None):
    """The first `count` of them; `value` may give another value for a number, or None for the
    row's own."""
    make = numbered(topic)
    for number in itertools.islice(itertools.count(), count):
        record = make(number, rows, partitions)
        other = value(number) if value else None
        if other is not None:
            record.value = other
        yield record
