"""Requests, refusals and answer times by step, with their sums."""

from collections.abc import Sequence
from typing import Any

from app.console.overview.query import Range
from app.console.shared_reads import shared
from app.http.application import provided
from app.http.instants import format_ms
from app.minutes.model import Outcome
from app.minutes.service import Minutes
from app.minutes.steps import Step, sum_steps

Row = dict[str, Any]
OUTCOMES = tuple(outcome.value for outcome in Outcome)
REFUSED = (Outcome.RATE_LIMITED.value, Outcome.QUOTA_EXHAUSTED.value)


def find_traffic(chosen: Range) -> dict[str, Any]:
    """Return the steps of a range, oldest first, and their sum."""
    steps, as_of = shared(f"traffic {chosen.step_s}", lambda: _read(chosen))
    total = sum_steps(steps)
    return {
        "as_of": as_of,
        "step_s": chosen.step_s,
        "steps": [_row(step) for step in steps],
        "total": _row(total),
        "missing_minutes": total.minutes_count - total.recorded_count,
        "highest_refused_at": _highest(steps),
    }


def _read(chosen: Range) -> Sequence[Step]:
    return provided(Minutes).list_steps(chosen.steps_count, chosen.step_s)


def _row(step: Step) -> Row:
    """Return a step; its numbers are None if none of its minutes has data."""
    has_data = step.recorded_count > 0
    counts = {name: step.counts[Outcome(name)] if has_data else None for name in OUTCOMES}
    return {
        "at": format_ms(step.at_s * 1_000),
        "minutes": step.minutes_count,
        "recorded_minutes": step.recorded_count,
        "is_over": step.is_over,
        "requests": step.requests_count if has_data else None,
        **counts,
        "p50_ms": _rounded(step.find_quantile_ms(0.5)),
        "p95_ms": _rounded(step.find_quantile_ms(0.95)),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _highest(steps: Sequence[Step]) -> str | None:
    """Return the start of the step with the most refusals; None without any."""
    highest = max(steps, key=_refused)
    return format_ms(highest.at_s * 1_000) if _refused(highest) else None


def _refused(step: Step) -> int:
    return sum(step.counts[Outcome(name)] for name in REFUSED)
