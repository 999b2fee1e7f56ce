"""A span as both encodings have it, with only what may become part of a turn."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

T = TypeVar("T")

# Many more than exporters send at once.
MOST_SPANS = 50_000
MOST_ATTRIBUTES = 200_000
# A text, a number, or a list of texts.
Value = str | int | float | tuple[str, ...]


class Span(NamedTuple):
    """A span of a request.

    `attributes` are those that were looked up, `dropped` the names of the others. Ids are lower
    case hex, instants nanoseconds since 1970; `parent_id` is "" for a root.
    """

    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    is_error: bool
    attributes: Mapping[str, Value]
    dropped: tuple[str, ...]


class Malformed(Exception):
    """The body is no export of traces; the message follows the name of the body."""


class AttributeCount:
    """Counts attributes of one body; an empty one has two bytes, and hundreds as an object."""

    def __init__(self) -> None:
        self._left = MOST_ATTRIBUTES

    def add(self, count: int) -> None:
        """Add to the attributes; Malformed once they are too many."""
        self._left -= count
        if self._left < 0:
            raise too_many_attributes()


def pick(
    named: Iterable[tuple[str, T]],
    wanted: frozenset[str],
    value_of: Callable[[T], Value | None],
) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Return the values of wanted attributes, and the names of all others."""
    values: dict[str, Value] = {}
    dropped = []
    for name, attribute in named:
        value = value_of(attribute) if name in wanted else None
        if value is None:
            dropped.append(name)
        else:
            values[name] = value
    return values, tuple(dropped)


def too_many_spans() -> Malformed:
    """Return the error of a body with more than `MOST_SPANS`."""
    return Malformed(f"has more than {MOST_SPANS:,} spans; send fewer")


def too_many_attributes() -> Malformed:
    """Return the error of a body whose attributes would take far more memory than it has bytes."""
    return Malformed(f"has more than {MOST_ATTRIBUTES:,} attributes; send fewer spans")
