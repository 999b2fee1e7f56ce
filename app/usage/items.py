"""Render aggregates, usage and quotas for the wire."""

from datetime import date
from functools import lru_cache
from typing import Any

from app.admission.decision import QuotaState
from app.http.instants import format_us
from app.interactions.model import STATUSES
from app.tenancy.model import Limits, OveragePolicy
from app.usage.limits import LimitsView
from app.usage.service import Slice

Item = dict[str, Any]
_NO_TURNS = dict.fromkeys(STATUSES, 0)


def usage_item(slice_: Slice) -> Item:
    """Render a bucket of turns, with a breakdown if one was asked for."""
    return _broken_down(_counts(slice_), slice_)


def aggregate_item(slice_: Slice) -> Item:
    """Render a bucket of turns with latencies, personalities and emotions, as `usage_item`."""
    item, rollup = _counts(slice_), slice_.rollup
    item["avg_latency_ms"] = rollup.average_latency_ms
    p50, p95, p99 = rollup.latency_percentiles_ms(50, 95, 99)
    item["latency_ms"] = {"p50": p50, "p95": p95, "p99": p99}
    item["unique_personalities_count"] = slice_.personalities_count
    item["primary_emotion_distribution"] = rollup.emotions
    return _broken_down(item, slice_)


def _counts(slice_: Slice) -> Item:
    bucket, rollup = slice_.bucket, slice_.rollup
    return {
        "period_start": _midnight(bucket.start) if bucket else None,
        "period_end": _midnight(bucket.end) if bucket else None,
        "total_turns": rollup.total_turns,
        "turns_consumed": rollup.turns_consumed,
        "input_tokens": rollup.input_tokens,
        "output_tokens": rollup.output_tokens,
        "complete": slice_.is_complete,
        "by_status": {**_NO_TURNS, **rollup.by_status},
    }


def _broken_down(item: Item, slice_: Slice) -> Item:
    if slice_.shares is not None:
        item["breakdown"] = [{"key": share.name, **share.sums._asdict()} for share in slice_.shares]
        item["breakdown_complete"] = slice_.is_breakdown_complete
    return item


def quota_item(quota: QuotaState, overage_policy: OveragePolicy) -> Item:
    """Render the quota of turns; `turns_remaining` excludes reserved turns."""
    taken = quota.turns_used + quota.turns_reserved
    return {
        "turns_used": quota.turns_used,
        "turns_reserved": quota.turns_reserved,
        "turns_limit": quota.turns_limit,
        "turns_remaining": _remaining(quota.turns_limit, taken),
        "uncharged_turns_used": quota.uncharged_used,
        "uncharged_turns_limit": quota.uncharged_limit,
        **_period(quota),
        "overage_policy": overage_policy.value,
    }


def credits_item(quota: QuotaState) -> Item:
    """Render what is left of the billing period, by component; held turns are not left."""
    rows = (
        ("turns", quota.turns_used, quota.turns_reserved, quota.turns_limit),
        ("active_relationships", quota.relationships_used, 0, quota.relationships_limit),
        ("uncharged_turns", quota.uncharged_used, 0, quota.uncharged_limit),
    )
    return {
        "data": [
            {
                "component": component,
                "used": used,
                "held": held,
                "limit": limit,
                "remaining": _remaining(limit, used + held),
                "resets_at": format_us(quota.period_end_us),
            }
            for component, used, held, limit in rows
        ]
    }


def limits_item(view: LimitsView, limits: Limits) -> Item:
    """Render the limits of an account; `quota` is null while no counters are loaded."""
    bucket, quota, at_us = view.bucket, view.quota, view.exhausted_at_us
    rate = bucket.rate
    shown: Item | None = None
    if quota is not None:
        relationships = relationships_item(quota)
        shown = quota_item(quota, limits.overage_policy) | {
            "active_relationships_used": relationships["active_relationships"],
            "active_relationships_limit": relationships["limit"],
        }
    return {
        "rate_limit": {
            "requests_per_second": rate.numerator if rate.denominator == 1 else float(rate),
            "burst": limits.burst,
            "remaining": bucket.remaining,
            "resets_at": format_us(bucket.reset_at_us),
        },
        "quota": shown,
        "projected_exhaustion_at": None if at_us is None else format_us(at_us),
    }


def relationships_item(quota: QuotaState) -> Item:
    """Render the quota of active relationships."""
    used, limit = quota.relationships_used, quota.relationships_limit
    return {
        "active_relationships": used,
        "limit": limit,
        "remaining": _remaining(limit, used),
        **_period(quota),
    }


@lru_cache(maxsize=1_024)  # the bounds of a bucket are those of its neighbours, too
def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"


def _remaining(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)


def _period(quota: QuotaState) -> Item:
    return {
        "period_start": format_us(quota.period_start_us),
        "period_end": format_us(quota.period_end_us),
    }
