"""Add up the sums of very many names in bounded memory, and show the largest."""

from collections.abc import Iterable
from heapq import nsmallest
from typing import NamedTuple

from app.usage.breakdown import Sums, Table
from app.usage.names import OTHERS

# Bounds memory. Only an account with very many names on each day has more of them in a bucket.
MAX_KEPT = 50_000


class Share(NamedTuple):
    """The sums of a name of a dimension."""

    name: str
    sums: Sums


class NamedSums:
    """Adds up tables of one dimension.

    Exact up to `max_kept` different names. Whenever there are more, those with the fewest turns so
    far are added to `OTHERS`: then the sums of a name may lack turns, which are in `OTHERS`.
    """

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._max_kept = max_kept
        self._table: dict[str, Sums] = {}
        self._others = Sums()

    def add(self, table: Table) -> None:
        """Add the sums of a table."""
        known = self._table
        for name, sums in table.items():
            other = known.get(name)
            known[name] = sums if other is None else other.plus(sums)
        if OTHERS in known:
            self._others = self._others.plus(known.pop(OTHERS))
        if len(known) > self._max_kept:
            self._keep_most_used(self._max_kept // 4)

    def _keep_most_used(self, count: int) -> None:
        # Sorting costs most: so it is done seldom, and without the names.
        ranked = sorted(self._table.items(), key=_turns_of, reverse=True)
        self._table = dict(ranked[:count])
        self._others = _sum([self._others, *(sums for _, sums in ranked[count:])])

    def largest(self, most: int) -> list[Share]:
        """Return the `most` names with the most turns, largest first, and `OTHERS` last.

        Of names with equally many turns the first in the alphabet are kept.
        """
        table = self._table
        names = nsmallest(most, table, lambda name: (-table[name].total_turns, name))
        kept = set(names)
        others = _sum([self._others, *(sums for name, sums in table.items() if name not in kept)])
        shown = [Share(name, table[name]) for name in names]
        return [*shown, *([Share(OTHERS, others)] if others != Sums() else [])]


def _turns_of(named: tuple[str, Sums]) -> int:
    return named[1].total_turns


def _sum(each: Iterable[Sums]) -> Sums:
    return Sums(*map(sum, zip(*each, strict=True)))
