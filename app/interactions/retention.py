"""State how long a turn is kept and can be read."""

from app.http.durations import DAY_MS

RETENTION_DAYS = 180
RETENTION_MS = RETENTION_DAYS * DAY_MS


def oldest_readable_ms(now_ms: int, from_ms: int | None = None) -> int:
    """Return the instant from which turns can be read: 180 days ago, or `from_ms` if it is later.

    Older turns are hidden even while they are still stored.
    """
    oldest_ms = now_ms - RETENTION_MS
    return oldest_ms if from_ms is None else max(from_ms, oldest_ms)
