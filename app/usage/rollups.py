"""Sums over turns that can be added to each other, in which nobody can be found again.

A roll-up holds integers only, so any grouping of the same turns gives the same numbers: days add up
to weeks, months and ranges. Averages and percentiles are derived last. It holds no id of a user, a
relationship or a turn.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

Counts = Mapping[str, int]
Histogram = Mapping[int, int]
Document = dict[str, Any]

# Buckets of latencies in each doubling; below twice as many milliseconds every value has its own.
SUB_BUCKETS = 32
_PRECISION_BITS = SUB_BUCKETS.bit_length()
# A percentile is off by at most this share of itself: half a bucket's width.
MAX_RELATIVE_ERROR = 1 / (2 * SUB_BUCKETS)


@dataclass(frozen=True, slots=True)
class Rollup:
    """Counts and sums over some turns; `Rollup()` is that of none.

    `latency_histogram` counts turns by `bucket_of` their latency, the other maps by name.
    """

    by_status: Counts = field(default_factory=dict)
    personalities: Counts = field(default_factory=dict)
    emotions: Counts = field(default_factory=dict)
    models: Counts = field(default_factory=dict)
    latency_histogram: Histogram = field(default_factory=dict)
    latency_sum_ms: int = 0
    turns_consumed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total_turns(self) -> int:
        """Turns of every status."""
        return sum(self.by_status.values())

    @property
    def personalities_count(self) -> int:
        """How many personalities took part; of a day with more than it keeps, those."""
        return len(self.personalities) - (OTHERS in self.personalities)

    @property
    def latency_count(self) -> int:
        """Turns whose latency is known."""
        return sum(self.latency_histogram.values())

    @property
    def average_latency_ms(self) -> float | None:
        """The mean latency, or None without turns."""
        count = self.latency_count
        return self.latency_sum_ms / count if count else None

    def latency_percentiles_ms(self, *percents: int) -> list[int | None]:
        """The latencies that so many percent of the turns do not exceed; None without turns.

        Exact below 64 ms, above it within `MAX_RELATIVE_ERROR`.
        """
        buckets = sorted(self.latency_histogram)
        if not buckets:
            return [None] * len(percents)
        reached = list(accumulate(self.latency_histogram[bucket] for bucket in buckets))
        ranks = (-(-reached[-1] * percent // 100) for percent in percents)
        return [middle_of(buckets[bisect_left(reached, rank)]) for rank in ranks]


# How many names of a kind a day keeps, so that nobody can fill its document (16 MB at most, and
# every answer reads it). The turns of further names are counted together.
MAX_NAMES = {"personalities": 5_000, "emotions": 500, "models": 500}
OTHERS = "~others"  # no pattern of a name allows it
MAPS = ("by_status", "personalities", "emotions", "models", "latency_histogram")
SUMS = ("latency_sum_ms", "turns_consumed", "input_tokens", "output_tokens")


def merged(rollups: Iterable[Rollup]) -> Rollup:
    """The roll-up of all turns that are in any of `rollups`, which share none."""
    parts = list(rollups)
    if len(parts) == 1:
        return parts[0]
    maps: dict[str, Counter[Any]] = {name: Counter() for name in MAPS}
    sums = Counter[str]()
    for rollup in parts:
        for name in MAPS:
            maps[name].update(getattr(rollup, name))
        for name in SUMS:
            sums[name] += getattr(rollup, name)
    return rollup_from(maps, sums)


def rollup_from(maps: Mapping[str, Mapping[Any, int]], sums: Mapping[str, int]) -> Rollup:
    """The roll-up with these counts and sums; what is left out is nothing."""
    values: dict[str, Any] = {name: dict(maps.get(name, {})) for name in MAPS}
    values |= {name: sums.get(name, 0) for name in SUMS}
    return Rollup(**values)


def bounded(rollup: Rollup, known: Rollup) -> Rollup:
    """What may be added to `known` without giving it too many names: the rest is `OTHERS`."""
    kept: dict[str, Any] = {
        kind: _bounded(getattr(rollup, kind), getattr(known, kind), most)
        for kind, most in MAX_NAMES.items()
    }
    return replace(rollup, **kept)


def _bounded(added: Counts, known: Counts, most: int) -> Counts:
    new = [name for name in added if name not in known]
    room = max(most - len(known) + (OTHERS in known), 0)
    if len(new) <= room:  # nearly always
        return added
    left_out = set(sorted(new, key=lambda name: (-added[name], name))[room:]) - {OTHERS}
    kept = {name: count for name, count in added.items() if name not in left_out}
    return kept | {OTHERS: kept.get(OTHERS, 0) + sum(added[name] for name in left_out)}


def bucket_of(latency_ms: int) -> int:
    """The number of the histogram's bucket, growing with the latency."""
    octave = max(latency_ms.bit_length() - _PRECISION_BITS, 0)
    return SUB_BUCKETS * octave + (latency_ms >> octave)


def middle_of(bucket: int) -> int:
    """The latency that stands for a bucket, milliseconds."""
    octave = max(bucket // SUB_BUCKETS - 1, 0)
    return (bucket - SUB_BUCKETS * octave << octave) + ((1 << octave) - 1) // 2


def to_increments(rollup: Rollup) -> dict[str, int]:
    """What to add to which path of a document that holds a roll-up."""
    increments = {name: getattr(rollup, name) for name in SUMS}
    for name in MAPS:
        for key, count in getattr(rollup, name).items():
            increments[f"{name}.{_escaped(str(key))}"] = count
    return increments


def from_document(document: Document) -> Rollup:
    """The roll-up that a document holds; what was never added counts as nothing."""
    maps: dict[str, Any] = {
        name: {_restored(key): count for key, count in document.get(name, {}).items()}
        for name in MAPS
        if name != "latency_histogram"
    }
    histogram = document.get("latency_histogram", {})
    maps["latency_histogram"] = {int(bucket): count for bucket, count in histogram.items()}
    return rollup_from(maps, document)


def _escaped(name: str) -> str:
    # A dot in a path goes one level down, and a dollar means an operator.
    return name.replace("%", "%25").replace(".", "%2E").replace("$", "%24")


def _restored(name: str) -> str:
    if "%" not in name:  # nearly always
        return name
    return name.replace("%24", "$").replace("%2E", ".").replace("%25", "%")
