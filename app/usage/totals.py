"""Add up the days of a bucket one after another, in bounded memory.

A day may hold thousands of names, and an answer has up to 180 days. So few days are in memory at a
time, a bucket shows its largest emotions only, and personalities are counted, not kept.
"""

from array import array
from collections.abc import Iterable
from heapq import nsmallest
from itertools import chain
from typing import NamedTuple

from app.usage.names import OTHERS
from app.usage.rollups import Counts, Rollup, merged

# Names that a bucket shows; the turns of the others are counted together as `OTHERS`.
MAX_SHOWN = 100


class Total(NamedTuple):
    """The roll-up of a bucket without its personalities, and how many different ones took part."""

    rollup: Rollup = Rollup()
    personalities_count: int = 0


def total(days: Iterable[Rollup]) -> Total:
    """Add up `days`, which share no turn; none keeps its personalities while others are read."""
    each = iter(days)
    first, second = next(each, Rollup()), next(each, None)
    if second is None:  # nearly always: a day's bucket
        return _shown(first, len(first.personalities) - (OTHERS in first.personalities))
    personalities = DistinctNames()
    counted = (_without_personalities(day, personalities) for day in chain((first, second), each))
    return _shown(merged(counted), len(personalities))


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
    shown = rollup._replace(personalities={}, emotions=largest(rollup.emotions))
    return Total(shown, personalities_count)
