"""State how long a turn is kept and can be read, and when it expires."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from app.http.durations import DAY_MS

RETENTION_DAYS = 180
RETENTION_MS = RETENTION_DAYS * DAY_MS
RETENTION = timedelta(days=RETENTION_DAYS)


def expiry_of(day: str) -> datetime:
    """Return the instant from which the turns of a day may be deleted: 180 days after its end."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1) + RETENTION


def is_day(text: Any) -> bool:
    """Return True for a date of the calendar (`2026-11-23`) that turns can expire after."""
    try:
        expiry_of(text)
    except (TypeError, ValueError, OverflowError):
        return False
    # A week's date is read as well, and is no name of a day.
    return date.fromisoformat(text).isoformat() == str(text)


def oldest_readable_ms(now_ms: int, from_ms: int | None = None) -> int:
    """Return the instant from which turns can be read: 180 days ago, or `from_ms` if it is later.

    Older turns are hidden even while they are still stored.
    """
    oldest_ms = now_ms - RETENTION_MS
    return oldest_ms if from_ms is None else max(from_ms, oldest_ms)
