"""Add up the days of a bucket one after another, in bounded memory.

A day may hold thousands of names, and an answer has up to 180 days. So few days are in memory at a
time, a bucket shows its largest emotions and its largest part of a breakdown only, and
personalities are counted, not kept.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from itertools import chain
from typing import NamedTuple

from app.usage.breakdown import NO_BREAKDOWN
from app.usage.named_sums import NamedSums, Share
from app.usage.names import MAX_SHOWN, OTHERS
from app.usage.rollups import Counts, Rollup, merged

_NO_TURNS = Rollup()


class Total(NamedTuple):
    """The roll-up of a bucket without personalities and breakdown, and what is shown of these.

    - `personalities_count`: so many different personalities took part.
    - `shares`: the sums of a dimension by name, the largest first; None if none was asked for.
    - `is_breakdown_complete`: the shares cover all turns. They do not if an archiver of an earlier
      release, before an upgrade or beside this one, has added turns: it leaves the breakdown as is.
    """

    rollup: Rollup = _NO_TURNS
    personalities_count: int = 0
    shares: Sequence[Share] | None = None
    is_breakdown_complete: bool = True


def total(days: Iterable[Rollup], dimension: str | None = None) -> Total:
    """Add up `days`, which share no turn; none keeps its names while others are read."""
    if dimension is None:
        return _total(days)
    sums, covered = NamedSums(), Counter[str]()
    found = _total(_without_breakdown(day, dimension, sums, covered) for day in days)
    is_complete = covered["turns"] == found.rollup.total_turns
    return found._replace(shares=sums.largest(MAX_SHOWN), is_breakdown_complete=is_complete)


def _total(days: Iterable[Rollup]) -> Total:
    each = iter(days)
    first, second = next(each, _NO_TURNS), next(each, None)
    if second is None:  # nearly always: a day's bucket
        return _shown(first, len(first.personalities) - (OTHERS in first.personalities))
    personalities = DistinctNames()
    counted = (_without_personalities(day, personalities) for day in chain((first, second), each))
    return _shown(merged(counted), len(personalities))


def _without_breakdown(
    day: Rollup, dimension: str, sums: NamedSums, covered: Counter[str]
) -> Rollup:
    sums.add(getattr(day.breakdown, dimension))
    covered["turns"] += day.breakdown.turns
    return day._replace(breakdown=NO_BREAKDOWN)


def largest(counts: Counts, most: int = MAX_SHOWN) -> Counts:
    """Return the `most` largest counts, and the sum of the others as `OTHERS`.

    Of names with equal counts the first in the alphabet are kept.
    """
    if len(counts) - (OTHERS in counts) <= most:
        return counts
    names = counts.keys() - {OTHERS}
    kept = {name: counts[name] for name in nsmallest(most, names, lambda n: (-counts[n], n))}
    return kept | {OTHERS: sum(counts.values()) - sum(kept.values())}


class DistinctNames:
    """Counts different names in bounded memory.

    The first `most_exact` names are kept. When there are more, only 64 bits of each are kept: of a
    million different names two look alike once in 40 million answers.
    """

    _SHARDS_COUNT = 256

    def __init__(self, most_exact: int = 20_000) -> None:
        self._most_exact = most_exact
        self._names: set[str] = set()
        self._shards: list[array[int]] = []

    def add(self, names: Iterable[str]) -> None:
        """Count `names`; `OTHERS` is none."""
        self._names.update(names)
        self._names.discard(OTHERS)
        if len(self._names) > self._most_exact:
            self._compress()

    def __len__(self) -> int:
        """Return the number of different names."""
        if not self._shards:
            return len(self._names)
        self._compress()
        return sum(len(set(shard)) for shard in self._shards)

    def _compress(self) -> None:
        # Names that were added again are here again: 8 bytes each time.
        self._shards = self._shards or [array("q") for _ in range(self._SHARDS_COUNT)]
        for name in self._names:
            bits = hash(name)
            self._shards[bits % self._SHARDS_COUNT].append(bits)
        self._names = set()


def _without_personalities(day: Rollup, personalities: DistinctNames) -> Rollup:
    personalities.add(day.personalities)
    return day._replace(personalities={})


def _shown(rollup: Rollup, personalities_count: int) -> Total:
    by_status, _, emotions, *others = rollup  # in half the time of `_replace`
    shown = Rollup._make((by_status, {}, largest(emotions), *others))
    return Total(shown, personalities_count)
