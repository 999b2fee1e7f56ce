"""Roll-ups add up in any grouping, and say of latencies what the turns themselves would."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.usage.histogram import MAX_RELATIVE_ERROR, bucket_of, middle_of, packed
from app.usage.rollups import Rollup, from_document, histogram_of, merged, to_update

DAY_MS = 86_400_000
latencies = st.one_of(st.integers(0, 200), st.integers(0, DAY_MS))
counts = st.dictionaries(
    st.text("abc.$%/:@-2E45", min_size=1, max_size=6), st.integers(1, 9), max_size=4
)


@st.composite
def rollups(draw: st.DrawFn) -> Rollup:
    """Any roll-up."""
    values = draw(st.lists(latencies, max_size=6))
    return Rollup(
        by_status=draw(counts),
        personalities=draw(counts),
        emotions=draw(counts),
        models=draw(counts),
        latency_histogram=histogram(values),
        latency_sum_ms=sum(values),
        turns_consumed=draw(st.integers(0, 1_000)),
        input_tokens=draw(st.integers(0, 2**40)),
        output_tokens=draw(st.integers(0, 2**40)),
    )


def histogram(values: list[int]) -> dict[int, int]:
    buckets = [bucket_of(value) for value in values]
    return {bucket: buckets.count(bucket) for bucket in buckets}


def stored(*added: Rollup) -> dict[str, Any]:
    """A document to which the database has added roll-ups, path by path."""
    document: dict[str, Any] = {}
    for rollup in added:
        update = to_update(rollup, histogram_of(document))
        document |= update["$set"]
        for path, value in update["$inc"].items():
            *parts, name = path.split(".")
            place = document
            for part in parts:
                place = place.setdefault(part, {})
            place[name] = place.get(name, 0) + value
    return document


@given(st.lists(rollups(), max_size=6), st.randoms(use_true_random=False))
def test_every_grouping_gives_the_same_sum(parts: list[Rollup], chance: random.Random) -> None:
    shuffled = chance.sample(parts, len(parts))
    cut = chance.randint(0, len(parts))
    grouped = merged([merged(shuffled[:cut]), merged(shuffled[cut:])])
    assert grouped == merged(parts)


@given(rollups())
def test_a_rollup_of_nothing_changes_nothing(rollup: Rollup) -> None:
    assert merged([rollup, Rollup()]) == rollup


@given(rollups(), rollups())
def test_what_is_added_to_a_document_is_read_back_whatever_the_names(
    first: Rollup, second: Rollup
) -> None:
    assert from_document(stored(first, second)) == merged([first, second])


@given(rollups())
def test_no_name_can_lead_to_another_path(rollup: Rollup) -> None:
    assert all(path.count(".") <= 1 and "$" not in path for path in to_update(rollup, {})["$inc"])


@given(st.lists(latencies, max_size=50))
def test_a_packed_histogram_is_the_same_histogram(values: list[int]) -> None:
    counts = histogram(values)
    small = packed(counts)

    assert dict(small) == counts
    assert small.total == len(values)
    assert packed(small) is small
    assert bucket_of(10 * DAY_MS) not in small


@given(latencies)
def test_a_bucket_stands_for_its_latencies_within_the_promised_error(latency_ms: int) -> None:
    shown = middle_of(bucket_of(latency_ms))
    assert abs(shown - latency_ms) <= latency_ms * MAX_RELATIVE_ERROR
    assert latency_ms >= 64 or shown == latency_ms


@given(latencies, latencies)
def test_buckets_grow_with_the_latency(one_ms: int, other_ms: int) -> None:
    low, high = sorted((one_ms, other_ms))
    assert bucket_of(low) <= bucket_of(high)
    assert middle_of(bucket_of(low)) <= middle_of(bucket_of(high))


def test_buckets_leave_no_gap() -> None:
    seen = {bucket_of(latency_ms) for latency_ms in range(100_000)}
    assert seen == set(range(len(seen)))


@given(st.lists(latencies, min_size=1, max_size=50), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_the_one_of_the_latencies_within_the_promised_error(
    values: list[int], percent: int
) -> None:
    exact = sorted(values)[-(-len(values) * percent // 100) - 1]
    (shown,) = Rollup(latency_histogram=histogram(values)).latency_percentiles_ms(percent)
    assert shown is not None
    assert abs(shown - exact) <= exact * MAX_RELATIVE_ERROR


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_without_turns_there_is_no_latency(percent: int) -> None:
    assert Rollup().latency_percentiles_ms(percent) == [None]
    assert Rollup().average_latency_ms is None
