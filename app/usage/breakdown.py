"""Sums of turns by model, provider, personality, status, mode and API key.

Each turn counts once in every dimension, so the sums of a dimension are those of all turns. A turn
without a name counts under `NO_NAME`. Beyond a bound, further names count under `OTHERS`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from app.usage.names import OTHERS, left_out


class Sums(NamedTuple):
    """Sums over the turns with a name."""

    total_turns: int = 0
    turns_consumed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, other: "Sums") -> "Sums":
        """Return the sums over the turns of both."""
        return Sums(self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3])


Table = Mapping[str, Sums]
_NONE: Table = {}  # nobody writes to a breakdown's tables


class Breakdown(NamedTuple):
    """Sums over the same turns by the names of each dimension; `turns` is how many they cover.

    `model` has names as `openai/gpt-4o`, `key` has ids of API keys.
    """

    turns: int = 0
    model: Table = _NONE
    provider: Table = _NONE
    personality: Table = _NONE
    status: Table = _NONE
    mode: Table = _NONE
    key: Table = _NONE


NO_BREAKDOWN = Breakdown()
DIMENSIONS = ("model", "provider", "personality", "status", "mode", "key")
# How many names of a dimension a day keeps, beside our own ones.
MAX_NAMES = dict.fromkeys(DIMENSIONS, 500) | {"personality": 5_000}


def added_up(tables: Iterable[Table]) -> dict[str, Sums]:
    """Return the sums of each name in all `tables`."""
    return _summed(pair for table in tables for pair in table.items())


def merged_breakdowns(breakdowns: Iterable[Breakdown]) -> Breakdown:
    """Return the breakdown of the turns in `breakdowns`, which share no turn."""
    parts = [part for part in breakdowns if part != NO_BREAKDOWN]
    if len(parts) < 2:  # nearly always
        return parts[0] if parts else NO_BREAKDOWN
    tables = {name: added_up(getattr(part, name) for part in parts) for name in DIMENSIONS}
    return Breakdown(sum(part.turns for part in parts), **tables)


def bounded_breakdown(added: Breakdown, known: Breakdown) -> Breakdown:
    """Return `added` with so few new names that `known` may grow by it; the rest is `OTHERS`."""
    tables: dict[str, Any] = {
        name: _bounded(getattr(added, name), getattr(known, name), most)
        for name, most in MAX_NAMES.items()
    }
    return added._replace(**tables)


class BreakdownCounter:
    """Adds up the breakdown of any number of turns."""

    def __init__(self) -> None:
        self._turns = 0
        self._tables: dict[str, dict[str, list[int]]] = {name: {} for name in DIMENSIONS}

    def add(self, names: Mapping[str, str], sums: Sequence[int]) -> None:
        """Add turns with these names by dimension and these sums, in the order of `Sums`."""
        self._turns += sums[0]
        for dimension, name in names.items():
            known = self._tables[dimension].setdefault(name, [0, 0, 0, 0])
            for index, number in enumerate(sums):
                known[index] += number

    def breakdown(self) -> Breakdown:
        """Return the breakdown of all turns that were added."""
        tables = {name: _frozen(self._tables[name]) for name in DIMENSIONS}
        return Breakdown(self._turns, **tables)


def _frozen(table: Mapping[str, list[int]]) -> Table:
    return dict(zip(table, map(Sums._make, table.values()), strict=True))


def _summed(pairs: Iterable[tuple[str, Sums]]) -> dict[str, Sums]:
    found: dict[str, Sums] = {}
    for name, sums in pairs:
        known = found.get(name)
        found[name] = sums if known is None else known.plus(sums)
    return found


def _bounded(added: Table, known: Table, most: int) -> Table:
    gone = left_out({name: sums.total_turns for name, sums in added.items()}, known, most)
    if not gone:  # nearly always
        return added
    return _summed(_renamed(added, gone))


def _renamed(table: Table, gone: set[str]) -> Iterator[tuple[str, Sums]]:
    return ((OTHERS if name in gone else name, sums) for name, sums in table.items())
