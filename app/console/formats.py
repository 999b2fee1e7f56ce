"""Write numbers, times and shares as text: the filters of the console's templates.

A value that is not known is None, and an en dash in a page: never 0, never blank.
"""

from datetime import UTC, datetime
from typing import Any

from app.console.charts.scale import percent
from app.watch.texts import limit_text, share_text

MISSING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


def missing(value: Any) -> Any:
    """Return `value`, or an en dash in place of None."""
    return MISSING if value is None else value


def count(value: int | None) -> str:
    """Return a whole number with a comma every three digits: 812,406."""
    if value is None:
        return MISSING
    return f"{_MINUS}{-value:,}" if value < 0 else f"{value:,}"


def share(part: int | None, whole: int | None) -> str:
    """Return a share, as commands write it; an en dash without a whole."""
    return MISSING if part is None or not whole else share_text(part, whole)


def clock(instant: str | None, *, seconds: bool = True) -> str:
    """Return the time of day in UTC: 14:31:52, or 14:31."""
    if instant is None:
        return MISSING
    return _parse(instant).strftime("%H:%M:%S" if seconds else "%H:%M")


def day(instant: str | None, now: str | None = None) -> str:
    """Return the day in UTC: 8 Nov, with the year if it is not that of `now`."""
    if instant is None:
        return MISSING
    found, today = _parse(instant), _parse(now) if now else datetime.now(UTC)
    text = f"{found.day} {found:%b}"
    return text if found.year == today.year else f"{text} {found.year}"


def full_instant(instant: str | None) -> str:
    """Return the whole instant for a title: 2026-11-30 14:31:52 UTC."""
    return MISSING if instant is None else f"{_parse(instant):%Y-%m-%d %H:%M:%S} UTC"


def distance(instant: str | None, now: str) -> str:
    """Return how far `instant` is from `now`: 38 min ago, in 7 d 9 h."""
    if instant is None:
        return MISSING
    seconds = int((_parse(instant) - _parse(now)).total_seconds())
    return f"in {_ahead(seconds)}" if seconds > 0 else f"{_largest_unit(-seconds)} ago"


def seconds_text(seconds: int | None) -> str:
    """Return a duration in its largest whole unit: 38 s, 4 min, 2 h, 3 d."""
    return MISSING if seconds is None else _largest_unit(seconds)


def ms(value: float | None) -> str:
    """Return a duration with its unit: 3.2 ms, 862 ms, 1.18 s, 30.0 s."""
    if value is None:
        return MISSING
    if value < 10:
        return f"{value:.1f} ms"
    if value < 999.5:
        return f"{value:.0f} ms"
    return f"{value / 1_000:.2f} s" if value < 9_995 else f"{value / 1_000:,.1f} s"


def ms_cell(value: float | None) -> str:
    """Return milliseconds without their unit, for a column that names it: 3.2, 3,408."""
    if value is None:
        return MISSING
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


FILTERS = {
    "missing": missing,
    "count": count,
    "limit": limit_text,
    "share": share,
    "clock": clock,
    "day": day,
    "instant": full_instant,
    "distance": distance,
    "seconds": seconds_text,
    "ms": ms,
    "ms_cell": ms_cell,
    "width": percent,
}


def _parse(instant: str) -> datetime:
    found = datetime.fromisoformat(instant)
    # A day is in UTC, whatever the zone of the machine.
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _ahead(seconds: int) -> str:
    days, rest = divmod(seconds, _DAY_S)
    hours = rest // _HOUR_S
    return f"{days} d {hours} h" if days and hours else _largest_unit(seconds)


def _largest_unit(seconds: int) -> str:
    for unit_s, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= unit_s:
            return f"{seconds // unit_s} {name}"
    return f"{seconds} s"
