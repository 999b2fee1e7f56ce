"""Instants: exact to the millisecond, and never guessed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.instants import format_datetime, format_ms, parse_ms, parse_ns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Days from either end of what `datetime` holds, so that every offset fits.
MOMENTS = st.integers(-62_135_400_000, 253_402_200_000).map(
    lambda seconds: EPOCH + timedelta(seconds=seconds)
)
ZONES = st.integers(-23 * 60, 23 * 60)


def exact_ns(moment: datetime, nanoseconds: int) -> int:
    return (moment - EPOCH) // timedelta(seconds=1) * 10**9 + nanoseconds


@given(st.integers(-(10**13), 2 * 10**14))
def test_what_is_written_is_read(instant_ms: int) -> None:
    assert parse_ms(format_ms(instant_ms)) == instant_ms


@given(MOMENTS, st.integers(0, 10**9 - 1), ZONES)
def test_finer_than_a_millisecond_rounds_up_in_every_zone(
    moment: datetime, nanoseconds: int, offset_minutes: int
) -> None:
    zone = timezone(timedelta(minutes=offset_minutes))
    local = moment.astimezone(zone)
    offset = f"{local:%z}"[:3] + ":" + f"{local:%z}"[3:5]
    text = f"{local.year:04}-{local:%m-%dT%H:%M:%S}.{nanoseconds:09}{offset}"

    assert parse_ms(text) == -(-exact_ns(moment, nanoseconds) // 10**6)
    assert parse_ns(text) == exact_ns(moment, nanoseconds)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00Z"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00.000000000+00:00"),
        ("2026-11-23T10:00:00Z", "2026-11-23t10:00:00z"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00-00:00"),
        ("2026-11-23T10:00:00Z", "2026-11-24T00:00:00+14:00"),
        ("2026-11-23T10:00:00.1Z", "2026-11-23T10:00:00.100Z"),
        ("2026-11-23T10:00:00.001Z", "2026-11-23T10:00:00.0000001Z"),
        ("2024-02-29T00:00:00Z", "2024-02-28T23:59:59.9991Z"),
    ],
)
def test_the_same_instant_in_other_words_is_the_same_number(text: str, same: str) -> None:
    assert parse_ms(text) == parse_ms(same)


def test_a_date_is_its_first_instant_where_dates_are_welcome() -> None:
    assert parse_ms("2026-11-23", allow_date=True) == parse_ms("2026-11-23T00:00:00Z")
    with pytest.raises(ValueError, match="not an instant"):
        parse_ms("2026-11-23")


@given(st.text(max_size=40))
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_ms(f"{text}?", allow_date=True)


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-11-23T10:00:00", "2026-11-23 10:00:00Z", "2026-11-23T10Z"),
        *("2026-02-29T00:00:00Z", "2026-11-31", "2026-11-23T25:00Z", "2026-11-23T10:61Z"),
        *("2026-11-23T10:00:00,5Z", "2026-11-23T10:00:00.Z", "20261123T100000Z"),
        *(
            "\u0662\u0660\u0662\u0666-11-23",
            "2026-11-23T10:00:00Z ",
            "2026-11-23T10:00:00Z\n",
            "+2026-11-23",
        ),
        *("2026-11-23T10:00:00+24:00", "2026-11-23T10:00:00+1:00", "2026-11-23T10:00:00UTC"),
        *("2026-11-23T10:00:00+01:60", "2026-11-23T10:00:00-00:99"),
        "2026-11-23T10:00.5Z",  # ISO 8601 means 30 seconds
    ],
)
def test_what_looks_like_an_instant_and_is_none_is_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse_ms(text, allow_date=True)


def test_a_moment_is_written_in_utc_and_cut_to_milliseconds() -> None:
    moment = datetime(2026, 11, 23, 20, 52, 0, 123_999, tzinfo=timezone(timedelta(hours=1)))

    assert format_datetime(moment) == "2026-11-23T19:52:00.123Z"
    assert format_ms(0) == "1970-01-01T00:00:00.000Z"
    assert format_ms(-1) == "1969-12-31T23:59:59.999Z"
