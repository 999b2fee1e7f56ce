"""Instants as this room keeps them: aware, in UTC, in whole milliseconds."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def whole_ms(instant: datetime) -> datetime:
    """The instant without what MongoDB would cut off, so that what is told equals what is kept."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
