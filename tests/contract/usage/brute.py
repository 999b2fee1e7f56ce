"""Answers found by looking at every turn, one by one, with nothing of the service's own sums."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from app.interactions.model import STATUSES, Filters
from tests.turns import DAY_MS

Row = dict[str, Any]
Item = dict[str, Any]
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def instant_of(row: Row) -> int:
    instant = 0
    for digit in row["_id"][:10]:
        instant = instant * 32 + _DIGITS.index(digit)
    return instant


def chosen(rows: Iterable[Row], filters: Filters) -> list[Row]:
    """Return the rows that match; both bounds must be given."""
    assert filters.from_ms is not None
    assert filters.to_ms is not None
    return [
        row
        for row in rows
        if filters.user_id in (None, row["user_id"])
        and filters.relationship_id in (None, row["relationship_id"])
        and filters.from_ms <= instant_of(row) < filters.to_ms
    ]


def grouped(
    rows: Iterable[Row], filters: Filters, group_by: str
) -> Iterator[tuple[date, list[Row]]]:
    """Return first day and matching rows of every bucket that was asked for."""
    wanted = chosen(rows, filters)
    first, last = _day(filters.from_ms or 0), _day((filters.to_ms or 0) - 1)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    for label in dict.fromkeys(_label(day, group_by) for day in days):
        inside = [row for row in wanted if _label(_day(instant_of(row)), group_by) == label]
        yield _start(label, group_by), inside


def aggregate(rows: Sequence[Row]) -> Item:
    """Return the item of a bucket of these rows, without its bounds and percentiles."""
    latencies = [row["latency_ms"] for row in rows]
    states = [row["inferred_emotional_state"] for row in rows]
    return {
        "total_turns": len(rows),
        **sums(rows),
        "by_status": {status: [row["status"] for row in rows].count(status) for status in STATUSES},
        "avg_latency_ms": float(Fraction(sum(latencies), len(rows))) if rows else None,
        "unique_personalities_count": len({row["personality_id"] for row in rows}),
        "primary_emotion_distribution": dict(
            Counter(state["primary"] for state in states if state)
        ),
    }


def sums(rows: Sequence[Row]) -> dict[str, int]:
    """Return turns consumed and tokens of these rows."""
    names = ("turns_consumed", "input_tokens", "output_tokens")
    return {name: sum(row["usage"][name] or 0 for row in rows) for name in names}


def breakdown(rows: Sequence[Row], dimension: str) -> list[Item]:
    """Return the sums of these rows by the names of a dimension, the largest first."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(_NAME_OF[dimension](row) or "~none", []).append(row)
    shown = [
        {"key": name, "total_turns": len(some), **sums(some)} for name, some in by_name.items()
    ]
    return sorted(shown, key=lambda item: (-item["total_turns"], item["key"]))


def _model_of(row: Row) -> str | None:
    usage = row["usage"]
    provider = usage["llm_provider"] or "unknown"
    return f"{provider}/{usage['llm_model']}" if usage["llm_model"] else None


_NAME_OF: dict[str, Callable[[Row], str | None]] = {
    "model": _model_of,
    "provider": lambda row: row["usage"]["llm_provider"],
    "personality": lambda row: row["personality_id"],
    "status": lambda row: row["status"],
    "mode": lambda row: row["mode"],
    "key": lambda row: row.get("key_id"),
}


def percentile(rows: Sequence[Row], percent: int) -> int:
    """Return the least latency that at least so many percent of the rows do not exceed."""
    ordered = sorted(int(row["latency_ms"]) for row in rows)
    return next(
        latency
        for rank, latency in enumerate(ordered, start=1)
        if rank * 100 >= percent * len(ordered)
    )


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms // DAY_MS * (DAY_MS // 1_000), UTC).date()


def _label(day: date, group_by: str) -> str:
    return f"{day:{ {'day': '%Y-%m-%d', 'week': '%G-W%V', 'month': '%Y-%m'}[group_by] }}"


def _start(label: str, group_by: str) -> date:
    return date.fromisoformat({"day": label, "week": label, "month": f"{label}-01"}[group_by])
