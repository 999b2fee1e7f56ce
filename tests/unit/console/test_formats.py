"""Numbers, times and shares as text."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.console import formats

NOW = "2026-11-30T14:32:07.000Z"


@pytest.mark.parametrize(
    ("value", "text"), [(812_406, "812,406"), (0, "0"), (-1_930, "−1,930"), (None, "–")]
)
def test_counts(value: int | None, text: str) -> None:
    assert formats.count(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (999_999, 1_000_000, "99.9 %"),
        (1_000, 1_000, "100.0 %"),
        (1_038, 1_000, "103.8 %"),
        (1, 10_000, "<0.1 %"),
        (0, 10, "0.0 %"),
        (29, 1_000, "2.9 %"),
        (None, 10, "–"),
        (1, 0, "–"),
        (1, None, "–"),
    ],
)
def test_shares_are_rounded_down(part: int | None, whole: int | None, text: str) -> None:
    assert formats.share(part, whole) == text


@pytest.mark.parametrize(
    ("value", "text", "cell"),
    [
        (3.24, "3.2 ms", "3.2"),
        (9.96, "10.0 ms", "10.0"),
        (861.7, "862 ms", "862"),
        (999.6, "1.00 s", "1,000"),
        (1_184, "1.18 s", "1,184"),
        (9_999, "10.0 s", "9,999"),
        (30_012, "30.0 s", "30,012"),
        (None, "–", "–"),
    ],
)
def test_durations(value: float | None, text: str, cell: str) -> None:
    assert (formats.ms(value), formats.ms_cell(value)) == (text, cell)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        ("2026-11-30T14:32:06.500Z", "0 s ago"),
        ("2026-11-30T14:31:29Z", "38 s ago"),
        ("2026-11-30T13:54:00Z", "38 min ago"),
        ("2026-11-29T16:32:07Z", "22 h ago"),
        ("2026-11-08T00:00:00Z", "22 d ago"),
        ("2026-12-08T00:00:00Z", "in 7 d 9 h"),
        ("2026-11-30T15:00:00Z", "in 27 min"),
        ("2026-12-02T14:32:07Z", "in 2 d"),
        (None, "–"),
    ],
)
def test_distances(instant: str | None, text: str) -> None:
    assert formats.distance(instant, NOW) == text


def test_clocks_and_days_are_in_utc() -> None:
    assert formats.clock("2026-11-30T15:31:52+01:00") == "14:31:52"
    assert formats.clock(NOW, seconds=False) == "14:32"
    assert formats.day("2026-11-08T00:00:00Z", NOW) == "8 Nov"
    assert formats.day("2025-11-08T00:00:00Z", NOW) == "8 Nov 2025"
    assert formats.day(datetime.now(UTC).isoformat()).count(" ") == 1
    assert formats.full_instant(NOW) == "2026-11-30 14:32:07 UTC"
    for write in (formats.clock, formats.day, formats.full_instant):
        assert write(None) == "–"


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (0, 0), ("", "")])
def test_missing_values(value: Any, shown: Any) -> None:
    assert formats.missing(value) == shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(38, "38 s"), (240, "4 min"), (7_300, "2 h"), (None, "–")]
)
def test_lags(seconds: int | None, text: str) -> None:
    assert formats.seconds_text(seconds) == text
