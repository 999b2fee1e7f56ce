"""Summarize a replay: counts, rates and percentiles."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ACCEPTED, DUPLICATE, CONFLICT = "accepted", "duplicates", "conflicts"
RATE_LIMITED, QUOTA_REFUSED = "rate_limited", "quota_refused"
NAMED = (ACCEPTED, DUPLICATE, CONFLICT, RATE_LIMITED, QUOTA_REFUSED)
_BY_STATUS = {
    "created": ACCEPTED,
    "duplicate": DUPLICATE,
}
_BY_CODE = {
    "conflict": CONFLICT,
    "rate_limit_exceeded": RATE_LIMITED,
    "quota_exhausted": QUOTA_REFUSED,
}


def outcome_of_error(code: str) -> str:
    """Return the outcome of an error code; a code without an outcome is its own."""
    return _BY_CODE.get(code, code)


def outcome_of_result(result: Mapping[str, Any]) -> str:
    """Return the outcome of one element of a batch's answer."""
    status: str = result["status"]
    return _BY_STATUS.get(status) or outcome_of_error(result["error"]["code"])


@dataclass(slots=True)
class Tally:
    """One sender's counts: turns by outcome, and seconds of each answered request."""

    outcomes: Counter[str] = field(default_factory=Counter)
    retries_count: int = 0
    lateness_s: list[float] = field(default_factory=list)
    from_schedule_s: list[float] = field(default_factory=list)
    from_send_s: list[float] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add the counts of another sender."""
        self.outcomes += other.outcomes
        self.retries_count += other.retries_count
        self.lateness_s += other.lateness_s
        self.from_schedule_s += other.from_schedule_s
        self.from_send_s += other.from_send_s


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: the smallest value that `share` of all do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread_ms(values_s: Sequence[float]) -> dict[str, float] | None:
    """Return p50, p95, p99 and max in milliseconds; None if there are no values."""
    if not values_s:
        return None
    ordered = sorted(values_s)
    named = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(percentile(ordered, share) * 1_000, 1) for name, share in named.items()}


def summarize(tally: Tally, duration_s: float, planned_s: float) -> dict[str, Any]:
    """Return the figures of a run; times are those of answered requests, also refused ones."""
    sent_count = tally.outcomes.total()
    answered_count = len(tally.from_send_s)
    return {
        "sent_turns": sent_count,
        **{name: tally.outcomes[name] for name in NAMED},
        "other_errors": {
            name: count for name, count in sorted(tally.outcomes.items()) if name not in NAMED
        },
        "answered_requests": answered_count,
        "retries": tally.retries_count,
        "duration_s": round(duration_s, 2),
        "planned_duration_s": round(planned_s, 2),
        "turns_per_second": round(sent_count / duration_s, 1) if duration_s else None,
        "requests_per_second": round(answered_count / duration_s, 1) if duration_s else None,
        "sender_lateness_ms": spread_ms(tally.lateness_s),
        "latency_from_schedule_ms": spread_ms(tally.from_schedule_s),
        "latency_from_send_ms": spread_ms(tally.from_send_s),
    }


def as_text(summary: Mapping[str, Any]) -> str:
    """Return the figures as text, one a line."""
    return "\n".join(
        f"  {name.replace('_', ' '):<26}{_words(value)}" for name, value in summary.items()
    )


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "   ".join(f"{name} {_words(inner)}" for name, inner in value.items()) or "none"
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
