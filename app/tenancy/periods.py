"""Billing periods: months of UTC days, anchored on the day an organization signed up."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)  # without slots, so that computed values are cached
class Period:
    """A half-open span [start, end) between two UTC midnights."""

    start: datetime
    end: datetime

    @cached_property
    def label(self) -> str:
        """The first day, `2026-11-05`: names the period in keys and in ledger rows."""
        return self.start.date().isoformat()

    @cached_property
    def start_us(self) -> int:
        """Microseconds since 1970 at which the period begins."""
        return (self.start - _EPOCH) // _MICROSECOND

    @cached_property
    def end_us(self) -> int:
        """Microseconds since 1970 at which the next period begins."""
        return (self.end - _EPOCH) // _MICROSECOND


def period_at(signed_up_on: date, instant_us: int) -> Period:
    """Return the period of this sign-up day that contains `instant_us` (microseconds since 1970).

    Every start is computed from the sign-up day itself, so a short month never moves the later
    ones: 31 January, 28 February, 31 March. Periods tile time, before the sign-up day too.
    """
    return _period_of((_EPOCH + timedelta(microseconds=instant_us)).date(), signed_up_on.day)


@lru_cache(maxsize=256)  # today and a few more days, for every anchor
def _period_of(day: date, anchor: int) -> Period:
    month = day.year * 12 + day.month - 1
    if day.day < _day_in(month, anchor):
        month -= 1
    return Period(_start(month, anchor), _start(month + 1, anchor))


def _day_in(month: int, anchor: int) -> int:
    """Return the anchor day in a month counted from year 0, or the last day of a shorter month."""
    return min(anchor, monthrange(month // 12, month % 12 + 1)[1])


def _start(month: int, anchor: int) -> datetime:
    return datetime(month // 12, month % 12 + 1, _day_in(month, anchor), tzinfo=UTC)
