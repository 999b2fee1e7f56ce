"""Store roll-ups as fields of a day's document, and read them back."""

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from typing import Any, TypeVar

from app.usage.breakdown import DIMENSIONS, NO_BREAKDOWN, Breakdown, Sums, Table
from app.usage.histogram import PackedHistogram, bucket_of, packed
from app.usage.rollups import EXTREMES, NAMES, SUMS, Document, Rollup

# An archiver of an earlier release leaves both as they are.
BREAKDOWN = "breakdown"
BREAKDOWN_TURNS = "breakdown_turns"
Value = TypeVar("Value")
_NONE: Document = {}


def to_document(rollup: Rollup) -> Document:
    """Return the fields of a document that holds `rollup`.

    Names stand as they are, but for the signs that mean something in a path. Each name of the
    breakdown has its four sums as an array, in the order of `Sums`.
    """
    document: Document = {name: getattr(rollup, name) for name in SUMS}
    extremes = {name: getattr(rollup, name) for name in EXTREMES}
    document |= {name: extreme for name, extreme in extremes.items() if extreme is not None}
    for kind in NAMES:
        counts = getattr(rollup, kind)
        document[kind] = {_escaped(name): count for name, count in counts.items()}
    document["latency_histogram"] = packed(rollup.latency_histogram).data
    return document | _breakdown_fields(rollup.breakdown)


def _breakdown_fields(breakdown: Breakdown) -> Document:
    tables = {
        dimension: {
            _escaped(name): list(sums) for name, sums in getattr(breakdown, dimension).items()
        }
        for dimension in DIMENSIONS
    }
    return {BREAKDOWN: tables, BREAKDOWN_TURNS: breakdown.turns}


class DamagedRollup(Exception):
    """A stored roll-up has a field of another type than its own: `field`."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def from_document(document: Document) -> Rollup:
    """Return the roll-up that a document holds; fields that are not there count as nothing.

    Raises DamagedRollup for a field of another type.
    """
    read = document.get
    counts = [read(kind, _NONE) for kind in NAMES]
    sums = [read(name, 0) for name in SUMS]
    if not _are_integers(counts, sums):
        raise DamagedRollup(_find_damaged(counts, sums))
    try:
        latencies = PackedHistogram(read("latency_histogram", b""))
    except (TypeError, ValueError):  # no bytes, or not of whole words
        raise DamagedRollup("latency_histogram") from None
    try:
        extremes = _extremes(read, latencies)
    except (TypeError, AttributeError):
        raise DamagedRollup(", ".join(EXTREMES)) from None
    has_breakdown = BREAKDOWN_TURNS in document or BREAKDOWN in document
    breakdown = _breakdown(document) if has_breakdown else NO_BREAKDOWN
    if "%" in "".join(chain.from_iterable(counts)):  # seldom
        counts = [_restored(names) for names in counts]
    return Rollup._make((*counts, latencies, *sums, *extremes, breakdown))


def _extremes(read: Callable[..., Any], latencies: PackedHistogram) -> tuple[int | None, ...]:
    """Return the least and the greatest latency that a document holds; None without turns.

    A document of an earlier release has neither. An archiver of that release adds turns to a day
    and leaves both as they are: then they are of use as long as their buckets are the outer ones.
    """
    if not latencies.data:
        return None, None
    first, last = latencies.outer_buckets()
    least, greatest = read("latency_min_ms", -1), read("latency_max_ms", -1)
    has_least, has_greatest = bucket_of(least) == first, bucket_of(greatest) == last
    if has_least and has_greatest:  # nearly always
        return least, greatest
    low, high = latencies.bounds_ms(read("latency_sum_ms", 0))
    return least if has_least else low, greatest if has_greatest else high


def _breakdown(document: Document) -> Breakdown:
    turns, tables = document.get(BREAKDOWN_TURNS, 0), document.get(BREAKDOWN, _NONE)
    if not isinstance(turns, int):
        raise DamagedRollup(BREAKDOWN_TURNS)
    if not isinstance(tables, dict):
        raise DamagedRollup(BREAKDOWN)
    read = {name: _table(name, tables[name]) for name in DIMENSIONS if name in tables}
    return Breakdown(turns, **read)


def _table(dimension: str, stored: Any) -> Table:
    """Return the sums of each name of a dimension."""
    if not (isinstance(stored, dict) and _are_sums(stored.values())):
        raise DamagedRollup(f"{BREAKDOWN}.{dimension}")
    return dict(zip(_restored(stored), map(Sums._make, stored.values()), strict=True))


def _are_sums(values: Collection[Any]) -> bool:
    """Return True if each of `values` is an array of as many integers as `Sums` has."""
    # In C, as below.
    is_whole = set(map(type, values)) <= {list} and set(map(len, values)) <= {len(Sums._fields)}
    return is_whole and _are_integers([], chain.from_iterable(values))


def _are_integers(counts: Iterable[Any], sums: Iterable[Any]) -> bool:
    """Return True if `counts` are maps of integers and `sums` are integers."""
    # Adding all up looks at each of them in C: a day may have thousands of names.
    try:
        return isinstance(sum(sums) + sum(map(sum, map(dict.values, counts))), int)
    except TypeError:
        return False


def _find_damaged(counts: Iterable[Any], sums: Iterable[Any]) -> str:
    """Return the names of the damaged fields."""
    damaged = [
        kind for kind, found in zip(NAMES, counts, strict=True) if not _are_integers([found], [])
    ]
    damaged += [
        name for name, found in zip(SUMS, sums, strict=True) if not _are_integers([], [found])
    ]
    return ", ".join(damaged)


def _escaped(name: str) -> str:
    # A dot in a path goes one level down, and a dollar means an operator.
    return name.replace("%", "%25").replace(".", "%2E").replace("$", "%24")


def _restored(named: Mapping[str, Value]) -> Mapping[str, Value]:
    return {
        name.replace("%24", "$").replace("%2E", ".").replace("%25", "%"): value
        for name, value in named.items()
    }
