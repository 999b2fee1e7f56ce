"""Add up the sums of very many names in bounded memory, and show the largest."""

from heapq import nsmallest
from typing import NamedTuple

from app.usage.breakdown import Sums, Table, added_up
from app.usage.names import OTHERS

# More different names in a bucket only a breakdown by personality can have.
MAX_KEPT = 100_000


class Share(NamedTuple):
    """The sums of a name of a dimension."""

    name: str
    sums: Sums


class NamedSums:
    """Adds up tables of one dimension.

    Exact up to `max_kept` different names. Whenever there are more, the smaller half so far is
    added to `OTHERS`: then the sums of a name may lack turns, which are in those of `OTHERS`.
    """

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._max_kept = max_kept
        self._table: dict[str, Sums] = {}

    def add(self, table: Table) -> None:
        """Add the sums of a table."""
        known = self._table
        for name, sums in table.items():
            other = known.get(name)
            known[name] = sums if other is None else other.plus(sums)
        if len(known) > self._max_kept:
            self._table = dict(self.largest(self._max_kept // 2))

    def largest(self, most: int) -> list[Share]:
        """Return the `most` names with the most turns, largest first, and `OTHERS` last.

        Of names with equally many turns the first in the alphabet are kept.
        """
        names = self._table.keys() - {OTHERS}
        kept = nsmallest(most, names, lambda name: (-self._table[name].total_turns, name))
        shown = [Share(name, self._table[name]) for name in kept]
        gone = self._table.keys() - set(kept)
        others = added_up({OTHERS: self._table[name]} for name in gone)
        return [*shown, *(Share(OTHERS, sums) for sums in others.values())]
