"""Breakdowns add up in any grouping, keep few names, and lose no turn."""

from typing import Any

import bson
import pytest
from hypothesis import given

from app.usage.breakdown import (
    DIMENSIONS,
    MAX_NAMES,
    Breakdown,
    BreakdownCounter,
    Sums,
    added_up,
    bounded_breakdown,
    merged_breakdowns,
)
from app.usage.documents import DamagedRollup, from_document, to_document
from app.usage.names import NO_NAME, OTHERS
from app.usage.rollups import MAX_NAMES as MAX_OTHER_NAMES
from app.usage.rollups import Rollup, bounded
from app.usage.totals import total
from tests.unit.usage.breakdowns import breakdowns

pytestmark = pytest.mark.slow  # seconds of work

ONE = Sums(1, 2, 30, 40)
MOST_BYTES = 4_000_000  # a document of MongoDB has 16 MB
NAMES_AT_MOST = {"model": 129, "provider": 64, "personality": 64, "key": 40}


def all_of(table: dict[str, Sums]) -> Sums:
    """Return the sums of a whole dimension."""
    return added_up({"": sums} for sums in table.values()).get("", Sums())


def of_names(dimension: str, names: list[str]) -> Breakdown:
    """Return the breakdown of one turn for each name."""
    return Breakdown(len(names), **{dimension: added_up({name: ONE} for name in names)})


def test_turns_are_counted_in_every_dimension() -> None:
    counter = BreakdownCounter()
    names = dict.fromkeys(DIMENSIONS, "a")
    counter.add(names, [1, 2, 3, 4])
    counter.add(names | {"key": "b"}, [5, 6, 7, 8])

    found = counter.breakdown()

    both = {"a": Sums(6, 8, 10, 12)}
    tables = dict.fromkeys(DIMENSIONS, both) | {
        "key": {"a": Sums(1, 2, 3, 4), "b": Sums(5, 6, 7, 8)}
    }
    assert found == Breakdown(6, **tables)


@given(breakdowns, breakdowns)
def test_a_bounded_breakdown_has_the_same_sums(known: Breakdown, added: Breakdown) -> None:
    grown = merged_breakdowns([known, bounded_breakdown(added, known)])
    whole = merged_breakdowns([known, added])
    assert grown.turns == whole.turns
    for dimension in DIMENSIONS:
        assert all_of(getattr(grown, dimension)) == all_of(getattr(whole, dimension))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_no_day_keeps_more_names_than_are_allowed_and_no_turn_is_lost(dimension: str) -> None:
    day, most, turns = Breakdown(), MAX_NAMES[dimension], 0
    for first in range(0, 2 * most, most * 3 // 4):
        names = [NO_NAME, *(f"name_{number}" for number in range(first, first + most))]
        turns += len(names)
        day = merged_breakdowns([day, bounded_breakdown(of_names(dimension, names), day)])

    kept = getattr(day, dimension)
    assert len(kept) == most + 2
    assert kept[OTHERS].total_turns > 0
    assert kept[NO_NAME].total_turns == 3, "of turns without a name none is lost among the others"
    assert all_of(kept) == Sums(*(turns * number for number in ONE))


def test_the_names_with_the_most_turns_are_kept() -> None:
    most = MAX_NAMES["key"]
    known = of_names("key", [f"key_{number}" for number in range(most - 1)])
    added = of_names("key", ["rare", "key_0", "frequent", "frequent", "odd"])

    kept = bounded_breakdown(added, known).key

    assert {name: sums.total_turns for name, sums in kept.items()} == {
        "key_0": 1,
        "frequent": 2,
        OTHERS: 2,
    }


def full_day() -> Rollup:
    """Return a day with the most and the longest names, and large numbers."""
    tables = {
        dimension: {
            f"{number}".rjust(NAMES_AT_MOST.get(dimension, 32), "x"): Sums(*[2**50] * 4)
            for number in range(most + 9)
        }
        for dimension, most in MAX_NAMES.items()
    }
    maps: dict[str, Any] = {
        kind: {f"{number}".rjust(129, "x"): 2**50 for number in range(most + 9)}
        for kind, most in MAX_OTHER_NAMES.items()
    }
    return bounded(Rollup(**maps, breakdown=Breakdown(2**50, **tables)), Rollup())


def test_the_fullest_day_is_far_below_the_limit_of_a_document() -> None:
    document = to_document(full_day())
    assert len(document["breakdown"]["personality"]) == MAX_NAMES["personality"] + 1
    assert len(bson.encode(document)) < MOST_BYTES


DAMAGED: dict[str, dict[str, Any]] = {
    "breakdown_turns": {"breakdown_turns": "many"},
    "breakdown": {"breakdown": ["model"]},
    "breakdown.model": {"breakdown": {"model": 7}},
    "breakdown.provider": {"breakdown": {"provider": {"openai": 7}}},
    "breakdown.personality": {"breakdown": {"personality": {"ada": [1, 2, 3]}}},
    "breakdown.status": {"breakdown": {"status": {"failed": [1, 2, 3, 4.5]}}},
    "breakdown.mode": {"breakdown": {"mode": {"stateless": [1, 2, 3, None]}}},
    "breakdown.key": {"breakdown": {"key": {"key_1": "1234"}}},
}


@pytest.mark.parametrize("field", DAMAGED)
def test_a_damaged_breakdown_is_named(field: str) -> None:
    with pytest.raises(DamagedRollup) as raised:
        from_document(to_document(Rollup()) | DAMAGED[field])
    assert raised.value.field == field


def test_a_day_of_an_earlier_release_has_no_breakdown() -> None:
    document = to_document(Rollup(by_status={"completed": 3}))
    del document["breakdown"], document["breakdown_turns"]
    day = from_document(document)
    assert (day.total_turns, day.breakdown) == (3, Breakdown())
    assert not total([day], "key").is_breakdown_complete
    assert total([], "key").is_breakdown_complete
