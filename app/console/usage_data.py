"""Turns, tokens, refusals and times of an account by day, and their sums by name.

Numbers are those of `GET /v1/interactions/aggregates`; refusals are those of the minutes.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from app.http.durations import DAY_MS
from app.http.instants import day_of_ms, format_ms
from app.interactions.model import Filters
from app.minutes.model import DayRefusals
from app.minutes.service import Minutes
from app.minutes.storage import DAY_KEPT_S
from app.usage.buckets import Grouping
from app.usage.items import aggregate_item
from app.usage.service import UsageService

Item = dict[str, Any]
# What went well first, then the mildest failure.
_ORDER = ("completed", "guardrail_blocked", "timed_out", "failed")
_LENGTHS = {"30d": 30, "180d": 180}


class Span(StrEnum):
    """The days that charts and sums cover, today included."""

    PERIOD = "period"
    DAYS_30 = "30d"
    DAYS_180 = "180d"


def range_of(span: Span, period_start_ms: int, now_ms: int) -> tuple[int, int]:
    """Return the first instant, and the first one after today, in milliseconds since 1970."""
    today_ms = now_ms - now_ms % DAY_MS
    if span is Span.PERIOD:
        return period_start_ms, today_ms + DAY_MS
    return today_ms - (_LENGTHS[span] - 1) * DAY_MS, today_ms + DAY_MS


def usage_data(
    service: UsageService, account: str, span: Span, period_start_ms: int, now_ms: int
) -> Item:
    """Return the days of a range, their sums, and the sums by model, personality and emotion."""
    from_ms, to_ms = range_of(span, period_start_ms, now_ms)
    asked = Filters(from_ms=from_ms, to_ms=to_ms)
    # The dimension with the fewest names: it shows which days have a breakdown.
    by_day = service.aggregates(account, asked, Grouping.DAY, now_ms, dimension="status")
    (by_model,) = service.aggregates(account, asked, None, now_ms, dimension="model")
    (by_personality,) = service.aggregates(account, asked, None, now_ms, dimension="personality")
    sums = aggregate_item(by_model)
    return {
        "span": span.value,
        "from": format_ms(from_ms),
        "to": format_ms(to_ms),
        "period_start": format_ms(period_start_ms),
        "days": [_day(aggregate_item(each), now_ms) for each in by_day],
        "totals": _numbers(sums),
        "statuses": _statuses(sums["by_status"]),
        "models": _shares(sums["breakdown"], sums["total_turns"]),
        "personalities": _shares(aggregate_item(by_personality)["breakdown"], sums["total_turns"]),
        "emotions": _named(sums["primary_emotion_distribution"]),
        "has_all_names": sums["breakdown_complete"],
    }


def pace_days(service: UsageService, account: str, created_ms: int, now_ms: int) -> list[int]:
    """Return the turns consumed on each of the last whole days, at most 7."""
    today_ms = now_ms - now_ms % DAY_MS
    first_ms = max(today_ms - 7 * DAY_MS, -(-created_ms // DAY_MS) * DAY_MS)
    if first_ms >= today_ms:
        return []
    asked = Filters(from_ms=first_ms, to_ms=today_ms)
    found = service.aggregates(account, asked, Grouping.DAY, now_ms)
    return [each.rollup.turns_consumed for each in found]


def refusals_data(minutes: Minutes, organization_id: str, days: Sequence[str]) -> Item:
    """Return the refusals of each day, live and test together; None for days without counts."""
    found = minutes.refused_by_day(organization_id, days)
    counted = [each for each in found if each is not None]
    return {
        "days": [_refused(each) for each in found],
        "rate_limited": sum(each.rate_limited for each in counted),
        "quota_exhausted": sum(each.quota_exhausted for each in counted),
        "kept_days": DAY_KEPT_S * 1_000 // DAY_MS,
    }


def days_of(from_ms: int, to_ms: int) -> list[str]:
    """Return the name of each day of a range, oldest first: `2026-11-30`."""
    return [day_of_ms(at_ms) for at_ms in range(from_ms, to_ms, DAY_MS)]


def _refused(day: DayRefusals | None) -> Item | None:
    return None if day is None else day._asdict()


def _day(item: Item, now_ms: int) -> Item:
    day = item["period_start"][:10]
    return {"day": day, "is_so_far": day == day_of_ms(now_ms), **_numbers(item)}


def _numbers(item: Item) -> Item:
    has_tokens = _has_tokens(item)
    return {
        "turns": item["total_turns"],
        "turns_consumed": item["turns_consumed"],
        **{status: item["by_status"][status] for status in _ORDER},
        "input_tokens": item["input_tokens"] if has_tokens else None,
        "output_tokens": item["output_tokens"] if has_tokens else None,
        "p50_ms": item["latency_ms"]["p50"],
        "p95_ms": item["latency_ms"]["p95"],
    }


def _has_tokens(item: Item) -> bool:
    """Return False for turns of a release that summed up no tokens: 0 would be wrong."""
    if item["input_tokens"] or item["output_tokens"] or not item["total_turns"]:
        return True
    return any(each["total_turns"] for each in item["breakdown"])


def _statuses(counts: Mapping[str, int]) -> Item:
    names = [{"name": status, "turns": counts[status]} for status in _ORDER]
    return {"total": sum(counts.values()), "names": names}


def _named(counts: Mapping[str, int]) -> Item:
    ranked = sorted(counts.items(), key=lambda count: (-count[1], count[0]))
    return {
        "total": sum(counts.values()),
        "names": [{"name": name, "turns": turns} for name, turns in ranked],
    }


def _shares(breakdown: Iterable[Item], total: int) -> Item:
    return {
        "total": total,
        "names": [
            {
                "name": each["key"],
                "turns": each["total_turns"],
                "input_tokens": each["input_tokens"],
                "output_tokens": each["output_tokens"],
            }
            for each in breakdown
        ],
    }
