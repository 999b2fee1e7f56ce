"""Roll-ups add up in any grouping, and say of latencies what the turns themselves would."""

import random

import pytest
from bson import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from app.usage.documents import from_document, to_document
from app.usage.histogram import MAX_RELATIVE_ERROR, bucket_of, middle_of, packed, unpacked
from app.usage.names import OTHERS
from app.usage.rollups import MAX_NAMES, NAMES, Rollup, bounded, merged
from tests.unit.usage.breakdowns import breakdowns

pytestmark = pytest.mark.slow  # seconds of work

DAY_MS = 86_400_000
PERCENTS = (50, 95, 99)
latencies = st.one_of(st.integers(0, 200), st.integers(0, DAY_MS))
counts = st.dictionaries(
    st.text("abc.$%/:@-2E45", min_size=1, max_size=6), st.integers(1, 9), max_size=4
)


@st.composite
def rollups(draw: st.DrawFn) -> Rollup:
    """Draw any roll-up."""
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
        latency_min_ms=min(values, default=None),
        latency_max_ms=max(values, default=None),
        breakdown=draw(breakdowns),
    )


def histogram(values: list[int]) -> dict[int, int]:
    buckets = [bucket_of(value) for value in values]
    return {bucket: buckets.count(bucket) for bucket in buckets}


@given(st.lists(rollups(), max_size=6), st.randoms(use_true_random=False))
def test_every_grouping_gives_the_same_sum(parts: list[Rollup], chance: random.Random) -> None:
    shuffled = chance.sample(parts, len(parts))
    cut = chance.randint(0, len(parts))
    grouped = merged([merged(shuffled[:cut]), merged(shuffled[cut:])])
    assert grouped == merged(parts)


@given(rollups())
def test_a_rollup_of_nothing_changes_nothing(rollup: Rollup) -> None:
    assert merged([rollup, Rollup()]) == rollup


@given(rollups())
def test_what_a_document_holds_is_read_back_whatever_the_names(rollup: Rollup) -> None:
    assert from_document(decode(encode(to_document(rollup)))) == rollup


@given(rollups())
def test_no_name_means_anything_in_a_path(rollup: Rollup) -> None:
    document = to_document(rollup)
    tables = [document[kind] for kind in NAMES] + list(document["breakdown"].values())
    names = {name for table in tables for name in table}
    assert not [name for name in names if "." in name or "$" in name]


def test_the_histogram_of_a_document_can_be_read_by_its_description() -> None:
    data = to_document(Rollup(latency_histogram={300: 2**40, 7: 1}))["latency_histogram"]
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    assert words == [7, 300, 1, 2**40 + 1]


@given(st.lists(latencies, max_size=50))
def test_a_packed_histogram_is_the_same_histogram(values: list[int]) -> None:
    counts = histogram(values)
    small = packed(counts)

    assert dict(small) == counts == unpacked(small)
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


def of_latencies(values: list[int]) -> Rollup:
    """Return the roll-up of turns with these latencies."""
    return merged(
        Rollup(
            latency_histogram={bucket_of(value): 1},
            latency_sum_ms=value,
            latency_min_ms=value,
            latency_max_ms=value,
        )
        for value in values
    )


def forgotten(rollup: Rollup) -> Rollup:
    """Return it as read from a document of a release without least and greatest latency."""
    document = to_document(rollup)
    del document["latency_min_ms"], document["latency_max_ms"]
    return from_document(document)


