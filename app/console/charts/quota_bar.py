"""The bar of a quota: used, over the limit, held, and the limit itself."""

from dataclasses import dataclass

from app.console.charts.scale import percent

_LEAST_HELD = 0.006


@dataclass(frozen=True, slots=True)
class QuotaBar:
    """Lengths in per cent of the larger one of the limit and what is used and held.

    `over`, `held` and `limit` are None if there is nothing to draw. `pace` is how far the period
    is.
    """

    used: str
    over: tuple[str, str] | None
    held: tuple[str, str] | None
    limit: str | None
    pace: str | None


def quota_bar(used: int, held: int, limit: int, pace: float | None = None) -> QuotaBar:
    """Return the bar of a quota; one without a limit has numbers and no bar.

    `pace` is the part of the period that is over, from 0 to 1.
    """
    full = max(limit, used + held, 1)
    within = min(used, limit)
    is_over = used + held > limit
    return QuotaBar(
        used=percent(within, full),
        over=(percent(within, full), percent(used - limit, full)) if used > limit else None,
        held=_held(used, held, full),
        limit=percent(limit, full) if is_over else None,
        pace=None if pace is None else percent(pace * limit, full),
    )


def _held(used: int, held: int, full: int) -> tuple[str, str] | None:
    """Return the start and the width of what is held: at least 0.6 %, and within the bar."""
    if not held:
        return None
    width = max(held, full * _LEAST_HELD)
    return percent(min(used, full - width), full), percent(width, full)
