"""Sums over turns that can be added to each other, in which nobody can be found again.

A roll-up holds integers only, so any grouping of the same turns gives the same numbers: days add up
to weeks, months and ranges. Averages and percentiles are derived last. It holds no id of a user, a
relationship or a turn.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.usage import histogram
from app.usage.histogram import PackedHistogram, packed

Counts = Mapping[str, int]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rollup:
    """Counts and sums over some turns; `Rollup()` is that of none.

    `latency_histogram` counts turns by `histogram.bucket_of` their latency, the other maps by name.
    """

    by_status: Counts = field(default_factory=dict)
    personalities: Counts = field(default_factory=dict)
    emotions: Counts = field(default_factory=dict)
    models: Counts = field(default_factory=dict)
    latency_histogram: histogram.Counts = field(default_factory=dict)
    latency_sum_ms: int = 0
    turns_consumed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total_turns(self) -> int:
        """Turns of every status."""
        return sum(self.by_status.values())

    @property
    def latency_count(self) -> int:
        """Turns whose latency is known."""
        return packed(self.latency_histogram).total

    @property
    def average_latency_ms(self) -> float | None:
        """The mean latency, or None without turns."""
        count = self.latency_count
        return self.latency_sum_ms / count if count else None

    def latency_percentiles_ms(self, *percents: int) -> list[int | None]:
        """The latencies that so many percent of the turns do not exceed; None without turns.

        Exact below 64 ms, above it within `histogram.MAX_RELATIVE_ERROR`.
        """
        return packed(self.latency_histogram).percentiles_ms(*percents)


NAMED_MAPS = ("by_status", "personalities", "emotions", "models")
MAPS = (*NAMED_MAPS, "latency_histogram")
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


def to_update(rollup: Rollup, before: histogram.Counts) -> Document:
    """The update that adds a roll-up to a document whose histogram is `before`.

    Counts and sums are added by the database. The histogram is written as a whole, so nobody else
    may have changed it since it was read.
    """
    increments = {name: getattr(rollup, name) for name in SUMS}
    for name in NAMED_MAPS:
        for key, count in getattr(rollup, name).items():
            increments[f"{name}.{_escaped(key)}"] = count
    both = Counter(dict(before)) + Counter(dict(rollup.latency_histogram))
    return {"$inc": increments, "$set": {"latency_histogram": packed(both).data}}


def histogram_of(document: Document) -> PackedHistogram:
    """The histogram that a document holds."""
    return PackedHistogram(document.get("latency_histogram", b""))


def from_document(document: Document) -> Rollup:
    """The roll-up that a document holds; what was never added counts as nothing."""
    values: dict[str, Any] = {name: document.get(name, 0) for name in SUMS}
    values |= {name: _restored(document[name]) for name in NAMED_MAPS if name in document}
    return Rollup(**values, latency_histogram=histogram_of(document))


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
