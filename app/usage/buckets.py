"""Calendar buckets in UTC: days, ISO weeks and months that tile a half-open range of instants."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from app.http.durations import DAY_MS

_EPOCH = date(1970, 1, 1)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_DAY = timedelta(days=1)


class Grouping(StrEnum):
    """The length of a bucket."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Range:
    """The instants `start_ms <= t < end_ms`, milliseconds since 1970; never empty."""

    start_ms: int
    end_ms: int

    @property
    def first_day(self) -> date:
        """The day that holds the first instant."""
        return day_of(self.start_ms)

    @property
    def last_day(self) -> date:
        """The day that holds the last instant."""
        return day_of(self.end_ms - 1)

    def ended_days(self, now_ms: int) -> tuple[date, date]:
        """Return the first whole day, and the day after the last whole one that has ended."""
        return day_of(self.start_ms + DAY_MS - 1), day_of(min(self.end_ms, now_ms))

    def split(self) -> tuple[list["Range"], "Range | None"]:
        """Return the partial days at the ends, at most two, and the whole days between them."""
        whole = Range(-(-self.start_ms // DAY_MS) * DAY_MS, self.end_ms // DAY_MS * DAY_MS)
        if whole.start_ms > whole.end_ms:  # both ends lie in one day
            return [self], None
        ends = [Range(self.start_ms, whole.start_ms), Range(whole.end_ms, self.end_ms)]
        cut = [end for end in ends if end.start_ms < end.end_ms]
        return cut, whole if whole.start_ms < whole.end_ms else None


class Bucket(NamedTuple):
    """The days `start <= day < end`; a range that cuts a bucket does not change its bounds."""

    start: date
    end: date

    @property
    def start_ms(self) -> int:
        """Its first instant, milliseconds since 1970."""
        return start_ms(self.start)

    @property
    def end_ms(self) -> int:
        """The first instant after it, milliseconds since 1970."""
        return start_ms(self.end)

    def days(self) -> Iterator[str]:
        """Return the name of each day (`2026-11-23`), oldest first."""
        days = map(date.fromordinal, range(self.start.toordinal(), self.end.toordinal()))
        return map(date.isoformat, days)

    def is_within(self, first: date, end: date) -> bool:
        """Return True if each of its days lies in `first <= day < end`."""
        return first <= self.start and self.end <= end


def buckets_of(asked: Range, grouping: Grouping) -> list[Bucket]:
    """Return the buckets that overlap `asked`, oldest first, without gaps."""
    starts, longest = _STARTS[grouping], _LONGEST[grouping]
    start, last = starts(asked.first_day), asked.last_day
    found: list[Bucket] = []
    while start <= last:
        end = starts(start + longest)
        found.append(Bucket(start, end))
        start = end
    return found


def day_of(at_ms: int) -> date:
    """Return the UTC day of an instant in milliseconds since 1970."""
    return _EPOCH + timedelta(days=at_ms // DAY_MS)


def start_ms(day: date) -> int:
    """Return the first instant of a UTC day, in milliseconds since 1970."""
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY_MS


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


_STARTS = {
    Grouping.DAY: lambda day: day,
    Grouping.WEEK: _monday,
    Grouping.MONTH: _first_of_month,
}
# From the start of a bucket this leads into the next one, never past it.
_LONGEST = {Grouping.DAY: _DAY, Grouping.WEEK: 7 * _DAY, Grouping.MONTH: 31 * _DAY}