def assert_percentiles(rollup: Rollup, values: list[int]) -> None:
    """Require rising percentiles within the measured range, near the exact ones."""
    shown = rollup.latency_percentiles_ms(*PERCENTS)
    exact = [sorted(values)[-(-len(values) * percent // 100) - 1] for percent in PERCENTS]
    assert shown == sorted(value for value in shown if value is not None)
    assert min(values) <= (shown[0] or 0) <= (shown[-1] or 0) <= max(values)
    assert all(
        abs((near or 0) - value) <= value * MAX_RELATIVE_ERROR
        for near, value in zip(shown, exact, strict=True)
    )


@given(st.lists(latencies, min_size=1, max_size=50))
def test_percentiles_are_those_of_the_latencies_within_the_promised_error(
    values: list[int],
) -> None:
    assert_percentiles(of_latencies(values), values)
    assert_percentiles(from_document(to_document(of_latencies(values))), values)


@given(latencies, st.integers(1, 5))
def test_turns_that_all_took_as_long_have_no_other_percentile(latency_ms: int, count: int) -> None:
    rollup = of_latencies([latency_ms] * count)
    assert set(rollup.latency_percentiles_ms(*PERCENTS)) == {latency_ms}
    assert set(forgotten(of_latencies([latency_ms])).latency_percentiles_ms(50)) == {latency_ms}


@given(st.lists(latencies, min_size=1, max_size=9), st.lists(latencies, max_size=9))
def test_days_without_extremes_add_up_with_others(old: list[int], new: list[int]) -> None:
    """Require percentiles of an old day inside its buckets."""
    grown = merged([forgotten(of_latencies(old)), of_latencies(new)])
    shown = grown.latency_percentiles_ms(*PERCENTS)
    exact = of_latencies(old + new)
    assert grown.latency_min_ms is not None
    assert grown.latency_max_ms is not None
    assert bucket_of(grown.latency_min_ms) == bucket_of(min(old + new))
    assert bucket_of(grown.latency_max_ms) == bucket_of(max(old + new))
    assert [bucket_of(value or 0) for value in shown] == [
        bucket_of(value or 0) for value in exact.latency_percentiles_ms(*PERCENTS)
    ]


@given(st.lists(latencies, min_size=1, max_size=9), st.lists(latencies, min_size=1, max_size=9))
def test_extremes_that_an_earlier_release_left_behind_do_no_harm(
    first: list[int], added: list[int]
) -> None:
    """Write every field that the earlier release knows, and leave the extremes."""
    stored = to_document(of_latencies(first))
    written = to_document(of_latencies(first + added))
    del written["latency_min_ms"], written["latency_max_ms"]
    rollup = from_document(stored | written)
    shown = rollup.latency_percentiles_ms(*PERCENTS)
    exact = of_latencies(first + added).latency_percentiles_ms(*PERCENTS)
    assert [bucket_of(value or 0) for value in shown] == [bucket_of(value or 0) for value in exact]


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_without_turns_there_is_no_latency(percent: int) -> None:
    assert Rollup().latency_percentiles_ms(percent) == [None]
    assert Rollup().average_latency_ms is None


@given(rollups(), rollups())
def test_few_names_are_all_kept(known: Rollup, added: Rollup) -> None:
    assert bounded(added, known) == added


@pytest.mark.parametrize("kind", sorted(MAX_NAMES))
def test_no_day_keeps_more_names_than_are_allowed_and_no_turn_is_lost(kind: str) -> None:
    day, turns = Rollup(), 0
    for first in range(0, 2 * MAX_NAMES[kind], MAX_NAMES[kind] * 3 // 4):
        names = {f"name_{number}": 1 for number in range(first, first + MAX_NAMES[kind])}
        turns += len(names)
        day = merged([day, bounded(Rollup(**{kind: names}), day)])
    kept = getattr(day, kind)
    assert len(kept) == MAX_NAMES[kind] + 1
    assert kept[OTHERS] > 0
    assert sum(kept.values()) == turns


def test_the_names_with_the_most_turns_are_kept() -> None:
    known = Rollup(emotions={f"word_{number}": 1 for number in range(MAX_NAMES["emotions"] - 1)})
    added = bounded(Rollup(emotions={"rare": 1, "word_0": 2, "frequent": 3, "odd": 1}), known)
    assert added.emotions == {"word_0": 2, "frequent": 3, OTHERS: 2}
