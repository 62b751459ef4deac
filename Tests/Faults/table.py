"""The table that the rows of the fault matrix are in."""
import dataclasses
import typing

from scenario import AT_LEAST_ONCE, EXACTLY_ONCE


@dataclasses.dataclass
class Row:
    """An entry of the table; `number` is that of the fault matrix."""
    number: str
    name: str
    run: typing.Callable
    deliveries: tuple = (AT_LEAST_ONCE, EXACTLY_ONCE)
    # Whether --full repeats it for each group protocol and with librdkafka 2.0.2.
    is_varied: bool = False


ROWS = []


def row(number, name, **more):
    """Puts the function, of a Setting, that gives a Result into the table."""
    def keep(function):
        ROWS.append(Row(number, name, function, **more))
        return function
    return keep
