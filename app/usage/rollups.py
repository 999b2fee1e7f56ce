"""Additive totals of turns that identify no user, relationship or turn.

A roll-up holds integers only, so any grouping of the same turns gives the same numbers: days add up
to weeks, months and ranges. Averages and percentiles are derived last. It holds no id of a user, a
relationship or a turn.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from app.usage import histogram
from app.usage.histogram import PackedHistogram, bucket_of, packed, unpacked

Counts = Mapping[str, int]
Document = dict[str, Any]
_NONE: Counts = {}  # nobody writes to a roll-up's maps


class Rollup(NamedTuple):  # one is made for each day of an answer: in half a dataclass's time
    """Counts and sums over some turns; `Rollup()` is that of none.

    `latency_histogram` counts turns by `histogram.bucket_of` their latency, the other maps by name.
    `latency_min_ms` and `latency_max_ms` are bounds of every latency, None without one. They are
    exact but for days that an earlier release has archived: then they lie in the outer buckets.
    """

    by_status: Counts = _NONE
    personalities: Counts = _NONE
    emotions: Counts = _NONE
    models: Counts = _NONE
    latency_histogram: histogram.Counts = PackedHistogram()
    latency_sum_ms: int = 0
    turns_consumed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    latency_min_ms: int | None = None
    latency_max_ms: int | None = None

    @property
    def total_turns(self) -> int:
        """Turns of every status."""
        return sum(self.by_status.values())

    @property
    def average_latency_ms(self) -> float | None:
        """The mean latency, or None without turns."""
        count = self.total_turns  # every turn has a latency
        return self.latency_sum_ms / count if count else None

    def latency_percentiles_ms(self, *percents: int) -> list[int | None]:
        """Return the latencies that these percentages of turns do not exceed; None without turns.

        Exact below 64 ms, above it within `histogram.MAX_RELATIVE_ERROR`, and never outside what
        was measured.
        """
        found = packed(self.latency_histogram).percentiles_ms(*percents)
        return [None if latency is None else self._measured_ms(latency) for latency in found]

    def _measured_ms(self, latency_ms: int) -> int:
        """Return what is nearest to `latency_ms` between the least and the greatest latency."""
        least, greatest = self.latency_min_ms, self.latency_max_ms
        if least is None or greatest is None:
            return latency_ms
        return min(max(latency_ms, least), greatest)


# How many names of a kind a day keeps, so that nobody can fill its document (16 MB at most, and
# every answer reads it). The turns of further names are counted together.
MAX_NAMES = {"personalities": 5_000, "emotions": 500, "models": 500}
OTHERS = "~others"  # no pattern of a name allows it
# In the order of the fields.
NAMES = ("by_status", "personalities", "emotions", "models")
MAPS = (*NAMES, "latency_histogram")
SUMS = ("latency_sum_ms", "turns_consumed", "input_tokens", "output_tokens")
EXTREMES = ("latency_min_ms", "latency_max_ms")


def merged(rollups: Iterable[Rollup]) -> Rollup:
    """Return the roll-up of the turns in `rollups`, which share no turn."""
    parts = list(rollups)
    if len(parts) < 2:  # nearly always: a day's bucket
        return parts[0] if parts else Rollup()
    maps: dict[str, Counter[Any]] = {name: Counter() for name in MAPS}
    sums, extremes = Counter[str](), set[int | None]()
    for rollup in parts:
        for name in NAMES:
            maps[name].update(getattr(rollup, name))
        maps["latency_histogram"].update(unpacked(rollup.latency_histogram))
        for name in SUMS:
            sums[name] += getattr(rollup, name)
        extremes |= {getattr(rollup, name) for name in EXTREMES}
    return rollup_from(maps, sums, [extreme for extreme in extremes if extreme is not None])


def rollup_from(
    maps: Mapping[str, Mapping[Any, int]], sums: Mapping[str, int], latencies: Collection[int]
) -> Rollup:
    """Return the roll-up with these counts and sums; missing ones are 0.

    The least and the greatest latency are among `latencies`.
    """
    values: dict[str, Any] = {name: dict(maps.get(name, {})) for name in MAPS}
    values |= {name: sums.get(name, 0) for name in SUMS}
    least, greatest = min(latencies, default=None), max(latencies, default=None)
    return Rollup(**values, latency_min_ms=least, latency_max_ms=greatest)


def bounded(rollup: Rollup, known: Rollup) -> Rollup:
    """Return `rollup` with so few new names that `known` may grow by it; the rest is `OTHERS`."""
    kept: dict[str, Any] = {
        kind: _bounded(getattr(rollup, kind), getattr(known, kind), most)
        for kind, most in MAX_NAMES.items()
    }
    return rollup._replace(**kept)


def _bounded(added: Counts, known: Counts, most: int) -> Counts:
    new = [name for name in added if name not in known]
    room = max(most - len(known) + (OTHERS in known), 0)
    if len(new) <= room:  # nearly always
        return added
    left_out = set(sorted(new, key=lambda name: (-added[name], name))[room:]) - {OTHERS}
    kept = {name: count for name, count in added.items() if name not in left_out}
    return kept | {OTHERS: kept.get(OTHERS, 0) + sum(added[name] for name in left_out)}


def to_document(rollup: Rollup) -> Document:
    """Return the fields of a document that holds `rollup`.

    Names stand as they are, but for the signs that mean something in a path.
    """
    document: Document = {name: getattr(rollup, name) for name in SUMS}
    extremes = {name: getattr(rollup, name) for name in EXTREMES}
    document |= {name: extreme for name, extreme in extremes.items() if extreme is not None}
    for kind in NAMES:
        counts = getattr(rollup, kind)
        document[kind] = {_escaped(name): count for name, count in counts.items()}
    document["latency_histogram"] = packed(rollup.latency_histogram).data
    return document


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
    return Rollup._make((*map(_restored, counts), latencies, *sums, *extremes))


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


def _restored(counts: Counts) -> Counts:
    if "%" not in "".join(counts):  # nearly always
        return counts
    return {
        name.replace("%24", "$").replace("%2E", ".").replace("%25", "%"): count
        for name, count in counts.items()
    }
