"""Billing periods tile time and never forget the day they are anchored on."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tenancy.periods import Period, period_at

DAY_US = 86_400_000_000


def at(*moment: int) -> int:
    return (datetime(*moment, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )


def last_day_of(year: int, month: int) -> int:
    first_of_next = date(year + month // 12, month % 12 + 1, 1)
    return (first_of_next - timedelta(days=1)).day


@pytest.mark.parametrize(
    ("signed_up_on", "instant_us", "start", "end"),
    [
        (date(2026, 1, 31), at(2026, 2, 27, 23), "2026-01-31", "2026-02-28"),
        (date(2026, 1, 31), at(2026, 2, 28), "2026-02-28", "2026-03-31"),
        (date(2026, 1, 31), at(2026, 3, 30), "2026-02-28", "2026-03-31"),
        (date(2026, 1, 31), at(2026, 3, 31), "2026-03-31", "2026-04-30"),
        (date(2024, 1, 31), at(2024, 2, 29), "2024-02-29", "2024-03-31"),
        (date(2024, 2, 29), at(2025, 2, 28), "2025-02-28", "2025-03-29"),
        (date(2024, 2, 29), at(2028, 2, 29), "2028-02-29", "2028-03-29"),
        (date(2026, 11, 5), at(2026, 12, 31, 23), "2026-12-05", "2027-01-05"),
        (date(2026, 11, 5), at(2027, 1, 4, 23), "2026-12-05", "2027-01-05"),
        (date(2026, 11, 1), at(2026, 11, 1), "2026-11-01", "2026-12-01"),
        (date(2026, 11, 5), at(2026, 10, 20), "2026-10-05", "2026-11-05"),
    ],
)
def test_a_period_starts_on_the_anchor_or_on_the_last_day_of_a_shorter_month(
    signed_up_on: date, instant_us: int, start: str, end: str
) -> None:
    period = period_at(signed_up_on, instant_us)

    assert (period.label, period.end.date().isoformat()) == (start, end)
    assert period.start_us <= instant_us < period.end_us


@pytest.mark.parametrize("anchor", range(1, 32))
@pytest.mark.parametrize("year", [2023, 2024, 2100])
def test_thirteen_months_of_every_anchor_are_contiguous_and_clamped(anchor: int, year: int) -> None:
    signed_up_on = date(year, 1, anchor)
    period = period_at(signed_up_on, at(year, 1, anchor))
    for month in range(13):
        expected_year, expected_month = year + month // 12, month % 12 + 1
        day = min(anchor, last_day_of(expected_year, expected_month))
        assert period.start == datetime(expected_year, expected_month, day, tzinfo=UTC)
        following = period_at(signed_up_on, period.end_us)
        assert following.start == period.end
        assert period_at(signed_up_on, period.end_us - 1) == period
        period = following


@given(
    signed_up_on=st.dates(date(2000, 1, 1), date(2100, 12, 31)),
    instant_us=st.integers(at(2000, 3, 1), at(2100, 12, 31)),
)
def test_every_instant_lies_in_the_one_period_that_its_edges_agree_on(
    signed_up_on: date, instant_us: int
) -> None:
    period = period_at(signed_up_on, instant_us)

    assert period.start_us <= instant_us < period.end_us
    assert 28 * DAY_US <= period.end_us - period.start_us <= 31 * DAY_US
    assert period_at(signed_up_on, period.start_us) == period
    assert period_at(signed_up_on, period.end_us - 1) == period
    assert period_at(signed_up_on, period.start_us - 1).end == period.start


def test_bounds_are_utc_midnights_in_exact_microseconds() -> None:
    period = period_at(date(2026, 11, 5), at(2026, 11, 23, 19, 52))

    assert period == Period(datetime(2026, 11, 5, tzinfo=UTC), datetime(2026, 12, 5, tzinfo=UTC))
    assert (period.start_us, period.end_us) == (1_793_836_800_000_000, 1_796_428_800_000_000)
