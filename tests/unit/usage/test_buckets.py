"""Buckets tile time in UTC, whatever instants a range begins and ends at."""

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.durations import DAY_MS
from app.usage.buckets import Bucket, Grouping, Range, buckets_of, day_of, start_ms

_SPANS_MS = st.one_of(st.integers(1, 3 * DAY_MS), st.integers(1, 900 * DAY_MS))
RANGES = st.builds(
    lambda start, span: Range(start, start + span),
    st.integers(0, 4_102_444_800_000),
    _SPANS_MS,
)
GROUPINGS = st.sampled_from(Grouping)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def days(first: str, last: str) -> Range:
    """Return the range from the first midnight to the last."""
    return Range(ms(first), ms(last))


@given(RANGES, GROUPINGS)
def test_buckets_tile_the_range_without_gap_or_overlap(asked: Range, grouping: Grouping) -> None:
    found = buckets_of(asked, grouping)

    assert found[0].start_ms <= asked.start_ms < found[0].end_ms
    assert found[-1].start_ms < asked.end_ms <= found[-1].end_ms
    assert all(one.end == following.start for one, following in itertools.pairwise(found))


@given(RANGES)
def test_weeks_begin_on_monday_and_months_on_the_first(asked: Range) -> None:
    weeks, months = buckets_of(asked, Grouping.WEEK), buckets_of(asked, Grouping.MONTH)

    assert {(week.start.isoweekday(), (week.end - week.start).days) for week in weeks} == {(1, 7)}
    assert {(month.start.day, month.end.day) for month in months} == {(1, 1)}
    assert all((month.end - month.start).days <= 31 for month in months)


@given(RANGES, GROUPINGS)
def test_the_days_of_all_buckets_are_the_days_between_their_ends(
    asked: Range, grouping: Grouping
) -> None:
    found = buckets_of(asked, grouping)
    each = [date.fromisoformat(day) for bucket in found for day in bucket.days()]

    assert each == [found[0].start + timedelta(days=n) for n in range(len(each))]
    assert each[-1] + timedelta(days=1) == found[-1].end


@given(RANGES)
def test_a_split_range_is_its_cut_ends_and_the_whole_days_between(asked: Range) -> None:
    ends, whole = asked.split()
    parts = sorted([*ends, *([whole] if whole else [])], key=lambda part: part.start_ms)

    assert (parts[0].start_ms, parts[-1].end_ms) == (asked.start_ms, asked.end_ms)
    assert all(a.end_ms == b.start_ms for a, b in itertools.pairwise(parts))
    assert all(end.first_day == end.last_day for end in ends)
    assert all(end.end_ms - end.start_ms < DAY_MS for end in ends)
    if whole:
        assert (whole.start_ms % DAY_MS, whole.end_ms % DAY_MS) == (0, 0)


@given(RANGES, GROUPINGS, st.integers(0, 4_102_444_800_000))
def test_only_a_bucket_within_the_range_and_the_past_is_complete(
    asked: Range, grouping: Grouping, now_ms: int
) -> None:
    first, end = asked.ended_days(now_ms)
    for bucket in buckets_of(asked, grouping):
        cut = bucket.start_ms < asked.start_ms or asked.end_ms < bucket.end_ms
        assert bucket.is_within(first, end) == (not cut and bucket.end_ms <= now_ms)


@pytest.mark.parametrize(
    ("grouping", "asked", "bounds"),
    [
        (Grouping.DAY, days("2024-02-28", "2024-03-01"), ["2024-02-28", "2024-02-29"]),
        (Grouping.DAY, days("2026-11-23", "2026-11-24"), ["2026-11-23"]),
        # ISO weeks know no years: the one around New Year is whole.
        (Grouping.WEEK, days("2026-12-31", "2027-01-05"), ["2026-12-28", "2027-01-04"]),
        (Grouping.WEEK, days("2026-11-22", "2026-11-23"), ["2026-11-16"]),
        (Grouping.MONTH, days("2026-01-31", "2026-03-01"), ["2026-01-01", "2026-02-01"]),
        (Grouping.MONTH, days("2025-12-15", "2026-01-02"), ["2025-12-01", "2026-01-01"]),
        (Grouping.DAY, Range(ms("2026-11-23") - 1, ms("2026-11-23")), ["2026-11-22"]),
        (Grouping.DAY, Range(ms("2026-11-23"), ms("2026-11-23") + 1), ["2026-11-23"]),
    ],
)
def test_calendars_edges(grouping: Grouping, asked: Range, bounds: list[str]) -> None:
    found = buckets_of(asked, grouping)

    assert [bucket.start for bucket in found] == [date.fromisoformat(text) for text in bounds]


def test_a_cut_bucket_keeps_its_bounds() -> None:
    (month,) = buckets_of(days("2026-11-10", "2026-11-20"), Grouping.MONTH)

    assert month == Bucket(date(2026, 11, 1), date(2026, 12, 1))
    asked = days("2026-11-10", "2026-11-20")
    assert not month.is_within(*asked.ended_days(ms("2030-01-01")))


@given(st.integers(0, 4_102_444_800_000))
def test_a_day_holds_its_instants(at_ms: int) -> None:
    day = day_of(at_ms)

    assert start_ms(day) <= at_ms < start_ms(day + timedelta(days=1))
    assert day == datetime.fromtimestamp(at_ms / 1_000, UTC).date()
