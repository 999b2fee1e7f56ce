"""Totals of a bucket: the same numbers as without a bound, in bounded memory."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.usage.names import MAX_SHOWN, OTHERS
from app.usage.rollups import MAX_NAMES, Rollup, merged
from app.usage.totals import DistinctNames, Total, largest, total

pytestmark = pytest.mark.slow  # seconds of work

NAMES = st.text("abc", min_size=1, max_size=3)
COUNTS = st.dictionaries(st.one_of(NAMES, st.just(OTHERS)), st.integers(1, 5), max_size=20)
DAYS_COUNT = 30


@given(COUNTS, st.integers(0, 8))
def test_the_largest_names_are_kept_and_no_turn_is_lost(counts: dict[str, int], most: int) -> None:
    shown = largest(counts, most)

    kept = shown.keys() - {OTHERS}
    assert len(kept) == min(most, len(counts.keys() - {OTHERS}))
    assert sum(shown.values()) == sum(counts.values())
    assert all(shown[name] == counts[name] for name in kept)
    left_out = counts.keys() - kept - {OTHERS}
    ranked = sorted(counts.keys() - {OTHERS}, key=lambda name: (-counts[name], name))
    assert ranked == sorted(kept, key=ranked.index) + sorted(left_out, key=ranked.index)


def test_few_names_are_shown_as_they_are() -> None:
    counts = {f"word_{number}": 1 for number in range(MAX_SHOWN)}

    assert largest(counts) == counts
    assert largest(counts | {OTHERS: 3}) == counts | {OTHERS: 3}
    assert largest({"b": 1, "c": 1, "a": 1}, 2) == {"a": 1, "b": 1, OTHERS: 1}


@pytest.mark.parametrize("most_exact", [0, 1, 5, 1_000])
@given(names=st.lists(st.lists(st.one_of(NAMES, st.just(OTHERS)))))
def test_different_names_are_counted_whether_or_not_they_are_kept(
    most_exact: int, names: list[list[str]]
) -> None:
    counted = DistinctNames(most_exact)
    for some in names:
        counted.add(some)

    expected = {name for some in names for name in some} - {OTHERS}
    assert len(counted) == len(expected)
    assert len(counted) == len(expected)


@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=5))
def test_a_total_is_the_sum_of_its_days(days: list[tuple[dict[str, int], dict[str, int]]]) -> None:
    rollups = [
        Rollup(by_status={"completed": 1}, personalities=some, emotions=emotions, turns_consumed=2)
        for some, emotions in days
    ]

    found = total(iter(rollups))

    whole = merged(rollups)
    assert found.rollup == whole._replace(personalities={})
    assert found.personalities_count == len(whole.personalities.keys() - {OTHERS})


def test_without_days_there_is_nothing() -> None:
    assert total([]) == Total()


def full_days() -> Iterator[Rollup]:
    """Return days with all the names that they keep, none of them in two days."""
    for day in range(DAYS_COUNT):
        personalities = {f"{day}_{n}".ljust(64, "x"): 1 for n in range(MAX_NAMES["personalities"])}
        emotions = {f"{day}_{n}".ljust(40, "x"): 1 for n in range(MAX_NAMES["emotions"])}
        yield Rollup(personalities=personalities, emotions=emotions)


def test_the_fullest_days_are_added_up_in_bounded_memory() -> None:
    tracemalloc.start()
    try:
        found = total(full_days())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found.personalities_count == DAYS_COUNT * MAX_NAMES["personalities"]
    assert sum(found.rollup.emotions.values()) == DAYS_COUNT * MAX_NAMES["emotions"]
    # All days at once are more than 30 MB.
    assert peak_bytes < 15_000_000
