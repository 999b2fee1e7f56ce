"""The axis of time, in UTC."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.console.charts.scale import percent

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_MOST_DAYS_BY_WEEK = 45
_MOST_DAYS_BY_MONTH = 180
_MONDAY = 0
_TEN_MINUTES = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark below the centre of a step; minor ones are hidden on phones."""

    x: str
    label: str
    is_minor: bool


Mark = tuple[str, bool]


def time_ticks(starts: Sequence[datetime]) -> tuple[Tick, ...]:
    """Return the ticks of steps that begin at `starts`, which are evenly spaced or months."""
    return tuple(
        Tick(percent(index + 0.5, len(starts)), label, is_minor)
        for index, (label, is_minor) in _marks(starts)
    )


def _marks(starts: Sequence[datetime]) -> Iterator[tuple[int, Mark]]:
    step = starts[1] - starts[0] if len(starts) > 1 else _DAY
    mondays = [start for start in starts if start.weekday() == _MONDAY]
    for index, start in enumerate(starts):
        if step < _DAY:
            found = _mark_of_clock(start, step)
        elif step == _DAY and len(starts) <= _MOST_DAYS_BY_WEEK:
            found = (_day(start), mondays.index(start) % 2 == 1) if start in mondays else None
        elif step == _DAY and len(starts) <= _MOST_DAYS_BY_MONTH:
            found = (_day(start), start.day != 1) if start.day in {1, 15} else None
        else:
            found = _mark_of_month(start, step)
        if found is not None:
            yield index, found


def _mark_of_clock(start: datetime, step: timedelta) -> Mark | None:
    if step < _TEN_MINUTES:
        return (f"{start:%H:%M}", start.minute % 20 != 0) if start.minute % 10 == 0 else None
    if start.minute:
        return None
    if step < _HOUR:
        return (f"{start:%H:%M}", start.hour % 6 != 0) if start.hour % 3 == 0 else None
    if start.hour:
        return ("", True) if start.hour == 12 else None
    return _day(start), False


def _mark_of_month(start: datetime, step: timedelta) -> Mark | None:
    """Return the mark of a step that contains the first day of a month."""
    first = next((day for day in _days(start, step) if day.day == 1), None)
    return None if first is None else (_day(first), first.month % 3 != 1)


def _days(start: datetime, step: timedelta) -> Iterator[datetime]:
    return (start + _DAY * count for count in range(step // _DAY))


def _day(start: datetime) -> str:
    return f"{start.day} {start:%b}"
