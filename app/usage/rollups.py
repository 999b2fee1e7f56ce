"""Additive totals of turns that identify no user, relationship or turn.

A roll-up holds integers only, so any grouping of the same turns gives the same numbers: days add up
to weeks, months and ranges. Averages and percentiles are derived last. It holds no id of a user, a
relationship or a turn.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from app.usage import histogram
from app.usage.breakdown import NO_BREAKDOWN, Breakdown, bounded_breakdown, merged_breakdowns
from app.usage.histogram import PackedHistogram, packed, unpacked
from app.usage.names import OTHERS, left_out

Counts = Mapping[str, int]
Document = dict[str, Any]
_NONE: Counts = {}  # nobody writes to a roll-up's maps


class Rollup(NamedTuple):  # one is made for each day of an answer: in half a dataclass's time
    """Counts and sums over some turns; `Rollup()` is that of none.

    `latency_histogram` counts turns by `histogram.bucket_of` their latency, the other maps by name.
    `latency_min_ms` and `latency_max_ms` are bounds of every latency, None without one. They are
    exact but for days that an earlier release has archived: then they lie in the outer buckets.
    `breakdown` has the sums by model and the like. Most answers do not read it.
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
    breakdown: Breakdown = NO_BREAKDOWN

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
        least, greatest = self.latency_min_ms, self.latency_max_ms
        if least is None or greatest is None:
            return found
        # Not by `min` and `max`: an answer has 540 of these.
        return [
            latency
            if latency is None or least <= latency <= greatest
            else least
            if latency < least
            else greatest
            for latency in found
        ]


# How many names of a kind a day keeps, so that nobody can fill its document (16 MB at most, and
# every answer reads it). The turns of further names are counted together.
MAX_NAMES = {"personalities": 5_000, "emotions": 500, "models": 500}
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
    latencies = [extreme for extreme in extremes if extreme is not None]
    breakdown = merged_breakdowns(rollup.breakdown for rollup in parts)
    return rollup_from(maps, sums, latencies, breakdown)


def rollup_from(
    maps: Mapping[str, Mapping[Any, int]],
    sums: Mapping[str, int],
    latencies: Collection[int],
    breakdown: Breakdown = NO_BREAKDOWN,
) -> Rollup:
    """Return the roll-up with these counts and sums; missing ones are 0.

    The least and the greatest latency are among `latencies`.
    """
    values: dict[str, Any] = {name: dict(maps.get(name, {})) for name in MAPS}
    values |= {name: sums.get(name, 0) for name in SUMS}
    least, greatest = min(latencies, default=None), max(latencies, default=None)
    return Rollup(**values, latency_min_ms=least, latency_max_ms=greatest, breakdown=breakdown)


def bounded(rollup: Rollup, known: Rollup) -> Rollup:
    """Return `rollup` with so few new names that `known` may grow by it; the rest is `OTHERS`."""
    kept: dict[str, Any] = {
        kind: _bounded(getattr(rollup, kind), getattr(known, kind), most)
        for kind, most in MAX_NAMES.items()
    }
    breakdown = bounded_breakdown(rollup.breakdown, known.breakdown)
    return rollup._replace(**kept, breakdown=breakdown)


def _bounded(added: Counts, known: Counts, most: int) -> Counts:
    gone = left_out(added, known, most)
    if not gone:  # nearly always
        return added
    kept = {name: count for name, count in added.items() if name not in gone}
    return kept | {OTHERS: kept.get(OTHERS, 0) + sum(added[name] for name in gone)}
